/**
 * Changing a live set from one election to the other. Two kinds of lock know nothing of each other, so the Node, which
 * both kinds of leaders claim before anything else, says which one its set uses, and a replica configured otherwise takes
 * part only once the other lock is out: given up, run out, or its holder proved dead. It looks twice: before it campaigns,
 * and between reading the Node and claiming it, with that read as precondition. A leader of the other kind that was faster
 * has changed the Node by then, or holds its lock.
 */
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Bell } from './bell.ts';
import type { Candidates } from './candidates.ts';
import { freeAt } from './eligibility.ts';
import type { ZoneFloor } from './epoch-floor.ts';
import type { ElectionKind, Lock, LockCall } from './lock.ts';
import { ELECTION_ANNOTATION } from './names.ts';
import { createObserver, type Observer } from './observer.ts';
import type { Witness } from './witness.ts';

export interface TransitionOptions {
  readonly zone: string;
  /** What this replica elects by. */
  readonly by: ElectionKind;
  /** The zone's lock of the other kind; undefined when the configuration does not say where that is. */
  readonly otherLock: Lock | undefined;
  readonly floor: ZoneFloor;
  readonly candidates: Candidates;
  readonly witness: Witness;
  readonly holder: string;
  readonly replica: string;
  readonly leaseDurationMs: number;
  readonly retryPeriodMs: number;
  readonly clock: Clock;
  readonly bell: Bell;
  readonly log: Logger;
}

export interface Transition extends Disposable {
  /** How long there is to wait for the other kind of election; undefined when it is over, or was none. */
  wait(call: LockCall): Promise<{ readonly forMs: number; readonly why: string } | undefined>;
  /** Whether the Node may be claimed that says this of its election (`undefined`: nothing), as of now. Throws when that cannot be told. */
  mayTakeOver(stated: string | undefined, call: LockCall): Promise<boolean>;
}

/** For replicas that elect as the Node says: as long as one of them lives, the zone is theirs to take first. */
const THEIR_TURN_MS = 2_000;
const SAY_AGAIN_MS = 60_000;

export function createTransition(options: TransitionOptions): Transition {
  const { zone, by, otherLock, floor, candidates, witness, holder, replica, clock, bell, log } = options;
  const { leaseDurationMs, retryPeriodMs } = options;
  const other: ElectionKind = by === 'lease' ? 'redis' : 'lease';
  let observer: Observer | undefined;
  let unwatch: (() => void) | undefined;
  let saidAt = Number.NEGATIVE_INFINITY;

  /** The election whose lock has to be out first. */
  function inTheWay(stated: string | undefined): string | undefined {
    if (stated === by) return undefined;
    // A Node that is gone, or that somebody edited: the Lease is there to be looked at. Redis is looked at only where it is
    // spoken of, so that nothing but its own election depends on it.
    return stated ?? (by === 'redis' ? 'lease' : undefined);
  }

  function observed(lock: Lock): Observer {
    if (observer === undefined) {
      const made = createObserver(lock, clock, bell.ring);
      observer = made;
      unwatch = lock.watch((record) => (record === undefined ? made.doubt() : made.saw(record)));
    }
    return observer;
  }

  /** Monotonic time at which the other lock is out; as of a read if `now`, else of what was last heard. */
  async function outAt(stated: string | undefined, call: LockCall, now: boolean): Promise<number> {
    if (otherLock === undefined) return Number.POSITIVE_INFINITY;
    const seen = observed(otherLock);
    const silent = clock.monotonic() - seen.newsAt >= 1.25 * retryPeriodMs;
    if (now || silent || seen.doubtful || seen.sighting === undefined) await seen.read(() => otherLock.read(call));
    const { sighting } = seen;
    if (sighting === undefined) return Number.POSITIVE_INFINITY;
    const holderThere = sighting.record?.holder;
    const led = Math.max(floor.cached() ?? 0, seen.highestEpoch, otherLock.highestEpoch) > 0;
    return freeAt(sighting, {
      holder,
      replica,
      leaseDurationMs,
      neverLed: sighting.record === undefined && (stated === undefined || !led),
      mayRecreate: false,
      proof: holderThere ? witness.proofOf(holderThere) : undefined,
    });
  }

  function theirTurn(stated: string): boolean {
    const record = observer?.sighting?.record;
    if (record?.released && record.handOverTo === replica) return false;
    return candidates.living().some(({ annotations }) => (annotations[ELECTION_ANNOTATION] ?? 'lease') === stated);
  }

  function say(why: string, fields: object): void {
    const now = clock.monotonic();
    if (now - saidAt < SAY_AGAIN_MS) return;
    saidAt = now;
    log.warn({ zone, ...fields }, why);
  }

  function refusal(stated: string): string {
    const begin = `the Node says that its set elects by ${stated}`;
    if (stated !== other)
      return `${begin}, which this version does not know: remove its annotation ${ELECTION_ANNOTATION} once nothing uses that`;
    return `${begin}, and this replica is not told where that is: give it the set's redis section until the change is through, or stop the replicas that elect so and remove the annotation ${ELECTION_ANNOTATION}`;
  }

  return {
    async wait(call) {
      // From the beginning, so that what is left of an election of before is known to be old when it matters.
      if (by === 'redis' && otherLock !== undefined) observed(otherLock);
      const stated = inTheWay(floor.election());
      if (stated === undefined) return undefined;
      if (stated !== other || otherLock === undefined) {
        const why = refusal(stated);
        say(why, { election: stated });
        return { forMs: retryPeriodMs, why };
      }
      let why = `the set elects by ${stated} still: this replica waits until ${otherLock.name} is out`;
      let forMs: number;
      try {
        const out = await outAt(floor.election(), call, false);
        const now = clock.monotonic();
        forMs = out + (theirTurn(stated) ? THEIR_TURN_MS : 0) - now;
        if (forMs <= 0) return undefined;
      } catch (error) {
        forMs = retryPeriodMs;
        why = `${why}, which cannot be read: ${messageOf(error)}`;
      }
      if (floor.election() !== undefined) say(why, { election: stated });
      return { forMs: Math.min(forMs, retryPeriodMs), why };
    },

    async mayTakeOver(stated, call) {
      const blocking = inTheWay(stated);
      if (blocking === undefined) return true;
      return blocking === other && (await outAt(stated, call, true)) <= clock.monotonic();
    },

    [Symbol.dispose]() {
      unwatch?.();
      unwatch = undefined;
      observer = undefined;
    },
  };
}
