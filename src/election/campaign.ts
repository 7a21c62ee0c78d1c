/**
 * The campaign of one replica for one zone: standby (`standby.ts`), then leader for a term (`renewal.ts`), then standby
 * again. What a leader may do is judged by its term (`office.ts`) alone.
 */
import { sleep } from '../clock.ts';
import { createBell } from './bell.ts';
import type { CampaignOptions, Contest } from './contest.ts';
import { isBelievable } from './epoch-floor.ts';
import { createHandBack } from './hand-back.ts';
import type { LockCall, LockRecord } from './lock.ts';
import { createObserver } from './observer.ts';
import { type Office, openOffice } from './office.ts';
import { releaseLock } from './release.ts';
import { keepRenewed } from './renewal.ts';
import { type Aftermath, createStandby, type Won } from './standby.ts';
import { type OrderlyEnd, TERM_CAUSES, type Term, type TermEnd } from './term.ts';
import { createTransition } from './transition.ts';

export interface Campaign {
  readonly zone: string;
  /**
   * The terms of this replica, one after the other, until the signal aborts: then the present one is to be wound down
   * (`ending`), and given up when the consumer comes for the next. Never throws. One consumer at a time.
   */
  terms(signal: AbortSignal): AsyncIterable<Term>;
  /** Ends this replica's campaign for the zone for good, as the abort of `terms`' signal would, and tells the others. */
  withdraw(): void;
  /**
   * Milliseconds since the lock was last seen to change: a leader that is alive changes it every retry period. Undefined
   * while this replica leads.
   */
  leaderlessMs(): number | undefined;
  /** Why this replica does not run for the zone now; undefined when it does or leads it. */
  readonly obstacle: string | undefined;
  /**
   * Whether a Node that says this of its set's election (`undefined`: nothing) may be claimed, as of now: not while a leader
   * by the other kind of election may act. Throws when that cannot be told.
   */
  mayTakeOver(stated: string | undefined, call: LockCall): Promise<boolean>;
}

const ORDERLY_ENDS: readonly TermEnd[] = ['released', 'handed-back', 'handed-over'] satisfies OrderlyEnd[];
const TERM_ENDS: readonly TermEnd[] = [...ORDERLY_ENDS, 'expired', 'superseded', 'fenced', 'suspended'];
/** After a term that its consumer gave up by itself, another replica gets the chance to do better. */
const REST_MS = 5_000;
/**
 * Between taking a lock from a holder whose kernel was seen to refuse connections and the first write: something in between
 * may have answered in its kernel's place. One that lives learns of the claim by its watch meanwhile, and stops.
 */
const SETTLE_MS = 100;
/** A beat of the replica's candidate Lease that is not answered, and the next one. */
const REACH_SLACK_MS = 2_000;
const NOTHING_LEFT: Aftermath = {
  vanishedUnder: undefined,
  floorInDoubt: false,
  stands: 0,
  restUntil: Number.NEGATIVE_INFINITY,
};

