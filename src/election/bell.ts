/** Waiting for a moment or for news, whichever comes first. */
import type { Clock } from '../clock.ts';

export interface Bell {
  /** Ends whatever wait is under way. */
  ring(): void;
  /** Resolves after `delayMs`, when rung, or when the signal aborts. */
  wait(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** Rung several times a second for the whole life of a replica: without a signal of its own for each wait. */
export function createBell(clock: Clock): Bell {
  const waiting = new Set<() => void>();
  return {
    ring() {
      for (const end of [...waiting]) end();
    },
    wait(delayMs, signal) {
      if (signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = clock.setTimer(delayMs, end);
        signal?.addEventListener('abort', end, { once: true });
        waiting.add(end);
        function end(): void {
          timer.cancel();
          signal?.removeEventListener('abort', end);
          waiting.delete(end);
          resolve();
        }
      });
    },
  };
}
