/** What is done to a world, and when: drawn from the seed before the world begins, so that any part can be left out. */

import type { Direction } from './model/link.ts';
import type { Behaviour } from './model/pod-behaviour.ts';
import { type Dice, dice } from './model/randomness.ts';

interface Timed {
  /** Its place in the whole plan, by which it is named. */
  readonly id: number;
  readonly at: number;
}

/** Wrong for a while. */
export interface Fault extends Timed {
  readonly what: 'fault';
  readonly forMs: number;
  readonly fault:
    | {
        readonly kind: 'cut';
        readonly replica: number;
        readonly from: string;
        readonly direction: Direction | 'both';
        readonly reset: boolean;
      }
    | { readonly kind: 'refuse'; readonly replica: number; readonly from: string }
    | {
        readonly kind: 'slow';
        readonly replica: number;
        readonly from: string;
        readonly direction: Direction;
        readonly delayMs: number;
      }
    | {
        readonly kind: 'lose';
        readonly replica: number;
        readonly from: string;
        readonly direction: Direction;
        readonly share: number;
      }
    | { readonly kind: 'fade'; readonly replica: number; readonly from: string; readonly delayMs: number }
    | {
        readonly kind: 'straggle';
        readonly replica: number;
        readonly from: string;
        readonly direction: Direction;
        readonly share: number;
      }
    | { readonly kind: 'repeat'; readonly replica: number; readonly from: string; readonly share: number }
    | { readonly kind: 'stale watch'; readonly replica: number; readonly lagMs: number }
    | { readonly kind: 'pause'; readonly replica: number; readonly asleep: boolean }
    | { readonly kind: 'crash'; readonly replica: number }
    | { readonly kind: 'terminate'; readonly replica: number }
    | { readonly kind: 'slander'; readonly replica: number }
    | { readonly kind: 'wall clock'; readonly replica: number; readonly offsetMs: number }
    | { readonly kind: 'redis away'; readonly server: number; readonly losing: boolean }
    | { readonly kind: 'redis flush' }
    | { readonly kind: 'api away' }
    | { readonly kind: 'api restart' }
    | { readonly kind: 'api errors'; readonly share: number }
    | { readonly kind: 'api throttles'; readonly share: number }
    | { readonly kind: 'backend away'; readonly zone: number }
    | { readonly kind: 'backend slow'; readonly zone: number; readonly slowMs: number }
    | { readonly kind: 'backend lies'; readonly zone: number; readonly lie: 'empty' | 'partial' }
    | { readonly kind: 'backend incomplete'; readonly zone: number }
    | { readonly kind: 'backend stale'; readonly zone: number; readonly staleMs: number };
}

export type FaultKind = Fault['fault']['kind'];

/** Somebody works with the cluster. */
export interface Deed extends Timed {
  readonly what: 'deed';
  readonly deed:
    | {
        readonly kind: 'create pod';
        readonly name: string;
        readonly zone: number;
        readonly behaviour: Behaviour;
        readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
        readonly secret: boolean;
      }
    | { readonly kind: 'delete pod'; readonly name: string; readonly graceSeconds: number }
    | { readonly kind: 'recreate pod'; readonly name: string; readonly zone: number; readonly behaviour: Behaviour }
    | { readonly kind: 'change image'; readonly name: string }
    | { readonly kind: 'create replica set'; readonly name: string; readonly replicas: number }
    | { readonly kind: 'scale'; readonly name: string; readonly replicas: number }
    | { readonly kind: 'ask for hand-over'; readonly zone: number; readonly to: number | undefined }
    | { readonly kind: 'delete lease'; readonly zone: number }
    | { readonly kind: 'delete node lease'; readonly zone: number }
    | { readonly kind: 'delete node'; readonly zone: number }
    | { readonly kind: 'edit epoch'; readonly zone: number; readonly epoch: string };
}

export interface Plan {
  readonly seed: number;
  readonly replicas: number;
  readonly zones: number;
  /** Length of the whole run. */
  readonly lengthMs: number;
  /** From here on nothing is wrong and nobody does anything. */
  readonly calmFromMs: number;
  readonly nodeMonitorGraceMs: number;
  readonly election: 'lease' | 'redis';
  readonly state: 'kubernetes' | 'redis';
  /** How many Redis servers there are. */
  readonly redis: number;
  /** Zones whose backend is down for so long are given up; undefined: none ever is. */
  readonly evictAfterMs: number | undefined;
  /** The API server compares epochs. */
  readonly fencePolicy: boolean;
  /** Rates of the replicas' clocks. */
  readonly rates: readonly number[];
  readonly steps: readonly (Fault | Deed)[];
}

