/**
 * Time and randomness, injected, so that the same code runs on the wall clock and in a simulation.
 * Outside this file nothing reads Date.now, performance.now, setTimeout, setInterval or Math.random.
 */
import { randomUUID } from 'node:crypto';
import { uptime } from 'node:os';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in milliseconds since the epoch: for timestamps that others read. Decides nothing. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary origin: for every duration and deadline. */
  monotonic(): number;
  /** Milliseconds that this machine has been up, suspension included, where the system can tell; compared with `monotonic` to notice one. */
  uptime(): number;
  /** Calls `run` once, `delayMs` from now at the earliest. */
  setTimer(delayMs: number, run: () => void): Timer;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A version 4 UUID. */
  uuid(): string;
}

/** Resolves after `delayMs`, or at once (without an error) when the signal aborts: the caller looks at the signal. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
    function done(): void {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}

/** A signal that aborts after `delayMs`, or with any of `parents`. Dispose it to free its timer and listeners. */
export function deadline(clock: Clock, delayMs: number, ...parents: readonly (AbortSignal | undefined)[]): Deadline {
  const controller = new AbortController();
  let expired = false;
  const timer = clock.setTimer(delayMs, () => {
    expired = true;
    controller.abort(new DOMException(`deadline of ${Math.round(delayMs)} ms passed`, 'TimeoutError'));
  });
  const listeners: (() => void)[] = [];
  for (const parent of parents) {
    if (parent === undefined) continue;
    const onAbort = (): void => controller.abort(parent.reason);
    if (parent.aborted) onAbort();
    else {
      parent.addEventListener('abort', onAbort, { once: true });
      listeners.push(() => parent.removeEventListener('abort', onAbort));
    }
  }
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    [Symbol.dispose]() {
      timer.cancel();
      for (const remove of listeners) remove();
    },
  };
}

export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
  /** True when the time ran out (and not a parent signal) ended it. */
  readonly expired: boolean;
}

/** The real clock. Timers do not keep the process alive: whatever has a lifetime is awaited. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  uptime: () => uptime() * 1000,
  setTimer(delayMs, run) {
    const handle = setTimeout(run, Math.max(0, Math.min(delayMs, 2 ** 31 - 1)));
    return { cancel: () => clearTimeout(handle) };
  },
};

export const systemRandom: Random = { next: () => Math.random(), uuid: () => randomUUID() };
