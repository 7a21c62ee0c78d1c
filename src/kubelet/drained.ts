import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';

export interface Patience {
  readonly clock: Clock;
  /** A client that takes nothing for so long is cut off: it holds a connection and what is behind it. */
  readonly limitMs: number;
  readonly signal?: AbortSignal;
}

/** Resolves when more can be written, or when nobody reads any more. */
export function drained(response: ServerResponse, { clock, limitMs, signal }: Patience): Promise<void> {
  if (signal?.aborted === true || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(limitMs, () => response.destroy());
    const done = (): void => {
      timer.cancel();
      response.off('drain', done);
      response.off('close', done);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
