/** The Redis servers of the configuration, each with a connection of its own that what uses it shares. */
import type { Config } from '../../config/config.ts';
import type { RedisAddress } from '../../redis/address.ts';
import { connectRedis } from '../../redis/connection.ts';
import type { RedisServer } from '../../redis/server.ts';
import type { ReplicaOptions } from './replica-options.ts';

export interface RedisServers extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
  /** Keeps the pod state: one of them or another; undefined when that is kept elsewhere. */
  readonly forState: RedisServer | undefined;
}

/** Connects at the first call, not here: a server that is away is no error. */
export async function openRedis(
  redis: NonNullable<Config['redis']>,
  { config, clock, random, metrics, log }: ReplicaOptions,
): Promise<RedisServers> {
  await using opened = new AsyncDisposableStack();
  async function open(address: RedisAddress): Promise<RedisServer> {
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
    return opened.use(await connecting);
  }
  const servers: RedisServer[] = [];
  for (const address of redis.servers) servers.push(await open(address));
  const stateAddress = config.state.by === 'redis' ? config.state.server : undefined;
  const forState =
    stateAddress === undefined
      ? undefined
      : (servers.find(({ name }) => name === stateAddress.name) ?? (await open(stateAddress)));
  const connections = opened.move();
  return { servers, forState, [Symbol.asyncDispose]: () => connections.disposeAsync() };
}