const MINUTE_MS = 60_000;
/** Every so manieth seed is a long one. */
const LONG_EVERY = 20;
const LONG_MINUTES = 30;
const SHORT_MINUTES = 3;
/** Replicas start and zones get their first leaders. */
const FIRST_MS = 8_000;
/** What a run needs to come to rest: two complete lists of the backend 30 s apart, after up to 66 s, and the quiet that is checked. */
const CALM_MS = 115_000;
/** What a hand-back needs: a replica that was healthy for a minute, a cooldown of five. */
const LONG_CALM_MS = 480_000;
/** How far clocks that keep time badly are off: a tenth of what the lease's margin allows for. */
const DRIFT = 0.01;

export function drawPlan(seed: number, minutes?: number): Plan {
  const d = dice(seed, 'plan');
  const lengthMs = (minutes ?? (seed % LONG_EVERY === 0 ? LONG_MINUTES : SHORT_MINUTES)) * MINUTE_MS;
  const long = lengthMs >= 15 * MINUTE_MS;
  const calmFromMs = Math.max(FIRST_MS, lengthMs - (long ? LONG_CALM_MS : CALM_MS));
  const replicas = d.between(2, 5);
  const zones = d.between(1, 4);
  const drifting = d.chance(0.5);
  const rates = Array.from({ length: replicas }, () => (drifting ? 1 + DRIFT * (2 * d.next() - 1) : 1));
  const election = d.chance(0.35) ? 'redis' : 'lease';
  const state = d.chance(0.35) ? 'redis' : 'kubernetes';
  const redis = election === 'redis' ? d.pick([1, 3]) : state === 'redis' ? 1 : 0;
  const place = { replicas, zones, redis };
  const steps = [...faults(d, place, calmFromMs), ...deeds(d, place, calmFromMs)]
    .sort((a, b) => a.at - b.at)
    .map((step, id) => ({ ...step, id }));
  const nodeMonitorGraceMs = d.pick([40_000, 50_000]);
  const policy = dice(seed, 'zone down');
  const evictAfterMs = zones > 1 && policy.chance(0.5) ? policy.pick([0, 10_000, 25_000]) : undefined;
  const fencePolicy = dice(seed, 'fence policy').chance(0.3);
  const run = { seed, replicas, zones, lengthMs, calmFromMs, rates, steps };
  return { ...run, nodeMonitorGraceMs, election, state, redis, evictAfterMs, fencePolicy };
}

/** The same with only these steps. */
export function withSteps(plan: Plan, ids: ReadonlySet<number>): Plan {
  return { ...plan, steps: plan.steps.filter(({ id }) => ids.has(id)) };
}

interface Place {
  readonly replicas: number;
  readonly zones: number;
  readonly redis: number;
}

const KINDS: readonly FaultKind[] = [
  'cut',
  'refuse',
  'slow',
  'lose',
  'fade',
  'straggle',
  'repeat',
  'stale watch',
  'pause',
  'crash',
  'terminate',
  'slander',
  'wall clock',
  'redis away',
  'redis flush',
  'api away',
  'api restart',
  'api errors',
  'api throttles',
  'backend away',
  'backend slow',
  'backend lies',
  'backend incomplete',
  'backend stale',
];

function faults(d: Dice, place: Place, untilMs: number): Fault[] {
  // Each seed knows some kinds only: what all of them together drown is seen when few are at work.
  const kinds = KINDS.filter((kind) => d.chance(0.4) && (place.redis > 0 || !kind.startsWith('redis')));
  if (kinds.length === 0) return [];
  const everyMs = d.pick([1_500, 4_000, 10_000]);
  // What goes wrong together is worse than what goes wrong here and there.
  const victim = { replica: d.between(0, place.replicas - 1), zone: d.between(0, place.zones - 1) };
  const spite = d.pick([0, 0.5, 0.9]);
  const steps: Fault[] = [];
  for (let at = FIRST_MS * d.next(); at < untilMs; at += everyMs * (0.2 + 1.6 * d.next())) {
    const fault = drawFault(d, d.pick(kinds), place, d.chance(spite) ? victim : undefined);
    const longest = fault.kind === 'backend lies' ? 20_000 : d.pick([1_000, 5_000, 15_000, 40_000]);
    const forMs = Math.min(longest * (0.1 + 0.9 * d.next()), untilMs - at);
    steps.push({ id: 0, at, what: 'fault', forMs, fault });
  }
  return steps;
}

