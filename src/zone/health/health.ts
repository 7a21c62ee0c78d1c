/**
 * The health of every zone of the set as one replica knows it: what it sees itself, told to the others, and what the
 * others tell. Kept by standbys too, so that a new leader knows at once.
 */
import type { Clock } from '../../clock.ts';
import { type BackendSight, reaches } from '../../election/backend-sight.ts';
import type { Candidates } from '../../election/candidates.ts';
import type { HealthMetrics } from '../../metrics/health.ts';
import { ZONE_STATES } from '../../provider/received-report.ts';
import { agree, type Observer, type Verdict } from './agreement.ts';
import { type Judgement, NO_JUDGEMENT } from './judgement.ts';
import { createSight, type SightOptions } from './sight.ts';

export interface SetHealthOptions {
  readonly zones: readonly string[];
  readonly replica: { readonly name: string; readonly homeZone?: string };
  readonly candidates: Pick<Candidates, 'sees' | 'living' | 'subscribe'>;
  readonly clock: Clock;
  readonly metrics: HealthMetrics;
}

export interface ZoneHealth {
  /** Looks at the zone's backend until the signal aborts. */
  run(options: Pick<SightOptions, 'provider' | 'reports'>, signal: AbortSignal): Promise<void>;
  /** As of the last news. */
  readonly verdict: Verdict;
  /**
   * Monotonic time since when the backend is down, which is when this replica first missed it, though not long before it
   * was agreed; undefined while the verdict is another one.
   */
  readonly downSince: number | undefined;
  /** The last look of this replica reached the backend, also while it is not trusted again. */
  readonly answers: boolean;
  /** Calls back after every observation and every news of another replica. Returns its removal. */
  subscribe(callback: () => void): () => void;
}

export interface SetHealth {
  zone(name: string): ZoneHealth;
}

interface Tracked {
  judgement: () => Judgement;
  verdict: Verdict;
  downSince: number | undefined;
  answers: boolean;
  /** What the metrics say. */
  shown: string;
}

/** What the judgements of two replicas take at most when a backend fails at once. */
const AGREEING_MS = 15_000;

export function createSetHealth({ zones, replica, candidates, clock, metrics }: SetHealthOptions): SetHealth {
  const tracked = new Map<string, Tracked>();
  const subscribers = new Set<() => void>();
  for (const zone of zones) {
    const verdict: Verdict = { state: 'Unknown', reason: 'BackendUnknown', message: NO_JUDGEMENT.evidence };
    tracked.set(zone, { judgement: () => NO_JUDGEMENT, verdict, downSince: undefined, answers: false, shown: '' });
  }
  const of = (zone: string): Tracked => {
    const found = tracked.get(zone);
    if (found === undefined) throw new Error(`the set has no zone ${zone}`);
    return found;
  };

  function consider(): void {
    const living = candidates.living();
    const seen = new Map([...tracked].map(([zone, { judgement }]) => [zone, judgement()] as const));
    const everythingIsDown =
      [...seen.values()].every(({ state }) => state === 'Down') &&
      !living.some(({ backends }) => zones.some((zone) => reaches(backends, zone)));
    for (const [zone, state] of tracked) {
      const own = observer(replica.name, replica.homeZone, seen.get(zone) ?? NO_JUDGEMENT);
      const others = living.map(({ name, homeZone, backends }) =>
        observer(name, homeZone, backends.get(zone) ?? { state: 'Unknown', evidence: '' }),
      );
      state.verdict = agree({ own, others, everythingIsDown });
      const missedAt = Math.max(seen.get(zone)?.since ?? 0, clock.monotonic() - AGREEING_MS);
      state.answers = seen.get(zone)?.rival?.isBad === false;
      state.downSince = state.verdict.state === 'Down' ? (state.downSince ?? missedAt) : undefined;
      show(zone, state, [own, ...others]);
    }
    for (const callback of subscribers) callback();
  }
  candidates.subscribe(consider);

  /** Considered several times a second for each zone: the registry is told of what changed. */
  function show(zone: string, state: Tracked, observers: readonly Observer[]): void {
    const { verdict, shown } = state;
    const counts = ZONE_STATES.map((each) => observers.filter(({ sight }) => sight.state === each).length);
    const now = `${verdict.state} ${verdict.reason} ${counts.join(' ')}`;
    if (now === shown) return;
    state.shown = now;
    metrics.brake.set({ zone, reason: 'everything' }, verdict.reason === 'EveryBackendDown' ? 1 : 0);
    for (const [i, each] of ZONE_STATES.entries()) {
      metrics.health.set({ zone, state: each }, verdict.state === each ? 1 : 0);
      metrics.observers.set({ zone, state: each }, counts[i] ?? 0);
    }
  }

  return {
    zone: (zone) => ({
      async run({ provider, reports }, signal) {
        const observed = (): void => {
          candidates.sees(zone, told(sight.judgement()));
          consider();
        };
        const sight = createSight({ provider, reports, clock, observed });
        of(zone).judgement = () => sight.judgement();
        await sight.run(signal);
      },
      get verdict() {
        return of(zone).verdict;
      },
      get answers() {
        return of(zone).answers;
      },
      get downSince() {
        return of(zone).downSince;
      },
      subscribe(callback) {
        subscribers.add(callback);
        return () => subscribers.delete(callback);
      },
    }),
  };
}

/** A backend that was not reached just now is not recommended to anybody, and not condemned either. */
function told({ state, evidence, rival }: Judgement): BackendSight {
  return rival?.isBad === true ? { state: 'Unknown', evidence: 'not reached lately' } : { state, evidence };
}

function observer(replica: string, homeZone: string | undefined, { state, evidence }: BackendSight): Observer {
  return { replica, homeZone, sight: { state, evidence } };
}
