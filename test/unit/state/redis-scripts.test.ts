/** The scripts of the pod state: what they take, what they refuse, and that the model of them does the same. */
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { RedisServer } from '../../../src/redis/server.ts';
import {
  type Change,
  clear,
  type Fence,
  MAX_RECORDS,
  scan,
  write,
  zoneKeys,
} from '../../../src/state/redis-scripts.ts';
import { connectTo } from '../../support/redis-connection.ts';
import { createRedisModel } from '../../support/redis-model.ts';
import { hasRedisServer, startRedisServer } from '../../support/redis-server.ts';
import { stateRedisPrograms } from '../../support/redis-state-model.ts';

const KEYS = zoneKeys('zonelet', 'cluster-uid/demo', 'zone-a');
const FIRST: Fence = { epoch: 3, holder: 'r-0_-_b1', id: 'first' };
const SECOND: Fence = { epoch: 4, holder: 'r-1_-_b2', id: 'second' };

const set = (uid: string, json = '{"e":3}'): Change => ({ kind: 'set', uid, json });
const intend = (uid: string): Change => ({ kind: 'intend', uid, json: '{"e":3,"i":1}' });
const bury = (uid: string): Change => ({ kind: 'bury', uid, json: '' });
const drop = (uid: string): Change => ({ kind: 'drop', uid, json: '' });

interface Stand {
  readonly server: RedisServer;
  flush(): void;
  /** Puts another kind of value, or a hash of another program, under the key. */
  foul(key: string, kind: 'string' | 'hash' | 'version'): void;
}

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

const STANDS: Record<string, () => Promise<Stand>> = {
  async model() {
    const model = createRedisModel({ clock: systemClock, programs: stateRedisPrograms });
    return {
      server: model.connect(),
      flush: () => model.flush(),
      foul(key, kind) {
        if (kind === 'string') model.data.set(key, { type: 'string', text: 'x' });
        else model.data.hash(key).set(kind === 'hash' ? 'name' : '#version', '9');
      },
    };
  },
  async 'real server'() {
    const real = cleanup.use(await startRedisServer());
    const server = cleanup.use(await connectTo(real.url));
    return {
      server,
      flush: () => void real.command('FLUSHALL'),
      foul: (key, kind) =>
        void (kind === 'string'
          ? real.command('SET', key, 'x')
          : real.command('HSET', key, kind === 'hash' ? 'name' : '#version', '9')),
    };
  },
};

