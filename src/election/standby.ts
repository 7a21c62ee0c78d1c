/**
 * The standby's part of a campaign: it follows the lock, and takes it the moment that it is free and this replica's turn.
 * It asks by itself when the watch is silent, and never claims upon what it has not heard of lately.
 */
import { hasCode, messageOf } from '../errors.ts';
import { type Contest, callTimeoutMs, QUICK_CONFLICTS } from './contest.ts';
import { claimAt, freeAt, freeBy, isOwn, type Standing } from './eligibility.ts';
import { parseHolder } from './identity.ts';
import type { LockRecord } from './lock.ts';
import type { Sighting } from './observer.ts';
import { ageOf, rightToActMs, type Stamp, stamp } from './right-to-act.ts';
import type { TermCause } from './term.ts';

export interface Won {
  readonly record: LockRecord;
  /** When the claim was sent. */
  readonly sent: Stamp;
  /** Since when nothing was heard of the predecessor; undefined when there was none. */
  readonly leaderlessMs: number | undefined;
  readonly cause: TermCause;
}

/** What the last term left behind. */
export interface Aftermath {
  /** Set when the record vanished under it: when its last renewal was sent. */
  readonly vanishedUnder: Stamp | undefined;
  /** The cache of Nodes may lag behind: the epoch has to be read before the next claim. */
  readonly floorInDoubt: boolean;
  /** An epoch that stood in its way where neither the lock nor the Node tells of it; 0 when there was none. */
  readonly stands: number;
  /** Monotonic time before which this replica claims nothing. */
  readonly restUntil: number;
}

export interface Standby {
  /** A claim was sent of which it is open whether it was carried out. */
  readonly openClaim: boolean;
  /** Resolves when the lock was won; with undefined when the signal aborted first. */
  win(signal: AbortSignal, after: Aftermath): Promise<Won | undefined>;
}

/** A rank costs as much as a claim and its news take at worst, at random so that two equal ones do not meet. */
const RANK_DELAY_MS = 300;
const RANK_DELAY_SPREAD_MS = 200;
/**
 * After a death that was proved, replicas learn of it within some ten milliseconds of each other. Two that claim at once
 * do no harm, for the lock compares and swaps: at worst the zone goes to the second best, and 0.3 s are half a take-over.
 */
const PROVED_RANK_DELAY_MS = 50;
const PROVED_RANK_DELAY_SPREAD_MS = 50;
/** A replica that is told of its return by its candidate Lease hears of it by so much later. */
const BEAT_RETRY_MS = 500;
const SAY_AGAIN_MS = 60_000;

