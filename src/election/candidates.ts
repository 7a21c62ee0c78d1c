/**
 * The replicas of the set, as they tell of themselves: each renews a Lease of its own that says where it is at home and
 * which zones it leads. Only preference is built on it.
 */
import { type Clock, sleep } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Informer } from '../kube/informer.ts';
import { formatMicroTime } from '../kube/micro-time.ts';
import { LEASES } from '../kube/resources.ts';
import type { Lease } from '../kube/types.ts';
import { aborted } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { type BackendSight, type BackendSights, isCutOff, readSights, writeSights } from './backend-sight.ts';
import { createBell } from './bell.ts';
import { type Contender, isCandidateFor, ranked } from './eligibility.ts';
import type { ElectionKind } from './lock.ts';
import {
  BACKENDS_ANNOTATION,
  CAMPAIGNS_ANNOTATION,
  candidateLeasePrefix,
  DRAINING_ANNOTATION,
  ELECTION_ANNOTATION,
  HOME_ZONE_ANNOTATION,
  SET_LABEL,
  ZONES_ANNOTATION,
} from './names.ts';

export interface CandidatesOptions {
  readonly client: KubeClient;
  /** The set's Leases. The caller runs it. */
  readonly leases: Informer<Lease>;
  readonly set: string;
  readonly namespace: string;
  readonly replica: string;
  readonly holder: string;
  readonly homeZone: string | undefined;
  /** What this replica elects by. Replicas that elect otherwise campaign for nothing that it could give them. */
  readonly election: ElectionKind;
  /** The zones that this replica campaigns for. */
  readonly campaignsFor: readonly string[];
  readonly leaseDurationMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A holder that is no longer to be waited for. */
export interface Former {
  readonly holder: string;
  /** It gave its lease up, let it run out, or is known to be dead. */
  readonly end: 'released' | 'expired' | 'dead';
}

export interface Candidates {
  /** Tells of this replica until the signal aborts, and takes it back then. `ready`: it was told, or cannot be now. */
  run(signal: AbortSignal, ready: () => void): Promise<void>;
  /** Takes it back now: this replica is stopping and wants no zone any more. */
  leave(): void;
  /**
   * Tells the others `value` in the annotation of this name on the candidate Lease, from the next beat on, which is brought
   * forward; `undefined` takes it back. What changes often costs a write each time.
   */
  tell(annotation: string, value: string | undefined): void;
  /** The other replicas that were heard of within a lease's time, and what they tell. */
  living(): readonly Living[];
  /** What this replica is to the others. */
  self(): Contender & { readonly zones: readonly string[] };
  /** Monotonic time of the last change in who lives, leads what and is draining. */
  readonly changedAt: number;
  /** This replica gives its zones away and takes none as long as somebody else can; undefined: no longer. */
  drain(reason: string | undefined): void;
  /** Why it does; undefined when it does not. */
  readonly draining: string | undefined;
  /** This replica campaigns for the zone no longer. */
  withdraw(zone: string): void;
  /** Zones that this replica leads and that were put here by hand: an even spread is made of the others. */
  readonly keeps: Set<string>;
  /** A zone was given up for another replica: it counts as that one's until it takes it. */
  gave(zone: string, to: string): void;
  /** False from a beat that did not reach the API server until the next that does. */
  readonly reachable: boolean;
  /** Milliseconds since a beat reached it. */
  silentMs(): number;
  /** Calls back when another replica's Lease changes or goes, and when `reachable` changes. Returns its removal. */
  subscribe(callback: () => void): () => void;
  /** Tells the others what this replica sees of the zone's backend. */
  sees(zone: string, sight: BackendSight): void;
  /** This replica leads the zone from now on, or no longer. */
  leads(zone: string, leading: boolean): void;
  isHome(zone: string): boolean;
  /** Whether another replica that prefers this zone and can lead it was heard of within a lease's time. */
  homeSeen(zone: string): boolean;
  /** How many living replicas come before this one for the zone. `preferHome` @defaultValue true */
  rank(zone: string, former: Former | undefined, preferHome?: boolean): number;
}

/** Another replica, as its candidate Lease tells. */
export interface Living extends Contender {
  readonly holder: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** The zones that it leads. */
  readonly zones: readonly string[];
  /** Its Lease was seen to change, and lately: it is there, rather than the remains of a dead one, and it is not slow. */
  readonly ready: boolean;
  /** For how long it has lived without a gap and without draining. */
  readonly healthyMs: number;
  /** How long ago it was cut off from a zone's backend, for those that it has been cut off from. */
  readonly cutOffMs: ReadonlyMap<string, number>;
}

interface Candidate extends Omit<Living, 'ready' | 'healthyMs' | 'cutOffMs'> {
  readonly version: string;
  /** Times are those of `contactTime`. */
  readonly beatAt: number;
  readonly healthySince: number;
  /** When it last said that it is cut off, by zone. */
  readonly cutOffAt: ReadonlyMap<string, number>;
  /** Seen to change: one that is only there may be the remains of a dead replica. */
  readonly alive: boolean;
}

const TIMEOUT_MS = 2_000;
const RETRY_MS = 500;
const MAX_BEAT_MS = 2_000;
const REMOVAL_ATTEMPTS = 3;
const ANNOTATION_PREFIX = 'zonelet.dev/';
/** A replica that does not take a zone that was given up for it within this time will not. */
const GIVEN_MS = 5_000;

export function createCandidates(options: CandidatesOptions): Candidates {
  const { client, leases, set, namespace, replica, holder, homeZone, leaseDurationMs, clock, log } = options;
  const prefix = candidateLeasePrefix(set);
  const name = `${prefix}${replica}`;
  const beatMs = Math.min(MAX_BEAT_MS, leaseDurationMs / 3);
  const others = new Map<string, Candidate>();
  const zones = new Set<string>();
  const backends = new Map<string, BackendSight>();
  const keeps = new Set<string>();
  const campaignsFor = new Set(options.campaignsFor);
  const given = new Map<string, { readonly to: string; readonly at: number }>();
  let draining: string | undefined;
  let changedAt = clock.monotonic();
  const telling = new Map<string, string | undefined>();
  const subscribers = new Set<() => void>();
  const bell = createBell(clock);
  const left = new AbortController();
  let own: Lease | undefined;

  // While nobody can tell anything, nobody's silence counts.
  let reachedAt = clock.monotonic();
  let unreachableMs = 0;
  let unreachable = false;
  const contactTime = (): number => (unreachable ? reachedAt : clock.monotonic()) - unreachableMs;

  function reached(ok: boolean): void {
    const now = clock.monotonic();
    if (ok && unreachable) unreachableMs += now - reachedAt;
    const wasReachable = !unreachable;
    unreachable = !ok;
    if (ok) reachedAt = now;
    if (ok !== wasReachable) for (const callback of subscribers) callback();
  }

  function nameOf(lease: Lease): string | undefined {
    const { name: leaseName, namespace: leaseNamespace } = lease.metadata ?? {};
    if (leaseNamespace !== namespace || !leaseName?.startsWith(prefix) || leaseName === name) return undefined;
    return leaseName.slice(prefix.length);
  }

  function saw(lease: Lease): void {
    const other = nameOf(lease);
    if (other === undefined) return;
    const known = others.get(other);
    const version = lease.metadata?.resourceVersion ?? '';
    if (known?.version === version) return;
    const now = contactTime();
    const beatHolder = lease.spec?.holderIdentity ?? '';
    const annotations = lease.metadata?.annotations ?? {};
    const electsAlike = (annotations[ELECTION_ANNOTATION] ?? 'lease') === options.election;
    const candidateFor = electsAlike ? annotations[CAMPAIGNS_ANNOTATION] : '';
    const leading = listed(annotations[ZONES_ANNOTATION]);
    const reason = annotations[DRAINING_ANNOTATION];
    const goesOn = known?.holder === beatHolder && now - known.beatAt < leaseDurationMs;
    const sights = readSights(annotations[BACKENDS_ANNOTATION]);
    if (!goesOn || known.zones.join() !== leading.join() || known.draining !== (reason !== undefined)) {
      changedAt = clock.monotonic();
    }
    for (const [zone, { to }] of given) if (to === other && leading.includes(zone)) given.delete(zone);
    others.set(other, {
      name: other,
      holder: beatHolder,
      annotations,
      homeZone: annotations[HOME_ZONE_ANNOTATION],
      zones: leading,
      zonesHeld: leading.length,
      campaignsFor: candidateFor === undefined ? undefined : listed(candidateFor),
      draining: reason !== undefined,
      backends: sights,
      cutOffAt: cutOffTimes(goesOn ? known.cutOffAt : undefined, sights, now),
      version,
      beatAt: now,
      healthySince: goesOn && !known.draining ? known.healthySince : now,
      // A newcomer is counted from its second beat on, so that nobody waits for one that dies of what it does first.
      alive: known?.holder === beatHolder,
    });
    for (const callback of subscribers) callback();
  }

  leases.subscribe({
    added: saw,
    updated: (_before, lease) => saw(lease),
    deleted: (lease) => {
      const other = nameOf(lease);
      if (other === undefined || !others.delete(other)) return;
      changedAt = clock.monotonic();
      for (const callback of subscribers) callback();
    },
  });

  const heardWithin = (candidate: Candidate, ms: number): boolean => contactTime() - candidate.beatAt < ms;

  const heard = (): Candidate[] => [...others.values()].filter((other) => heardWithin(other, leaseDurationMs));

  function described({ version: _version, beatAt, healthySince, cutOffAt, alive, ...other }: Candidate): Living {
    const now = clock.monotonic();
    let { zonesHeld } = other;
    for (const [zone, { to, at }] of given)
      if (to === other.name && now - at < GIVEN_MS && !other.zones.includes(zone)) zonesHeld++;
    return {
      ...other,
      zonesHeld,
      ready: alive && contactTime() - beatAt < 2.5 * beatMs,
      healthyMs: contactTime() - healthySince,
      cutOffMs: new Map([...cutOffAt].map(([zone, at]) => [zone, contactTime() - at])),
    };
  }

  const self = (): Contender & { readonly zones: readonly string[] } => ({
    name: replica,
    homeZone,
    zones: [...zones],
    zonesHeld: zones.size,
    campaignsFor: [...campaignsFor],
    draining: draining !== undefined,
    backends,
  });

  async function beat(signal: AbortSignal): Promise<void> {
    const call = { lane: 'lease', timeoutMs: TIMEOUT_MS, signal } as const;
    try {
      own ??= await client.get(LEASES, { namespace, name }, call);
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
    }
    if (own?.spec?.holderIdentity !== undefined && own.spec.holderIdentity !== holder) {
      log.debug({ lease: name, from: own.spec.holderIdentity }, 'takes the place of an earlier process of this name');
    }
    const now = formatMicroTime(clock.now());
    const annotations: Record<string, string> = {
      ...kept(own),
      [HOME_ZONE_ANNOTATION]: homeZone ?? '',
      [ZONES_ANNOTATION]: [...zones].sort().join(','),
      [CAMPAIGNS_ANNOTATION]: [...campaignsFor].sort().join(','),
      [ELECTION_ANNOTATION]: options.election,
    };
    for (const [annotation, value] of telling) {
      if (value === undefined) delete annotations[annotation];
      else annotations[annotation] = value;
    }
    const next: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        ...own?.metadata,
        namespace,
        name,
        labels: { ...own?.metadata?.labels, [SET_LABEL]: set },
        annotations,
      },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
        acquireTime: own?.spec?.holderIdentity === holder ? (own.spec.acquireTime ?? now) : now,
        renewTime: now,
      },
    };
    const known = own;
    own = undefined;
    own = known === undefined ? await client.create(LEASES, next, call) : await client.replace(LEASES, next, call);
  }

  /** What an earlier process of this name told of itself is not ours to repeat. */
  function kept(lease: Lease | undefined): Readonly<Record<string, string>> {
    const all = lease?.metadata?.annotations ?? {};
    if (lease?.spec?.holderIdentity === holder) return all;
    return Object.fromEntries(Object.entries(all).filter(([annotation]) => !annotation.startsWith(ANNOTATION_PREFIX)));
  }

  function tell(annotation: string, value: string | undefined): void {
    if (telling.has(annotation) && telling.get(annotation) === value) return;
    telling.set(annotation, value);
    bell.ring();
  }

  async function remove(): Promise<void> {
    const call = { lane: 'lease', timeoutMs: TIMEOUT_MS / 2 } as const;
    for (let attempt = 1; attempt <= REMOVAL_ATTEMPTS; attempt++) {
      try {
        own ??= await client.get(LEASES, { namespace, name }, call);
        if (own.spec?.holderIdentity !== holder) return;
        const { uid, resourceVersion } = own.metadata ?? {};
        own = undefined;
        await client.delete(
          LEASES,
          { namespace, name },
          {
            ...call,
            ...(uid === undefined ? {} : { uid }),
            ...(resourceVersion === undefined ? {} : { resourceVersion }),
          },
        );
        return;
      } catch (error) {
        if (hasCode(error, 'NotFound')) return;
        log.debug({ lease: name, attempt, error: messageOf(error) }, 'the candidate Lease was not removed');
        await sleep(clock, 100);
      }
    }
  }

  return {
    async run(signal, ready) {
      const over = AbortSignal.any([signal, left.signal]);
      let conflicts = 0;
      while (!over.aborted) {
        let waitMs = beatMs;
        try {
          await beat(over);
          reached(true);
          conflicts = 0;
        } catch (error) {
          if (over.aborted) break;
          const conflict = hasCode(error, 'Conflict', 'NotFound');
          // The API server answers: it can be seen who lives.
          reached(conflict);
          waitMs = conflict && conflicts++ < 3 ? 0 : RETRY_MS;
          if (!conflict) log.debug({ lease: name, error: messageOf(error) }, 'the candidate Lease was not renewed');
        }
        ready();
        if (waitMs > 0) await bell.wait(waitMs, over);
      }
      await remove();
      await aborted(signal);
    },

    leave: () => left.abort(),

    tell,

    living: () => heard().map(described),

    self,

    keeps,

    get changedAt() {
      return changedAt;
    },

    get draining() {
      return draining;
    },

    drain(reason) {
      if (reason === draining) return;
      draining = reason;
      changedAt = clock.monotonic();
      tell(DRAINING_ANNOTATION, reason);
    },

    withdraw(zone) {
      if (campaignsFor.delete(zone)) bell.ring();
    },

    gave(zone, to) {
      given.set(zone, { to, at: clock.monotonic() });
    },

    get reachable() {
      return !unreachable;
    },

    silentMs: () => clock.monotonic() - reachedAt,

    subscribe(callback) {
      subscribers.add(callback);
      return () => subscribers.delete(callback);
    },

    sees(zone, sight) {
      const before = backends.get(zone);
      backends.set(zone, sight);
      // The words change all the time, and are not worth a write by themselves.
      if (before?.state === sight.state) return;
      tell(BACKENDS_ANNOTATION, writeSights(backends));
    },

    leads(zone, leading) {
      if (leading) zones.add(zone);
      else zones.delete(zone);
      keeps.delete(zone);
      changedAt = clock.monotonic();
      bell.ring();
    },

    isHome: (zone) => homeZone === zone,

    homeSeen: (zone) =>
      heard().some(
        (other) =>
          other.homeZone === zone && isCandidateFor(other, zone) && !other.draining && !isCutOff(other.backends, zone),
      ),

    rank(zone, former, preferHome = true) {
      const living = heard().filter((other) => {
        if (!other.alive || !isCandidateFor(other, zone)) return false;
        if (other.holder !== former?.holder) return true;
        // Its last beat is from before it lost the zone, unless it was heard of when its lease was half over already.
        return former.end === 'expired' && heardWithin(other, leaseDurationMs / 2);
      });
      // Whoever gave a zone up leaves it to the others.
      if (former?.holder === holder && former.end === 'released') return living.length;
      const own: Contender = self();
      return ranked<Contender>(zone, [...living.map(described), own], preferHome).indexOf(own);
    },
  };
}

function cutOffTimes(
  before: ReadonlyMap<string, number> | undefined,
  sights: BackendSights,
  now: number,
): ReadonlyMap<string, number> {
  const times = new Map(before);
  for (const zone of sights.keys()) if (isCutOff(sights, zone)) times.set(zone, now);
  return times;
}

/** Names separated by commas. */
function listed(text = ''): string[] {
  return text.split(',').filter((name) => name !== '');
}
