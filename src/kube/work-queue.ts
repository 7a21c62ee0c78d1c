/**
 * Keys that need work: never the same key twice at once, fresh work before retries, back-off per key for ever
 * (nothing is dropped after N tries).
 */

export interface WorkQueue {
  /** Fresh work: runs as soon as a worker is free, and clears nothing of the key's back-off unless `forget` is called. Coalesced with what waits; runs again when the key is being worked on. */
  add(key: string): void;
  /** Later work for the key; the earlier of two wins. */
  addAfter(key: string, delayMs: number): void;
  /** Forgets the key's failures. */
  forget(key: string): void;
  /** Waiting keys, delayed ones not counted. */
  readonly depth: number;
  /** Runs `workers` at a time until the signal aborts, then waits for those under way. A handler that throws has its key retried after back-off (5 ms doubling to 5 minutes, with jitter; an error's own `retryAfterMs` is honoured). */
  run(workers: number, handle: (key: string, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
}
