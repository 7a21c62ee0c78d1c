/** The Redis servers of the configuration, each with a connection of its own that what uses it shares. */
import type { Config } from '../../config/config.ts';
import { connectRedis } from '../../redis/connection.ts';
import type { RedisServer } from '../../redis/server.ts';
import type { ReplicaOptions } from './replica-options.ts';

export interface RedisServers extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
}

/** Connects at the first call, not here: a server that is away is no error. */
export async function openRedis(
  redis: NonNullable<Config['redis']>,
  { config, clock, random, metrics, log }: ReplicaOptions,
): Promise<RedisServers> {
  await using opened = new AsyncDisposableStack();
  const servers: RedisServer[] = [];
  for (const address of redis.servers) {
    const clientName = `zonelet-${config.set}-${config.replica.name}`;
    const { credentials, tls } = redis;
    const connecting = connectRedis({
      address,
      credentials,
      tls,
      clientName,
      clock,
      random,
      metrics: metrics.redis,
      log,
    });
    servers.push(opened.use(await connecting));
  }
  const connections = opened.move();
  return { servers, [Symbol.asyncDispose]: () => connections.disposeAsync() };
}