export function createStandby(contest: Contest): Standby {
  const { zone, lock, floor, candidates, holder, replica, timing, clock, random, observer, bell, log } = contest;
  const { witness, transition } = contest;
  const { leaseDurationMs, retryPeriodMs } = timing;
  const rightMs = rightToActMs(leaseDurationMs);
  const callMs = callTimeoutMs(timing);
  /** A little more than the time between a leader's renewals, so that a watch that works is not doubled. */
  const silenceMs = 1.25 * retryPeriodMs;
  let openClaim = false;
  let chance: { readonly of: Sighting; readonly is: number } | undefined;
  let startedAt: number | undefined;
  let reachableSince = Number.NEGATIVE_INFINITY;
  let warnedAt = Number.NEGATIVE_INFINITY;
  let stranger: { readonly holder: string; readonly saidAt: number } | undefined;

  async function win(signal: AbortSignal, after: Aftermath): Promise<Won | undefined> {
    startedAt ??= clock.monotonic();
    let readAt = clock.monotonic();
    let claimNotBefore = after.restUntil;
    let { floorInDoubt } = after;
    let floorRead: { readonly of: Sighting; readonly epoch: number | undefined } | undefined;
    let failing = false;
    let cutOff = false;
    let conflicts = 0;

    function failed(what: string, error: unknown): void {
      if (signal.aborted) return;
      const now = clock.monotonic();
      failing = true;
      readAt = now + retryPeriodMs;
      contest.obstacle(`${what}: ${messageOf(error)}`);
      const again = now - warnedAt < SAY_AGAIN_MS;
      if (!again) warnedAt = now;
      log[again ? 'debug' : 'warn']({ lock: lock.name, error: messageOf(error) }, what);
    }

    while (!signal.aborted) {
      const { sighting } = observer;
      const call = { timeoutMs: callMs, signal };
      const now = clock.monotonic();
      const silentAt = heardAt(sighting) + silenceMs;
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
      if (!lock.provesReach && !candidates.reachable) {
        // The zone could be won and not be led. Afterwards the others get the time to be back too.
        contest.obstacle('the API server cannot be reached');
        cutOff = true;
        await bell.wait(retryPeriodMs, signal);
        continue;
      }
      if (cutOff) reachableSince = now;
      cutOff = false;
      if ((sighting.record === undefined || floorInDoubt) && floorRead?.of !== sighting) {
        try {
          floorRead = { of: sighting, epoch: await floor.read(call) };
          floorInDoubt = false;
        } catch (error) {
          failed('the Node cannot be read', error);
        }
        continue;
      }
      const waiting = await transition.wait(call);
      contest.obstacle(waiting?.why);
      if (observer.sighting !== sighting) continue;
      if (waiting !== undefined) {
        await bell.wait(waiting.forMs, signal);
        continue;
      }
      const known = Math.max(
        observer.highestEpoch,
        lock.highestEpoch,
        floorRead?.epoch ?? 0,
        floor.cached() ?? 0,
        after.stands,
      );
      const { vanishedUnder } = after;
      const other = sighting.record?.holder;
      if (other && other !== holder && now - sighting.since >= silenceMs) witness.suspect(other);
      const standing: Standing = {
        holder,
        replica,
        leaseDurationMs,
        neverLed: sighting.record === undefined && known === 0,
        mayRecreate: vanishedUnder !== undefined && ageOf(vanishedUnder, clock) < rightMs,
        proof: other ? witness.proofOf(other) : undefined,
      };
      const at = Math.max(dueAt(sighting, standing, now), claimNotBefore);
      if (at > now) {
        tellOfStranger(sighting, standing, now);
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
        return { record, sent, leaderlessMs: leaderless(sighting), cause: causeOf(sighting, standing, now) };
      } catch (error) {
        observer.doubt();
        readAt = clock.monotonic();
        if (hasCode(error, 'Conflict', 'NotFound')) {
          // Somebody wrote first. What is in the lock now decides, not how long ago this claim was.
          openClaim = false;
          if (++conflicts <= QUICK_CONFLICTS) claimNotBefore = after.restUntil;
        } else failed('the claim failed', error);
      }
    }
    return undefined;
  }

  /** A lock that tells when it was extended is looked at when that should have happened again. */
  function heardAt(sighting: Sighting | undefined): number {
    if (lock.provesReach || sighting === undefined) return observer.newsAt;
    return Math.max(sighting.since, observer.newsAt - 0.75 * retryPeriodMs);
  }

  function leaderless({ record, since, before }: Sighting): number | undefined {
    const last = record === undefined ? before : { record, since };
    return last !== undefined && last.record.epoch > 0 ? clock.monotonic() - last.since : undefined;
  }

  function dueAt(sighting: Sighting, standing: Standing, now: number): number {
    const free = freeAt(sighting, standing);
    // Who comes first is asked when it matters, not before: they may be dead by then.
    if (free > now || isOwn(sighting, standing)) return free;
    if (chance?.of !== sighting) chance = { of: sighting, is: random.next() };
    const proved = freeBy(sighting, standing, now) !== undefined;
    const { record, before } = sighting;
    // Once the zone was led, an operator may have said that home counts for nothing.
    const preferHome = contest.handBack.mode !== 'never' || standing.neverLed;
    const former = record === undefined || record.released ? before?.record.holder : record.holder;
    const end = record?.released ? 'released' : proved ? 'dead' : 'expired';
    return claimAt(sighting, standing, {
      atHome: preferHome && candidates.isHome(zone),
      draining: candidates.draining !== undefined,
      homeSeen: candidates.homeSeen(zone),
      rank: candidates.rank(zone, former ? { holder: former, end } : undefined, preferHome),
      rankDelayMs: proved
        ? PROVED_RANK_DELAY_MS + PROVED_RANK_DELAY_SPREAD_MS * chance.is
        : RANK_DELAY_MS + RANK_DELAY_SPREAD_MS * chance.is,
      startedAt: startedAt ?? now,
      reachableSince,
      returnSpreadMs: retryPeriodMs + (lock.provesReach ? 0 : BEAT_RETRY_MS),
    });
  }

  /** Whoever is no replica is waited for like anybody, and nothing of theirs is written over; but people should know why nobody leads. */
  function tellOfStranger(sighting: Sighting, standing: Standing, now: number): void {
    const other = sighting.record?.holder ?? '';
    const freeInMs = Math.round(freeAt(sighting, standing) - now);
    if (other === '' || parseHolder(other) !== undefined || freeInMs <= 0) return;
    if (stranger?.holder === other && now - stranger.saidAt < SAY_AGAIN_MS) return;
    stranger = { holder: other, saidAt: now };
    log.error(
      { lock: lock.name, holder: other, freeInMs },
      'the lock is held by somebody who is no replica of any set: nobody leads the zone until it has stayed unchanged for its duration. If another program uses that name, give it or the zone another one',
    );
  }

  return {
    get openClaim() {
      return openClaim;
    },
    win,
  };
}

function causeOf(sighting: Sighting, standing: Standing, now: number): TermCause {
  const { record } = sighting;
  const proof = freeBy(sighting, standing, now);
  if (proof !== undefined) return proof;
  if (record === undefined) return standing.neverLed ? 'first' : 'lock-lost';
  if (record.holder === standing.holder) return 'resumed';
  if (!record.released) return 'expired';
  return record.handOverTo === undefined ? 'released' : 'handed-over';
}
