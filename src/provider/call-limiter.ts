/**
 * Bounds how many calls are on their way to one backend at once; the others wait their turn, first come first served.
 * A waiter whose signal aborts leaves the queue at once.
 */
import { ZoneletError } from '../errors.ts';

export interface CallLimiter {
  /** Resolves with the function that gives the slot back. Throws `Aborted` when the signal aborts first. */
  acquire(signal: AbortSignal): Promise<() => void>;
  readonly active: number;
  readonly waiting: number;
}

export function createCallLimiter(max: number): CallLimiter {
  let active = 0;
  // A set keeps the order of arrival and lets an aborted waiter go without a search.
  const queue = new Set<() => void>();

  function release(): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      active--;
      const next = queue.values().next().value;
      if (next !== undefined) next();
    };
  }

  return {
    acquire(signal) {
      if (signal.aborted) return Promise.reject(aborted());
      if (active < max) {
        active++;
        return Promise.resolve(release());
      }
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          queue.delete(enter);
          reject(aborted());
        };
        const enter = (): void => {
          queue.delete(enter);
          signal.removeEventListener('abort', onAbort);
          active++;
          resolve(release());
        };
        queue.add(enter);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
    get active() {
      return active;
    },
    get waiting() {
      return queue.size;
    },
  };
}

function aborted(): ZoneletError {
  return new ZoneletError('Aborted', 'aborted while waiting for a free call to the backend');
}
