/** Redis servers for a scenario's set. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type RedisServerProcess, startRedisServer } from '../../support/redis-server.ts';
import type { Play } from './play.ts';

export interface RedisServers extends AsyncDisposable {
  readonly all: readonly RedisServerProcess[];
  /** What a replica's configuration says of them. */
  readonly section: { readonly servers: readonly string[] };
}

export async function startRedisServers(count = 3): Promise<RedisServers> {
  await using started = new AsyncDisposableStack();
  const all: RedisServerProcess[] = [];
  for (let i = 0; i < count; i++) all.push(started.use(await startRedisServer()));
  const kept = started.move();
  return {
    all,
    section: { servers: all.map(({ url }) => url) },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** What the next process of the replica is to elect by. The play has `settings`, so that each replica has a file of its own. */
export function electBy(play: Play, replica: string, by: 'lease' | 'redis'): void {
  const file = join(play.stage.folder, `${replica}.yaml`);
  const configuration = parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, stringify({ ...configuration, election: { by } }));
}
