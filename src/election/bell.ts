/** Waiting for a moment or for news, whichever comes first. */
import { type Clock, sleep } from '../clock.ts';

export interface Bell {
  /** Ends whatever wait is under way. */
  ring(): void;
  /** Resolves after `delayMs`, when rung, or when the signal aborts. */
  wait(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export function createBell(clock: Clock): Bell {
  let rung = new AbortController();
  function ring(): void {
    rung.abort();
    rung = new AbortController();
  }
  return {
    ring,
    async wait(delayMs, signal) {
      if (signal?.aborted) return;
      signal?.addEventListener('abort', ring, { once: true });
      await sleep(clock, delayMs, rung.signal);
      signal?.removeEventListener('abort', ring);
    },
  };
}
