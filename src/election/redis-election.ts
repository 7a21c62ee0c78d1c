/** The zones' locks on a set of Redis servers, which all zones share. */
import type { Clock, Random } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { QuorumCounts } from '../metrics/redis-quorum.ts';
import type { RedisServer } from '../redis/server.ts';
import type { Lock } from './lock.ts';
import { createRedisLock } from './redis-lock.ts';
import { createRedisQuorum, type RedlockModule } from './redis-quorum.ts';
import { lockKeys } from './redis-scripts.ts';

export interface RedisElectionOptions {
  /** 1, 3 or 5 that know nothing of each other. The caller disposes of them. */
  readonly servers: readonly RedisServer[];
  readonly keyPrefix: string;
  /** `<UID of the namespace kube-system>/<set>`: keeps the sets of several clusters apart. */
  readonly owner: string;
  /** What `loadRedlock` gives. */
  readonly redlock: RedlockModule;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface RedisElection {
  readonly lock: RedisLockMaker;
  /** How many of the servers are of use, and why the others are not. */
  state(): QuorumCounts & { readonly problems: readonly string[] };
}

export type RedisLockMaker = (lock: {
  readonly zone: string;
  readonly holder: string;
  readonly leaseDurationMs: number;
}) => Lock;

/** A server that is away is no error. */
export function createRedisElection(options: RedisElectionOptions): RedisElection {
  const { servers, keyPrefix, owner, redlock, clock, random, log } = options;
  const quorum = createRedisQuorum(servers, redlock, clock, log);
  return {
    lock: ({ zone, ...of }) =>
      createRedisLock({ ...of, quorum, keys: lockKeys(keyPrefix, owner, zone), clock, random }),
    state() {
      const problems = quorum.problems().filter((problem) => problem !== undefined);
      const usable = servers.length - problems.length;
      return { servers: servers.length, majority: quorum.majority, usable, problems };
    },
  };
}
