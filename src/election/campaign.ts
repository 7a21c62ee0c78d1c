/**
 * The campaign of one replica for one zone: standby, then leader for a term, then standby again.
 *
 * A standby watches the lock, claims it the moment that it is free by its own clock, and asks by itself when the watch is
 * silent. A leader renews, one renewal at a time; what it may do meanwhile is judged by `office.ts` alone.
 */
import type { Clock, Random } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ElectionMetrics } from '../metrics/election.ts';
import { createBell } from './bell.ts';
import type { Candidates } from './candidates.ts';
import { claimAt, freeAt, isOwn, type Standing } from './eligibility.ts';
import type { ZoneFloor } from './epoch-floor.ts';
import { createHandBack } from './hand-back.ts';
import type { Lock, LockRecord } from './lock.ts';
import { createObserver, type Sighting } from './observer.ts';
import { type Office, openOffice } from './office.ts';
import { releaseLock } from './release.ts';
import { ageOf, type Stamp, safetyMarginMs, stamp } from './right-to-act.ts';
import type { Term, TermEnd } from './term.ts';

export interface Timing {
  /** How long others wait for a leader of which they hear nothing. */
  readonly leaseDurationMs: number;
  /** How long a leader tries to renew before it steps down. */
  readonly renewDeadlineMs: number;
  /** Time from one renewal to the next, and between attempts. */
  readonly retryPeriodMs: number;
}

export interface Campaign {
  readonly zone: string;
  /**
   * The terms of this replica, one after the other, until the signal aborts: then the present one is to be wound down
   * (`ending`), and given up when the consumer comes for the next. Never throws. One consumer at a time.
   */
  terms(signal: AbortSignal): AsyncIterable<Term>;
}

export interface CampaignOptions {
  readonly zone: string;
  readonly lock: Lock;
  readonly floor: ZoneFloor;
  readonly candidates: Candidates;
  /** Own holder identity and replica name. */
  readonly holder: string;
  readonly replica: string;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ElectionMetrics;
  readonly log: Logger;
}

const TERM_ENDS: readonly TermEnd[] = ['released', 'handed-back', 'expired', 'superseded', 'fenced', 'suspended'];
/** A rank costs as much as a claim and its news take at worst, at random so that two equal ones do not meet. */
const RANK_DELAY_MS = 300;
const RANK_DELAY_SPREAD_MS = 200;
/** After a term that its consumer gave up by itself, another replica gets the chance to do better. */
const REST_MS = 5_000;
const SAY_AGAIN_MS = 60_000;
/** Conflicts in a row that are looked into at once. */
const QUICK_CONFLICTS = 3;

interface Won {
  readonly record: LockRecord;
  readonly sent: Stamp;
  readonly leaderlessMs: number | undefined;
}

