/** Letting a lock go, so that nobody has to wait until it runs out. */
import { type Clock, sleep } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Lock, LockRecord } from './lock.ts';
import type { Observer } from './observer.ts';

const ATTEMPTS = 5;
const TIMEOUT_MS = 1_000;
const PAUSE_MS = 100;
/** The lock frees itself anyway: a stop is not held up for long. */
const GIVE_UP_AFTER_MS = 3_000;

export interface ReleaseOptions {
  readonly lock: Lock;
  readonly observer: Observer;
  readonly holder: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Writes that the lock is free, if it is still this holder's. `record`: what stands there; undefined when that has to be
 * read first. The caller has stopped acting. Never throws.
 */
export async function releaseLock(
  { lock, observer, holder, clock, log }: ReleaseOptions,
  record: LockRecord | undefined,
  handOverTo: string | undefined,
): Promise<void> {
  const begun = clock.monotonic();
  let current = record;
  let failure: unknown;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const leftMs = GIVE_UP_AFTER_MS - (clock.monotonic() - begun);
    if (leftMs <= 0) break;
    const call = { timeoutMs: Math.min(TIMEOUT_MS, leftMs) };
    try {
      if (current === undefined) {
        await observer.read(() => lock.read(call));
        current = observer.sighting?.record;
      }
      if (current?.holder !== holder) return;
      observer.saw(await lock.release(current, handOverTo, call));
      return;
    } catch (error) {
      failure = error;
      current = undefined;
      if (attempt > 1) await sleep(clock, PAUSE_MS);
    }
  }
  log.warn({ lock: lock.name, error: messageOf(failure) }, 'the lock was not let go; it frees itself when it runs out');
}
