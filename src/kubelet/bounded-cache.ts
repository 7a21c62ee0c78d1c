/** Answers kept for a while, at most so many, the longest unused given up first; equal questions at one time are asked once. */
import type { Clock } from '../clock.ts';
import { ZoneletError } from '../errors.ts';

export interface BoundedCache<T> {
  /** What `key` was answered lately, or what `ask` answers now. An error is not kept. */
  get(key: string, ask: () => Promise<T>): Promise<T>;
  readonly size: number;
}

export interface BoundedCacheOptions<T> {
  readonly clock: Clock;
  readonly maxEntries: number;
  /** Questions that are open at once; more throw `Throttled`. */
  readonly maxOpen: number;
  /** How long this answer holds, in milliseconds. */
  ttlMs(value: T): number;
}

export function createBoundedCache<T>(options: BoundedCacheOptions<T>): BoundedCache<T> {
  const { clock, maxEntries, maxOpen } = options;
  const kept = new Map<string, { readonly value: T; readonly until: number }>();
  const open = new Map<string, Promise<T>>();

  async function askNow(key: string, ask: () => Promise<T>): Promise<T> {
    // From when it was asked: an answer must not hold longer for having been slow.
    const askedAt = clock.monotonic();
    const value = await ask();
    const oldest = kept.size >= maxEntries ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    kept.set(key, { value, until: askedAt + options.ttlMs(value) });
    return value;
  }

  return {
    async get(key, ask) {
      const entry = kept.get(key);
      if (entry !== undefined) {
        kept.delete(key);
        if (clock.monotonic() < entry.until) {
          kept.set(key, entry);
          return entry.value;
        }
      }
      const asked = open.get(key);
      if (asked !== undefined) return await asked;
      if (open.size >= maxOpen) throw new ZoneletError('Throttled', 'too many questions to the API server are open');
      const answer = askNow(key, ask).finally(() => open.delete(key));
      open.set(key, answer);
      return await answer;
    },
    get size() {
      return kept.size;
    },
  };
}
