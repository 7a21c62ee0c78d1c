/** Waiting for something to become true, with a limit and a name for what did not come. */
import type { Clock } from '../../clock.ts';
import { messageOf, ZoneletError } from '../../errors.ts';

export interface WaitOptions {
  readonly clock: Clock;
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Tells when to look again; besides, it is looked at every 100 ms. */
  readonly onChange?: (callback: () => void) => () => void;
  /** Why it can no longer come true; rejects at once. */
  readonly hopeless?: () => Error | undefined;
}

const LOOK_EVERY_MS = 100;

/** Resolves once `holds` answers true; `Unavailable` after the limit, `Aborted` with the signal. Errors of `holds` count as false. */
export function waitFor(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { clock, limitMs, signal, onChange, hopeless }: WaitOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const until = clock.monotonic() + limitMs;
    let looking = false;
    let failure: unknown;
    let timer = clock.setTimer(0, look);
    const unsubscribe = onChange?.(look);
    const end = (settle: () => void): void => {
      timer.cancel();
      unsubscribe?.();
      signal.removeEventListener('abort', aborted);
      settle();
    };
    function aborted(): void {
      end(() => reject(new ZoneletError('Aborted', `stopped while waiting for ${what}`)));
    }
    function look(): void {
      if (looking) return;
      looking = true;
      void Promise.resolve()
        .then(holds)
        .catch((error: unknown) => {
          failure = error;
          return false;
        })
        .then((held) => {
          looking = false;
          if (held) return end(resolve);
          if (signal.aborted) return;
          const obstacle = hopeless?.();
          if (obstacle !== undefined) return end(() => reject(obstacle));
          if (clock.monotonic() >= until) {
            const why = failure === undefined ? '' : `; last: ${messageOf(failure)}`;
            const message = `${what}: not there after ${Math.round(limitMs / 1000)} s${why}`;
            return end(() => reject(new ZoneletError('Unavailable', message)));
          }
          timer.cancel();
          timer = clock.setTimer(LOOK_EVERY_MS, look);
        });
    }
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
  });
}
