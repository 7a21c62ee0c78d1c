/** The leader's part of a campaign: one renewal at a time, and a second look at the lock whenever there is doubt. */
import { hasCode, messageOf } from '../errors.ts';
import { type Contest, callTimeoutMs, QUICK_CONFLICTS } from './contest.ts';
import type { LockRecord } from './lock.ts';
import type { Office } from './office.ts';
import { stamp } from './right-to-act.ts';

export interface HeldTerm {
  readonly held: Office;
  /** What was written to win it. */
  readonly won: LockRecord;
  /** Ends the term when this, as what stands in the lock, says so. */
  judge(record: LockRecord | undefined): void;
  /** Called between renewals. */
  tick(): void;
}

/** Renews until the term is over or `done`; what then stands in the lock, where that is known. */
export async function keepRenewed(
  { zone, lock, observer, bell, clock, metrics, timing, log }: Contest,
  term: HeldTerm,
  done: AbortSignal,
): Promise<LockRecord | undefined> {
  const { held, judge, tick } = term;
  const { retryPeriodMs } = timing;
  const callMs = callTimeoutMs(timing);
  let record: LockRecord | undefined = term.won;
  let nextAt = held.sent.monotonic + retryPeriodMs;
  let doubtSeen = false;
  let conflicts = 0;
  while (held.over === undefined && !done.aborted) {
    const now = clock.monotonic();
    const doubted = observer.doubtful && !doubtSeen;
    if (now < nextAt && !doubted) {
      tick();
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
        judge(record);
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
