/**
 * The replicas of the set, as they tell of themselves: each renews a Lease of its own that says where it is at home and
 * which zones it leads. Only preference is built on it.
 */
import type { Clock } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Informer } from '../kube/informer.ts';
import type { Lease } from '../kube/types.ts';
import { aborted } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { type BackendSight, isCutOff, writeSights } from './backend-sight.ts';
import { createBell } from './bell.ts';
import { createCandidateLease } from './candidate-lease.ts';
import { createContact } from './contact.ts';
import { type Contender, isCandidateFor, ranked } from './eligibility.ts';
import type { ElectionKind } from './lock.ts';
import {
  BACKENDS_ANNOTATION,
  CAMPAIGNS_ANNOTATION,
  DRAINING_ANNOTATION,
  ELECTION_ANNOTATION,
  HOME_ZONE_ANNOTATION,
  ZONES_ANNOTATION,
} from './names.ts';
import { createRoster, type Living } from './roster.ts';

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

const RETRY_MS = 500;
const MAX_BEAT_MS = 2_000;

export function createCandidates(options: CandidatesOptions): Candidates {
  const { replica, holder, homeZone, leaseDurationMs, clock, log } = options;
  const beatMs = Math.min(MAX_BEAT_MS, leaseDurationMs / 3);
  const zones = new Set<string>();
  const backends = new Map<string, BackendSight>();
  const keeps = new Set<string>();
  const campaignsFor = new Set(options.campaignsFor);
  let draining: string | undefined;
  let changedAt = clock.monotonic();
  const changed = (): void => {
    changedAt = clock.monotonic();
  };
  const telling = new Map<string, string | undefined>();
  const subscribers = new Set<() => void>();
  const bell = createBell(clock);
  const left = new AbortController();
  const lease = createCandidateLease(options);
  const contact = createContact(clock);
  const tellSubscribers = (): void => {
    for (const callback of subscribers) callback();
  };
  const roster = createRoster({ ...options, beatMs, contact, changed, news: tellSubscribers });

  function reached(ok: boolean): void {
    if (contact.reached(ok)) tellSubscribers();
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

  /** What the candidate Lease says, by annotation; undefined: nothing any more. */
  const told = (): ReadonlyMap<string, string | undefined> =>
    new Map([
      [HOME_ZONE_ANNOTATION, homeZone ?? ''],
      [ZONES_ANNOTATION, [...zones].sort().join(',')],
      [CAMPAIGNS_ANNOTATION, [...campaignsFor].sort().join(',')],
      [ELECTION_ANNOTATION, options.election],
      ...telling,
    ]);

  function tell(annotation: string, value: string | undefined): void {
    if (telling.has(annotation) && telling.get(annotation) === value) return;
    telling.set(annotation, value);
    bell.ring();
  }

  return {
    async run(signal, ready) {
      const over = AbortSignal.any([signal, left.signal]);
      let conflicts = 0;
      while (!over.aborted) {
        let waitMs = beatMs;
        try {
          await lease.beat(told(), over);
          reached(true);
          conflicts = 0;
        } catch (error) {
          if (over.aborted) break;
          const conflict = hasCode(error, 'Conflict', 'NotFound');
          // The API server answers: it can be seen who lives.
          reached(conflict);
          waitMs = conflict && conflicts++ < 3 ? 0 : RETRY_MS;
          if (!conflict)
            log.debug({ lease: lease.name, error: messageOf(error) }, 'the candidate Lease was not renewed');
        }
        ready();
        if (waitMs > 0) await bell.wait(waitMs, over);
      }
      await lease.remove();
      await aborted(signal);
    },

    leave: () => left.abort(),

    tell,

    living: roster.living,

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
      changed();
      tell(DRAINING_ANNOTATION, reason);
    },

    withdraw(zone) {
      if (campaignsFor.delete(zone)) bell.ring();
    },

    gave(zone, to) {
      roster.gave(zone, to);
    },

    get reachable() {
      return contact.reachable;
    },

    silentMs: contact.silentMs,

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
      changed();
      bell.ring();
    },

    isHome: (zone) => homeZone === zone,

    homeSeen: (zone) =>
      roster
        .living()
        .some(
          (other) =>
            other.homeZone === zone &&
            isCandidateFor(other, zone) &&
            !other.draining &&
            !isCutOff(other.backends, zone),
        ),

    rank(zone, former, preferHome = true) {
      const living = roster.living().filter((other) => {
        if (!other.alive || !isCandidateFor(other, zone)) return false;
        if (other.holder !== former?.holder) return true;
        // Its last beat is from before it lost the zone, unless it was heard of when its lease was half over already.
        return former.end === 'expired' && other.silentMs < leaseDurationMs / 2;
      });
      // Whoever gave a zone up leaves it to the others.
      if (former?.holder === holder && former.end === 'released') return living.length;
      const own: Contender = self();
      return ranked<Contender>(zone, [...living, own], preferHome).indexOf(own);
    },
  };
}
