/** The latest changes of one collection: where a watch can begin, and how a list of a moment ago is told. */
import type { Clock } from '../../../clock.ts';
import type { Change } from './store.ts';

export interface HistoryOptions {
  readonly clock: Clock;
  readonly limit: number;
  readonly maxAgeMs: number;
}

export interface History {
  /** Every change after `revision`, oldest first; undefined when some of them are forgotten. */
  since(revision: number): readonly Change[] | undefined;
  /** The oldest revision that `since` still answers for. */
  oldest(): number;
  add(change: Change): void;
  /** Forgets everything up to this revision. */
  startAt(revision: number): void;
}

/** The array is cut only now and then: cutting its head moves all of it. */
const SLACK = 1.25;

export function createHistory({ clock, limit, maxAgeMs }: HistoryOptions): History {
  let changes: { readonly change: Change; readonly at: number }[] = [];
  let start = 0;
  let floor = 0;

  function drop(count: number): void {
    if (count === 0) return;
    floor = changes[start + count - 1]?.change.revision ?? floor;
    start += count;
    if (start > limit * (SLACK - 1)) {
      changes = changes.slice(start);
      start = 0;
    }
  }

  function expire(): void {
    const before = clock.monotonic() - maxAgeMs;
    let count = 0;
    for (let i = start; (changes[i]?.at ?? Number.POSITIVE_INFINITY) < before; i++) count++;
    drop(count);
  }

  return {
    since(revision) {
      expire();
      if (revision < floor) return undefined;
      // Binary search for the first change after it.
      let low = start;
      let high = changes.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((changes[middle]?.change.revision ?? 0) <= revision) low = middle + 1;
        else high = middle;
      }
      return changes.slice(low).map(({ change }) => change);
    },
    oldest() {
      expire();
      return floor;
    },
    add(change) {
      changes.push({ change, at: clock.monotonic() });
      if (changes.length - start > limit) drop(changes.length - start - limit);
    },
    startAt(revision) {
      changes = [];
      start = 0;
      floor = revision;
    },
  };
}
