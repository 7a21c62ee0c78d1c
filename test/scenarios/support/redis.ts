/** Redis servers for a scenario's set, and what their locks say of its leaders. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { systemClock as clock, sleep } from '../../../src/clock.ts';
import { DEFAULT_TIMING } from '../../../src/config/election-timing.ts';
import { parseDuration } from '../../../src/config/syntax.ts';
import { parseClaim } from '../../../src/election/redis-tally.ts';
import { type RedisServer, redisScript } from '../../../src/redis/server.ts';
import { connectTo } from '../../support/redis-connection.ts';
import { type RedisServerProcess, startRedisServer } from '../../support/redis-server.ts';
import type { Sign } from './leadership.ts';
import type { Play } from './play.ts';

export interface RedisServers extends AsyncDisposable {
  readonly all: readonly RedisServerProcess[];
  /** What a replica's configuration says of them. */
  readonly section: { readonly servers: readonly string[] };
  readonly locks: Locks;
}

export interface Locks extends AsyncDisposable {
  /** Those that a majority of the servers was seen to hold, in order. */
  readonly signs: readonly Sign[];
}

const EVERY_LOCK = redisScript(
  'every-lock',
  `local found = {}
for _, key in ipairs(redis.call('keys', '*}:lock')) do
  table.insert(found, { key, redis.call('get', key), redis.call('pttl', key) })
end
return found`,
);
const LOOK_MS = 200;
const LEASE_MS = parseDuration(DEFAULT_TIMING.redis.leaseDuration) ?? 0;

export async function startRedisServers(count = 3): Promise<RedisServers> {
  await using started = new AsyncDisposableStack();
  const all: RedisServerProcess[] = [];
  for (let i = 0; i < count; i++) all.push(started.use(await startRedisServer()));
  const locks = started.use(await followLocks(all));
  const kept = started.move();
  return {
    all,
    section: { servers: all.map(({ url }) => url) },
    locks,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Looks at the locks of all zones again and again, for the history does not have them. */
export async function followLocks(servers: readonly RedisServerProcess[]): Promise<Locks> {
  await using opened = new AsyncDisposableStack();
  const connections: RedisServer[] = [];
  for (const { url } of servers) connections.push(opened.use(await connectTo(url)));
  const signs: Sign[] = [];
  const ending = new AbortController();
  const looking = watchLocks(connections, signs, ending.signal);
  const kept = opened.move();
  return {
    signs,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await looking;
      await kept.disposeAsync();
    },
  };
}

async function watchLocks(servers: readonly RedisServer[], signs: Sign[], signal: AbortSignal): Promise<void> {
  const majority = Math.floor(servers.length / 2) + 1;
  while (!signal.aborted) {
    const answers = await Promise.all(
      servers.map((server) => server.eval(EVERY_LOCK, [], [], { timeoutMs: LOOK_MS }).catch(() => [])),
    );
    const seen = new Map<string, { zone: string; epoch: number; leftMs: number; votes: number }>();
    for (const [key, value, leftMs] of answers.flat() as [string, string, number][]) {
      const zone = /\/([^/}]+)\}:lock$/.exec(key)?.[1];
      const epoch = parseClaim(value)?.epoch;
      if (zone === undefined || epoch === undefined) continue;
      const before = seen.get(`${key} ${value}`);
      seen.set(`${key} ${value}`, { zone, epoch, leftMs, votes: (before?.votes ?? 0) + 1 });
    }
    const now = clock.now();
    for (const { zone, epoch, leftMs, votes } of seen.values()) {
      if (votes >= majority) signs.push({ zone, epoch, at: now - (LEASE_MS - leftMs) });
    }
    await sleep(clock, LOOK_MS, signal);
  }
}

/** What the next process of the replica is to elect by. The play has `settings`, so that each replica has a file of its own. */
export function electBy(play: Play, replica: string, by: 'lease' | 'redis'): void {
  const file = join(play.stage.folder, `${replica}.yaml`);
  const configuration = parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, stringify({ ...configuration, election: { by } }));
}
