/** Notices when nothing was sent for long, with one timer however much is sent. */
import type { Clock } from '../../clock.ts';

export interface IdleWatch extends Disposable {
  touch(): void;
}

export function watchIdle(clock: Clock, timeoutMs: number, onIdle: () => void): IdleWatch {
  let last = clock.monotonic();
  let timer = clock.setTimer(timeoutMs, look);
  function look(): void {
    const left = last + timeoutMs - clock.monotonic();
    if (left <= 0) onIdle();
    else timer = clock.setTimer(left, look);
  }
  return {
    touch() {
      last = clock.monotonic();
    },
    [Symbol.dispose]: () => timer.cancel(),
  };
}
