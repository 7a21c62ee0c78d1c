/** What a controller has asked for and not seen in its cache yet, by the UID of whom it did it for. */
import type { Clock } from '../../clock.ts';

/** After this long what was expected is no longer believed to come (`ExpectationsTimeout`). */
const TIMEOUT_MS = 300_000;

interface Expected {
  creations: number;
  readonly deletions: Set<string>;
  since: number;
}

export interface Expectations {
  expectCreations(owner: string, count: number): void;
  expectDeletions(owner: string, uids: readonly string[]): void;
  /** One has appeared. */
  created(owner: string): void;
  createFailed(owner: string): void;
  /** It is on its way out, or gone, or could not be deleted. */
  deleted(owner: string, uid: string): void;
  /** Nothing is outstanding. */
  met(owner: string): boolean;
  forget(owner: string): void;
}

export function createExpectations(clock: Clock): Expectations {
  const outstanding = new Map<string, Expected>();
  const of = (owner: string): Expected => {
    const found = outstanding.get(owner) ?? { creations: 0, deletions: new Set<string>(), since: clock.monotonic() };
    outstanding.set(owner, found);
    return found;
  };
  const less = (owner: string): void => {
    const found = outstanding.get(owner);
    if (found !== undefined && found.creations > 0) found.creations--;
  };
  return {
    expectCreations(owner, count) {
      const found = of(owner);
      found.creations += count;
      found.since = clock.monotonic();
    },
    expectDeletions(owner, uids) {
      const found = of(owner);
      for (const uid of uids) found.deletions.add(uid);
      found.since = clock.monotonic();
    },
    created: less,
    createFailed: less,
    deleted: (owner, uid) => void outstanding.get(owner)?.deletions.delete(uid),
    met(owner) {
      const found = outstanding.get(owner);
      if (found === undefined) return true;
      const over = clock.monotonic() - found.since > TIMEOUT_MS;
      if (!over && (found.creations > 0 || found.deletions.size > 0)) return false;
      outstanding.delete(owner);
      return true;
    },
    forget: (owner) => void outstanding.delete(owner),
  };
}