function drawFault(
  d: Dice,
  kind: FaultKind,
  { replicas, zones, redis }: Place,
  victim: { readonly replica: number; readonly zone: number } | undefined,
): Fault['fault'] {
  const replica = victim?.replica ?? d.between(0, replicas - 1);
  const zone = victim?.zone ?? d.between(0, zones - 1);
  const server = d.between(0, Math.max(0, redis - 1));
  const from = redis > 0 && d.chance(0.4) ? `redis-${server}` : d.chance(0.5) ? 'api' : `zone-${zone}`;
  const direction = d.pick(['up', 'down'] as const);
  switch (kind) {
    case 'cut':
      return { kind, replica, from, direction: d.chance(0.5) ? 'both' : direction, reset: d.chance(0.5) };
    case 'refuse':
      return { kind, replica, from };
    case 'slow':
      return { kind, replica, from, direction, delayMs: d.pick([50, 500, 3_000, 8_000]) };
    case 'lose':
      return { kind, replica, from, direction, share: d.pick([0.05, 0.3, 0.7]) };
    case 'fade':
      return { kind, replica, from: d.chance(0.7) ? 'api' : from, delayMs: d.pick([3_000, 6_000]) };
    case 'straggle':
      return { kind, replica, from, direction, share: d.pick([0.05, 0.3]) };
    case 'repeat':
      return { kind, replica, from: 'api', share: 0.5 };
    case 'stale watch':
      return { kind, replica, lagMs: d.pick([500, 3_000, 20_000]) };
    case 'pause':
      return { kind, replica, asleep: d.chance(0.3) };
    case 'wall clock':
      return { kind, replica, offsetMs: d.pick([-600_000, -5_000, 5_000, 600_000]) };
    case 'api errors':
      return { kind, share: d.pick([0.05, 0.3]) };
    case 'api throttles':
      return { kind, share: d.pick([0.3, 0.9]) };
    case 'backend away':
    case 'backend incomplete':
      return { kind, zone };
    case 'backend slow':
      return { kind, zone, slowMs: d.pick([300, 3_000, 12_000, 30_000]) };
    case 'backend lies':
      return { kind, zone, lie: d.pick(['empty', 'partial'] as const) };
    case 'backend stale':
      return { kind, zone, staleMs: d.pick([200, 1_000, 4_000, 15_000]) };
    case 'crash':
    case 'terminate':
    case 'slander':
      return { kind, replica };
    case 'redis away':
      return { kind, server, losing: d.chance(0.5) };
    case 'api away':
    case 'api restart':
    case 'redis flush':
      return { kind };
  }
}

const PODS = 6;
const SETS = 2;

function deeds(d: Dice, { zones, replicas }: Place, untilMs: number): Deed[] {
  const steps: Deed[] = [];
  const add = (at: number, deed: Deed['deed']): void => void steps.push({ id: 0, at, what: 'deed', deed });
  const zone = (): number => d.between(0, zones - 1);
  const byHand = d.chance(0.3);
  for (let i = 0; i < PODS; i++) {
    const restartPolicy = d.pick(['Always', 'OnFailure', 'Never'] as const);
    add(3_000 * d.next(), {
      kind: 'create pod',
      name: `pod-${i}`,
      zone: zone(),
      behaviour: behaviour(d),
      restartPolicy,
      secret: d.chance(0.2),
    });
  }
  for (let i = 0; i < SETS; i++)
    add(3_000 * d.next(), { kind: 'create replica set', name: `set-${i}`, replicas: d.between(0, 4) });
  const everyMs = d.pick([800, 2_500, 8_000]);
  for (let at = FIRST_MS * d.next(); at < untilMs; at += everyMs * (0.2 + 1.6 * d.next())) {
    const name = `pod-${d.between(0, PODS - 1)}`;
    const roll = d.next();
    if (roll < 0.3) add(at, { kind: 'delete pod', name, graceSeconds: d.pick([0, 0, 1, 5, 30]) });
    else if (roll < 0.6) add(at, { kind: 'recreate pod', name, zone: zone(), behaviour: behaviour(d) });
    else if (roll < 0.67) add(at, { kind: 'change image', name });
    else if (roll < 0.7)
      add(at, { kind: 'ask for hand-over', zone: zone(), to: d.chance(0.3) ? undefined : d.between(0, replicas - 1) });
    else if (roll < 0.9 || !byHand)
      add(at, { kind: 'scale', name: `set-${d.between(0, SETS - 1)}`, replicas: d.between(0, 5) });
    else {
      const kind = d.pick(['delete lease', 'delete node lease', 'delete node', 'edit epoch'] as const);
      if (kind === 'edit epoch') add(at, { kind, zone: zone(), epoch: d.pick(['0', 'nonsense', '']) });
      else add(at, { kind, zone: zone() });
    }
  }
  return steps;
}

function behaviour(d: Dice): Behaviour {
  return {
    startAfterMs: d.pick([0, 0, 200, 3_000]),
    stopAfterMs: d.pick([0, 0, 500, 8_000]),
    exit: d.chance(0.3) ? { afterMs: d.pick([2_000, 15_000, 60_000]), code: d.pick([0, 1]) } : undefined,
  };
}

export function describe(step: Fault | Deed): string {
  const { kind, ...rest } = step.what === 'fault' ? step.fault : step.deed;
  const detail = Object.entries(rest)
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
  const length = step.what === 'fault' ? ` for ${(step.forMs / 1000).toFixed(3)} s` : '';
  return `#${step.id} at ${(step.at / 1000).toFixed(3)} s${length}: ${kind}${detail === '' ? '' : ` (${detail})`}`;
}