export function createCampaign(options: CampaignOptions): Campaign {
  const { zone, lock, floor, candidates, witness, holder, timing, clock, metrics } = options;
  const log = options.log.child({ zone });
  const bell = createBell(clock);
  const observer = createObserver(lock, clock, changed);
  const transition = createTransition({ ...options, ...timing, bell, log });
  let obstacle: string | undefined;
  const contest: Contest = {
    ...options,
    log,
    bell,
    observer,
    transition,
    obstacle(why) {
      obstacle = why;
    },
  };
  const standby = createStandby(contest);
  const handBack = createHandBack(zone, candidates, options.handBack, clock);
  let office: Office | undefined;
  /** The term that was ended for want of the API server: its lock is let go for those who reach it. */
  let cutOff: Office | undefined;
  let aftermath = NOTHING_LEFT;
  const createdAt = clock.monotonic();
  const withdrawn = new AbortController();

  metrics.leader.set({ zone }, 0);
  metrics.masterStatus.set({ name: lock.name }, 0);
  for (const cause of TERM_CAUSES) metrics.termsBegun.inc({ zone, cause }, 0);
  metrics.renewFailures.inc({ zone }, 0);
  for (const reason of TERM_ENDS) metrics.termsEnded.inc({ zone, reason }, 0);

  function changed(): void {
    const record = observer.sighting?.record;
    metrics.epoch.set({ zone }, Math.max(observer.highestEpoch, floor.cached() ?? 0));
    if (record !== undefined) handBack.saw(record);
    if (office !== undefined && !observer.doubtful) judge(office, record);
    bell.ring();
  }

  /** Ends the term when what stands in the lock says so. */
  function judge(held: Office, record: LockRecord | undefined): void {
    if (held.over !== undefined) return;
    if (record === undefined) {
      if (held.mayAct()) aftermath = { ...aftermath, vanishedUnder: held.sent };
      held.lose('superseded', `${lock.name} was deleted`);
    } else if (record.holder !== holder || record.epoch > held.epoch) {
      held.lose('superseded', `${lock.name} says "${record.holder}" with epoch ${record.epoch}`);
    }
  }

  function open({ record, sent, leaderlessMs, cause }: Won): Office {
    const { epoch } = record;
    metrics.leader.set({ zone }, 1);
    metrics.masterStatus.set({ name: lock.name }, 1);
    metrics.termsBegun.inc({ zone, cause });
    candidates.leads(zone, true);
    log.info({ epoch, leaderlessMs, cause }, 'won the zone');
    return openOffice({ ...timing, zone, epoch, holder, leaderlessMs, cause, sent, clock, ended });

    function ended(end: TermEnd, detail: string, stands: number | undefined): void {
      // What nobody could write into a Lease is not believed.
      if (stands !== undefined && isBelievable(stands)) aftermath = { ...aftermath, stands };
      metrics.leader.set({ zone }, 0);
      metrics.masterStatus.set({ name: lock.name }, 0);
      metrics.termsEnded.inc({ zone, reason: end });
      candidates.leads(zone, false);
      log[ORDERLY_ENDS.includes(end) ? 'info' : 'warn']({ epoch, end, detail }, 'the term is over');
      bell.ring();
    }
  }

  /**
   * A leader that holds a lock apart from the API server and cannot reach that is of no use, and in the way of those who
   * can: as with a Lease, it stops.
   */
  function checkReach(held: Office): void {
    const { leaseDurationMs } = timing;
    if (lock.provesReach || candidates.silentMs() < leaseDurationMs + REACH_SLACK_MS) return;
    if (held.over === undefined) cutOff = held;
    held.lose('expired', `the API server was not reached for ${Math.round(candidates.silentMs())} ms`);
  }

  /** Gives the zone up when the consumer has finished and the term is still held. */
  async function close(held: Office, record: LockRecord | undefined): Promise<void> {
    const now = clock.monotonic();
    if (held.over === 'fenced' || held.over === 'superseded') {
      const pauseMs = held.over === 'fenced' ? timing.retryPeriodMs : 0;
      aftermath = { ...aftermath, floorInDoubt: true, restUntil: now + pauseMs };
    }
    if (held === cutOff) await releaseLock(contest, record, undefined);
    if (held.over !== undefined) return;
    const end = held.windingDown ?? 'released';
    if (held.windingDown === undefined) {
      aftermath = { ...aftermath, restUntil: now + REST_MS };
      log.warn({ epoch: held.epoch, restMs: REST_MS }, 'the term was given up early; others may take the zone');
    }
    const { successor } = held;
    // It must not be possible to act any more when the lock is let go.
    held.lose(end, successor === undefined ? 'given up' : `given to ${successor.name}: ${successor.why}`);
    if (successor !== undefined) candidates.gave(zone, successor.name);
    await releaseLock(contest, record, successor?.name);
  }

  async function* terms(signal: AbortSignal): AsyncGenerator<Term> {
    const stopping = (): void => {
      candidates.leave();
      office?.windDown('released');
    };
    let reachable = candidates.reachable;
    const reach = (): void => {
      if (reachable === candidates.reachable) return;
      reachable = candidates.reachable;
      bell.ring();
    };
    const over = AbortSignal.any([signal, withdrawn.signal]);
    const unwatch = lock.watch((record) => (record === undefined ? observer.doubt() : observer.saw(record)));
    const removals = [unwatch, witness.subscribe(bell.ring), candidates.subscribe(reach)];
    signal.addEventListener('abort', stopping, { once: true });
    if (signal.aborted) stopping();
    try {
      while (!over.aborted) {
        const won = await standby.win(over, aftermath);
        if (won === undefined) break;
        aftermath = NOTHING_LEFT;
        const held = open(won);
        office = held;
        // What the watch told since.
        judge(held, observer.sighting?.record);
        if (over.aborted) held.windDown('released');
        const done = new AbortController();
        const term = {
          held,
          won: won.record,
          judge: (record: LockRecord | undefined) => judge(held, record),
          tick() {
            checkReach(held);
            const move = handBack.move(held);
            if (move === undefined) return;
            const successor = { name: move.to, why: move.why };
            held.windDown(move.why === 'home' ? 'handed-back' : 'handed-over', successor);
          },
        };
        const keeping = keepRenewed(contest, term, done.signal);
        try {
          if (held.cause === 'refused') {
            await sleep(clock, SETTLE_MS, AbortSignal.any([held.signal, held.ending]));
          }
          if (!held.signal.aborted && !held.ending.aborted) yield held;
        } finally {
          done.abort();
          await close(held, await keeping);
          office = undefined;
        }
      }
    } finally {
      signal.removeEventListener('abort', stopping);
      // A claim whose answer was lost, or a term that ended because nothing could be heard.
      if (standby.openClaim || observer.sighting?.record?.holder === holder) {
        await releaseLock(contest, undefined, undefined);
      }
      for (const remove of removals) remove();
      transition[Symbol.dispose]();
    }
  }

  return {
    zone,
    terms,
    withdraw() {
      if (withdrawn.signal.aborted) return;
      log.warn({}, 'campaigns for the zone no longer');
      withdrawn.abort();
      candidates.withdraw(zone);
      office?.windDown('released');
    },
    leaderlessMs() {
      if (office !== undefined && office.over === undefined) return undefined;
      return clock.monotonic() - (observer.sighting?.since ?? createdAt);
    },
    get obstacle() {
      return office === undefined ? obstacle : undefined;
    },
    mayTakeOver: transition.mayTakeOver,
  };
}
