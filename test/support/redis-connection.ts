/** The shipped connection, to a server that a test started. The caller disposes of it. */
import { Registry } from 'prom-client';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { silentLogger } from '../../src/log.ts';
import { redisMetrics } from '../../src/metrics/redis.ts';
import { parseRedisUrl } from '../../src/redis/address.ts';
import { connectRedis, type RedisConnection, type RedisConnectionOptions } from '../../src/redis/connection.ts';

export async function connectTo(url: string, more: Partial<RedisConnectionOptions> = {}): Promise<RedisConnection> {
  const address = parseRedisUrl(url);
  if ('problem' in address) throw new Error(address.problem);
  return await connectRedis({
    address,
    credentials: {},
    tls: {},
    clientName: 'zonelet-test',
    clock: systemClock,
    random: systemRandom,
    metrics: redisMetrics(new Registry()),
    log: silentLogger,
    ...more,
  });
}
