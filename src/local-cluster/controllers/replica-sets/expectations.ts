/**
 * What a controller did and has not seen in its cache yet. While something is outstanding it must not count its pods
 * again, or a cache that is behind would make it create them twice. Source: pkg/controller/controller_utils.go.
 */
import type { Clock } from '../../../clock.ts';

export interface Expectations {
  /** Everything was seen, or was waited for in vain for five minutes, or nothing is expected. */
  satisfied(key: string): boolean;
  expectCreations(key: string, count: number): void;
  /** `pods`: their UIDs. */
  expectDeletions(key: string, pods: readonly string[]): void;
  /** One was seen, or was not created after all. */
  creationSeen(key: string): void;
  deletionSeen(key: string, pod: string): void;
  forget(key: string): void;
}

interface Expected {
  creations: number;
  readonly deletions: Set<string>;
  readonly since: number;
}

/** As `ExpectationsTimeout`: after it whatever was missed is made good by counting. */
const TIMEOUT_MS = 300_000;

export function createExpectations(clock: Clock): Expectations {
  const expected = new Map<string, Expected>();

  function expect(key: string, creations: number, deletions: readonly string[]): void {
    expected.set(key, { creations, deletions: new Set(deletions), since: clock.monotonic() });
  }

  return {
    satisfied(key) {
      const one = expected.get(key);
      if (one === undefined) return true;
      if (one.creations <= 0 && one.deletions.size === 0) return true;
      return clock.monotonic() - one.since > TIMEOUT_MS;
    },
    expectCreations: (key, count) => expect(key, count, []),
    expectDeletions: (key, pods) => expect(key, 0, pods),
    creationSeen(key) {
      const one = expected.get(key);
      if (one !== undefined) one.creations--;
    },
    deletionSeen(key, pod) {
      expected.get(key)?.deletions.delete(pod);
    },
    forget(key) {
      expected.delete(key);
    },
  };
}