export function createCampaign(options: CampaignOptions): Campaign {
  const { zone, lock, floor, candidates, holder, replica, timing, clock, random, metrics } = options;
  const log = options.log.child({ zone });
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = timing;
  const rightMs = leaseDurationMs - safetyMarginMs(leaseDurationMs);
  /** So that one request that hangs does not eat the deadline; as in controller-runtime. */
  const callMs = Math.max(1_000, renewDeadlineMs / 2);
  /** A little more than the time between a leader's renewals, so that a watch that works is not doubled. */
  const silenceMs = 1.25 * retryPeriodMs;

  const bell = createBell(clock);
  const handBack = createHandBack(zone, candidates, clock);
  const observer = createObserver(lock, clock, changed);
  let office: Office | undefined;
  /** Set when the record vanished under a term: when its last renewal was sent. */
  let vanishedUnder: Stamp | undefined;
  /** A claim of which it is open whether it was carried out. */
  let openClaim = false;
  /** The cache of Nodes lags behind: the epoch has to be read before the next claim. */
  let floorInDoubt = false;
  let restUntil = Number.NEGATIVE_INFINITY;
  let rankDelay: { readonly of: Sighting; readonly ms: number } | undefined;
  let saidAt = Number.NEGATIVE_INFINITY;
  let warnedAt = Number.NEGATIVE_INFINITY;
  let startedAt = clock.monotonic();

  metrics.leader.set({ zone }, 0);
  metrics.masterStatus.set({ name: lock.name }, 0);
  for (const reason of TERM_ENDS) metrics.termsEnded.inc({ zone, reason }, 0);
  metrics.termsBegun.inc({ zone }, 0);
  metrics.renewFailures.inc({ zone }, 0);

  function changed(): void {
    const record = observer.sighting?.record;
    metrics.epoch.set({ zone }, Math.max(observer.highestEpoch, floor.cached() ?? 0));
    if (record !== undefined) handBack.saw(record);
    if (office !== undefined && office.over === undefined && !observer.doubtful) judge(office, record);
    bell.ring();
  }

  /** Ends the term when what stands in the lock says so. */
  function judge(held: Office, record: LockRecord | undefined): void {
    if (record === undefined) {
      if (held.mayAct()) vanishedUnder = held.sent;
      held.lose('superseded', `${lock.name} was deleted`);
    } else if (record.holder !== holder || record.epoch > held.epoch) {
      held.lose('superseded', `${lock.name} says "${record.holder}" with epoch ${record.epoch}`);
    }
  }

  function open({ record, sent, leaderlessMs }: Won): Office {
    const { epoch } = record;
    vanishedUnder = undefined;
    metrics.leader.set({ zone }, 1);
    metrics.masterStatus.set({ name: lock.name }, 1);
    metrics.termsBegun.inc({ zone });
    candidates.leads(zone, true);
    log.info({ epoch, leaderlessMs }, 'won the zone');
    return openOffice({
      zone,
      epoch,
      holder,
      leaderlessMs,
      sent,
      leaseDurationMs,
      renewDeadlineMs,
      clock,
      ended(end, detail) {
        metrics.leader.set({ zone }, 0);
        metrics.masterStatus.set({ name: lock.name }, 0);
        metrics.termsEnded.inc({ zone, reason: end });
        candidates.leads(zone, false);
        const wanted = end === 'released' || end === 'handed-back';
        log[wanted ? 'info' : 'warn']({ epoch, end, detail }, 'the term is over');
        bell.ring();
      },
    });
  }

  /** Renews until the term is over or `done`; what then stands in the lock, where that is known. */
  async function keep(held: Office, won: LockRecord, done: AbortSignal): Promise<LockRecord | undefined> {
    let record: LockRecord | undefined = won;
    let nextAt = held.sent.monotonic + retryPeriodMs;
    let doubtSeen = false;
    let conflicts = 0;
    while (held.over === undefined && !done.aborted) {
      const now = clock.monotonic();
      const doubted = observer.doubtful && !doubtSeen;
      if (now < nextAt && !doubted) {
        if (handBack.target(held.since) !== undefined) held.windDown('handed-back');
        await bell.wait(nextAt - now, done);
        continue;
      }
      nextAt = now + retryPeriodMs;
      doubtSeen = observer.doubtful;
      const call = { timeoutMs: Math.max(1, Math.min(callMs, held.renewalLeftMs())) };
      const begun = clock.monotonic();
      try {
        if (record === undefined || observer.doubtful) {
          await observer.read(() => lock.read(call));
          record = observer.sighting?.record;
          doubtSeen = false;
          // Nothing is built upon a record that is not this term's.
          judge(held, record);
          if (held.over !== undefined || record === undefined) continue;
        }
        const sent = stamp(clock);
        record = await lock.renew(record, held.epoch, call);
        held.renewed(sent);
        observer.saw(record);
        conflicts = 0;
        metrics.renewDuration.observe({ zone }, (clock.monotonic() - sent.monotonic) / 1000);
      } catch (error) {
        // Whatever it was, it may have been carried out.
        record = undefined;
        if (hasCode(error, 'Conflict', 'NotFound') && ++conflicts <= QUICK_CONFLICTS) nextAt = clock.monotonic();
        metrics.renewFailures.inc({ zone });
        const tookMs = clock.monotonic() - begun;
        log.debug({ epoch: held.epoch, tookMs, error: messageOf(error) }, 'a renewal failed');
      }
    }
    return record;
  }

  /** Gives the zone up when the consumer has finished and the term is still held. */
  async function close(held: Office, record: LockRecord | undefined): Promise<void> {
    const now = clock.monotonic();
    if (held.over === undefined) {
      const end = held.windingDown ?? 'released';
      if (held.windingDown === undefined) {
        restUntil = now + REST_MS;
        log.warn({ epoch: held.epoch, restMs: REST_MS }, 'the term was given up early; others may take the zone');
      }
      // It must not be possible to act any more when the lock is let go.
      const handOverTo = end === 'handed-back' ? handBack.target(held.since) : undefined;
      held.lose(end, handOverTo === undefined ? 'given up' : `given back to ${handOverTo}`);
      await releaseLock({ lock, observer, holder, clock, log }, record, handOverTo);
    } else if (held.over === 'fenced' || held.over === 'superseded') {
      floorInDoubt = true;
      if (held.over === 'fenced') restUntil = now + retryPeriodMs;
    }
  }

  /** Waits for the zone to be free and takes it; undefined when the signal aborted first. */
  async function standBy(signal: AbortSignal): Promise<Won | undefined> {
    let readAt = clock.monotonic();
    let claimNotBefore = Number.NEGATIVE_INFINITY;
    let reachableSince = Number.NEGATIVE_INFINITY;
    let failing = false;
    let conflicts = 0;
    let floorRead: { readonly of: Sighting; readonly epoch: number | undefined } | undefined;

    function failed(what: string, error: unknown): void {
      if (signal.aborted) return;
      const failedAt = clock.monotonic();
      failing = true;
      readAt = failedAt + retryPeriodMs;
      const again = failedAt - warnedAt < SAY_AGAIN_MS;
      if (!again) warnedAt = failedAt;
      log[again ? 'debug' : 'warn']({ lock: lock.name, error: messageOf(error) }, what);
    }

    while (!signal.aborted) {
      const { sighting } = observer;
      const call = { timeoutMs: callMs, signal };
      const now = clock.monotonic();
      const silentAt = observer.newsAt + silenceMs;
      if (sighting === undefined || failing || observer.doubtful || now >= silentAt) {
        if (now < readAt) {
          await bell.wait(readAt - now, signal);
          continue;
        }
        try {
          await observer.read(() => lock.read(call));
          if (failing) reachableSince = clock.monotonic();
          failing = false;
        } catch (error) {
          failed('the lock cannot be read', error);
        }
        continue;
      }
      if (otherElection()) {
        await bell.wait(retryPeriodMs, signal);
        continue;
      }
      if ((sighting.record === undefined || floorInDoubt) && floorRead?.of !== sighting) {
        try {
          floorRead = { of: sighting, epoch: await floor.read(call) };
          floorInDoubt = false;
        } catch (error) {
          failed('the Node cannot be read', error);
        }
        continue;
      }
      const known = Math.max(observer.highestEpoch, floorRead?.epoch ?? 0, floor.cached() ?? 0);
      const standing: Standing = {
        holder,
        replica,
        leaseDurationMs,
        neverLed: sighting.record === undefined && known === 0,
        mayRecreate: vanishedUnder !== undefined && ageOf(vanishedUnder, clock) < rightMs,
      };
      const at = Math.max(dueAt(sighting, standing, now, reachableSince), claimNotBefore, restUntil);
      if (at > now) {
        await bell.wait(Math.min(at, silentAt) - now, signal);
        continue;
      }
      const sent = stamp(clock);
      claimNotBefore = now + retryPeriodMs;
      openClaim = true;
      try {
        // Without the signal: to know how it ended is worth more than to stop at once.
        const record = await lock.acquire(sighting.record, known + 1, { timeoutMs: callMs });
        observer.saw(record);
        if (signal.aborted) return undefined;
        if (ageOf(sent, clock) >= rightMs || observer.sighting?.record?.version !== record.version) continue;
        openClaim = false;
        const last = sighting.record ?? sighting.before?.record;
        const lastSince = sighting.record === undefined ? sighting.before?.since : sighting.since;
        const led = last !== undefined && last.epoch > 0 && lastSince !== undefined;
        return { record, sent, leaderlessMs: led ? clock.monotonic() - lastSince : undefined };
      } catch (error) {
        observer.doubt();
        readAt = clock.monotonic();
        if (hasCode(error, 'Conflict', 'NotFound')) {
          // Somebody wrote first. What is in the lock now decides, not how long ago this claim was.
          openClaim = false;
          if (++conflicts <= QUICK_CONFLICTS) claimNotBefore = Number.NEGATIVE_INFINITY;
        } else failed('the claim failed', error);
      }
    }
    return undefined;
  }

  function dueAt(sighting: Sighting, standing: Standing, now: number, reachableSince: number): number {
    const free = freeAt(sighting, standing);
    // Who comes first is asked when it matters, not before: they may be dead by then.
    if (free > now || isOwn(sighting, standing)) return free;
    if (rankDelay?.of !== sighting) {
      rankDelay = { of: sighting, ms: RANK_DELAY_MS + RANK_DELAY_SPREAD_MS * random.next() };
    }
    const { record, before } = sighting;
    const former =
      record === undefined || record.released
        ? { holder: before?.record.holder ?? '', expired: record === undefined }
        : { holder: record.holder, expired: true };
    return claimAt(sighting, standing, {
      atHome: candidates.isHome(zone),
      homeSeen: candidates.homeSeen(zone),
      rank: candidates.rank(zone, former.holder === '' ? undefined : former),
      rankDelayMs: rankDelay.ms,
      startedAt,
      reachableSince,
    });
  }

  /** Two kinds of election must not both have a leader. What a replica of the other kind does cannot be seen from here. */
  function otherElection(): boolean {
    const other = floor.otherElection();
    if (other === undefined) return false;
    const now = clock.monotonic();
    if (now - saidAt >= SAY_AGAIN_MS) {
      saidAt = now;
      log.error(
        { election: other },
        'the Node says that its set elects by another kind of lock; does not campaign until that says otherwise: stop the replicas that are configured so, then remove the annotation zonelet.dev/election',
      );
    }
    return true;
  }

  async function* terms(signal: AbortSignal): AsyncGenerator<Term> {
    startedAt = clock.monotonic();
    const stopping = (): void => {
      candidates.leave();
      office?.windDown('released');
    };
    const unwatch = lock.watch((record) => (record === undefined ? observer.doubt() : observer.saw(record)));
    signal.addEventListener('abort', stopping, { once: true });
    if (signal.aborted) stopping();
    try {
      while (!signal.aborted) {
        const won = await standBy(signal);
        if (won === undefined) break;
        const held = open(won);
        office = held;
        // What the watch told since.
        judge(held, observer.sighting?.record);
        const done = new AbortController();
        const keeping = keep(held, won.record, done.signal);
        try {
          yield held;
        } finally {
          done.abort();
          const record = await keeping;
          await close(held, record);
          office = undefined;
        }
      }
    } finally {
      signal.removeEventListener('abort', stopping);
      // A claim whose answer was lost, or a term that ended because nothing could be heard.
      if (openClaim || observer.sighting?.record?.holder === holder) {
        await releaseLock({ lock, observer, holder, clock, log }, undefined, undefined);
      }
      unwatch();
    }
  }

  return { zone, terms };
}
