/** What the election of a replica needs beside the API server, and what its probes tell of it. */
import type { Config } from '../../config/config.ts';
import type { Election } from '../../election/election.ts';
import { createRedisElection, type RedisElection } from '../../election/redis-election.ts';
import { loadRedlock } from '../../election/redis-quorum.ts';
import type { ReadinessCheck } from '../../metrics/http-server.ts';
import { redisQuorumMetrics } from '../../metrics/redis-quorum.ts';
import type { RedisServer } from '../../redis/server.ts';
import type { ReplicaOptions } from './replica-options.ts';

/** Also where the set elects by Lease: it may have to take over from one that does not. */
export async function electOnRedis(
  { config, clock, random, metrics, log }: ReplicaOptions,
  servers: readonly RedisServer[] | undefined,
  owner: string,
): Promise<RedisElection | undefined> {
  if (config.redis === undefined || servers === undefined) return undefined;
  const { keyPrefix } = config.redis;
  const redlock = await loadRedlock();
  const election = createRedisElection({ servers, keyPrefix, owner, redlock, clock, random, log });
  if (config.election.by === 'redis') redisQuorumMetrics(metrics.registry, () => election.state());
  return election;
}

interface Elections {
  readonly election: Election;
  readonly onRedis: RedisElection | undefined;
}

/**
 * Without its Redis servers a replica can lead nothing, and a rolling update had better stop. That it waits for others is
 * told and no reason to be unready: they could be waiting for it.
 */
export function electionReadiness(config: Config, elections: () => Elections | undefined): ReadinessCheck[] {
  const waits: ReadinessCheck = {
    name: 'election',
    check() {
      const election = elections()?.election;
      const why = config.zones.flatMap(({ name }) => {
        const obstacle = election?.campaign(name).obstacle;
        return obstacle === undefined ? [] : [`zone ${name}: ${obstacle}`];
      });
      return { ok: true, ...(why.length === 0 ? {} : { detail: why.join('; ') }) };
    },
  };
  if (config.election.by !== 'redis') return [waits];
  const quorum: ReadinessCheck = {
    name: 'redis',
    check() {
      const state = elections()?.onRedis?.state();
      if (state === undefined) return { ok: false };
      const { servers, majority, usable, problems } = state;
      const counts = `${usable} of ${servers} servers are usable, ${majority} needed`;
      return { ok: usable >= majority, detail: [counts, ...problems].join('; ') };
    },
  };
  return [waits, quorum];
}