describe.each(Object.entries(STANDS))('%s', (name, stand) => {
  const on = test.skipIf(name !== 'model' && !hasRedisServer);
  const put = (server: RedisServer, fence: Fence, ...changes: Change[]) => write(server, KEYS, fence, changes, {});

  on('the first claim makes the store, later ones find it', async () => {
    const { server } = await stand();
    expect(await scan(server, KEYS, {})).toEqual({ kind: 'ok', id: '', seq: 0, cursor: '0', entries: [] });
    expect(await put(server, FIRST)).toEqual({ kind: 'ok', id: 'first', seq: 0, fresh: true, full: 0, buried: [] });
    expect(await put(server, FIRST)).toMatchObject({ id: 'first', seq: 0, fresh: false });
    expect(await put(server, SECOND)).toMatchObject({ id: 'first', seq: 0, fresh: false });
  });

  on('what is written is scanned, each with the number of its write', async () => {
    const { server } = await stand();
    expect(await put(server, FIRST, set('u1'), set('u2'))).toMatchObject({ seq: 1, fresh: true });
    expect(await put(server, FIRST, set('u2', '{"e":3,"h":"x"}'), drop('u1'), drop('none'))).toMatchObject({ seq: 2 });
    const page = await scan(server, KEYS, {});
    expect(page).toMatchObject({ id: 'first', seq: 2, cursor: '0' });
    const entries = page.kind === 'ok' ? page.entries : [];
    expect(entries).not.toContain('u1');
    expect(entries[entries.indexOf('u2') + 1]).toBe('2 {"e":3,"h":"x"}');
  });

  on('a stale epoch, and the same one of another holder, write nothing', async () => {
    const { server } = await stand();
    await put(server, SECOND, set('u1'));
    const refused = { kind: 'fenced', epoch: 4, holder: 'r-1_-_b2' };
    expect(await put(server, FIRST)).toEqual(refused);
    expect(await put(server, FIRST, set('u1', '{"e":3,"h":"late"}'), bury('u1'))).toEqual(refused);
    expect(await put(server, { ...SECOND, holder: 'r-2_-_b3' }, drop('u1'))).toEqual(refused);
    expect(await scan(server, KEYS, {})).toMatchObject({ seq: 1, entries: expect.arrayContaining(['1 {"e":3}']) });
  });

  on('a buried UID is not intended again, and may still be told of', async () => {
    const { server } = await stand();
    expect(await put(server, FIRST, intend('u1'))).toMatchObject({ buried: [] });
    await put(server, FIRST, bury('u1'), drop('u1'));
    expect(await put(server, SECOND, intend('u1'), intend('u2'))).toMatchObject({ buried: ['u1'] });
    const page = await scan(server, KEYS, {});
    expect(page.kind === 'ok' && page.entries.includes('u1')).toBe(false);
    expect(page.kind === 'ok' && page.entries.includes('u2')).toBe(true);
    expect(await put(server, SECOND, set('u1'))).toMatchObject({ full: 0, buried: [] });
  });

  on('all of it is taken away by the leader, and by nobody stale', async () => {
    const { server } = await stand();
    await put(server, SECOND, set('u1'), bury('u2'));
    expect(await clear(server, KEYS, FIRST, {})).toMatchObject({ kind: 'fenced' });
    expect(await clear(server, KEYS, SECOND, {})).toMatchObject({ kind: 'ok' });
    expect(await scan(server, KEYS, {})).toMatchObject({ id: '', entries: [] });
    expect(await put(server, FIRST, intend('u2'))).toMatchObject({ fresh: true, buried: [] });
  });

  on('a store that was emptied is another one', async () => {
    const { server, flush } = await stand();
    await put(server, FIRST, set('u1'));
    flush();
    expect(await put(server, SECOND, set('u2'))).toMatchObject({ id: 'second', seq: 1, fresh: true });
  });

  on('what is not ours is not touched', async () => {
    const { server, flush, foul } = await stand();
    foul(KEYS.pods, 'string');
    expect(await put(server, FIRST, set('u1'))).toEqual({ kind: 'foreign', key: KEYS.pods, what: 'string' });
    expect(await scan(server, KEYS, {})).toEqual({ kind: 'foreign', key: KEYS.pods, what: 'string' });
    flush();
    foul(KEYS.pods, 'hash');
    expect(await put(server, FIRST)).toEqual({ kind: 'foreign', key: KEYS.pods, what: 'hash' });
    expect(await scan(server, KEYS, {})).toEqual({ kind: 'foreign', key: KEYS.pods, what: 'hash' });
    flush();
    foul(KEYS.pods, 'version');
    expect(await put(server, FIRST)).toEqual({ kind: 'foreign', key: KEYS.pods, what: 'version 9' });
    flush();
    foul(KEYS.gone, 'string');
    expect(await put(server, FIRST)).toEqual({ kind: 'foreign', key: KEYS.gone, what: 'string' });
  });

  on('more pods than a zone should have find no room, and those that are there can still change', async () => {
    const { server } = await stand();
    for (let i = 0; i < MAX_RECORDS; i += 1000) {
      await put(server, FIRST, ...Array.from({ length: 1000 }, (_, j) => set(`u${i + j}`)));
    }
    expect(await put(server, FIRST, set('one more'), set('u7', '{"e":3,"h":"7"}'))).toMatchObject({ full: 1 });
    expect(await put(server, FIRST, drop('u8'), set('one more'))).toMatchObject({ full: 0 });
    let page = await scan(server, KEYS, {});
    const uids = new Set<string>();
    for (;;) {
      if (page.kind !== 'ok') throw new Error('not ours');
      page.entries.forEach((entry, i) => {
        if (i % 2 === 0 && !entry.startsWith('#')) uids.add(entry);
      });
      if (page.cursor === '0') break;
      page = await scan(server, KEYS, {}, page.cursor);
    }
    expect(uids.size).toBe(MAX_RECORDS);
    expect(uids).toContain('one more');
  });

  on('subscribers are told each change once', async () => {
    const { server } = await stand();
    const heard: string[] = [];
    server.subscribe(KEYS.pods, { message: (text) => heard.push(text), subscribed: () => heard.push('') });
    await expect.poll(() => heard).toEqual(['']);
    await put(server, FIRST, set('u1'), intend('u2'), bury('u3'));
    await put(server, FIRST, drop('u1'), drop('none'));
    await expect.poll(() => heard.slice(1)).toEqual(['first 1\nu1 {"e":3}\nu2 {"e":3,"i":1}', 'first 2\nu1']);
  });
});
