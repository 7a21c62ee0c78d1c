import type { ServerResponse } from 'node:http';

/** Resolves when more can be written, or when nobody reads any more. */
export function drained(response: ServerResponse, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
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
