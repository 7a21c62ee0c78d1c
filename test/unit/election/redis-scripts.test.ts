/** The scripts of the election, on a model and on a real server: what the other tests see on the one holds for the other. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { MAX_EPOCH } from '../../../src/election/epoch-floor.ts';
import {
  ACQUIRE,
  EXTEND,
  FITNESS,
  GIVE,
  LOOK,
  lockKeys,
  MEND,
  RAISE,
  RAISED,
  RELEASE,
} from '../../../src/election/redis-scripts.ts';
import type { RedisScript, RedisServer } from '../../../src/redis/server.ts';
import { connectTo } from '../../support/redis-connection.ts';
import { lockPrograms } from '../../support/redis-lock-programs.ts';
import { createRedisModel } from '../../support/redis-model.ts';
import { hasRedisServer, startRedisServer } from '../../support/redis-server.ts';

interface Kind {
  readonly name: string;
  open(): Promise<
    { readonly server: RedisServer; flush(): void; put(key: string, value: string): void } & AsyncDisposable
  >;
}

const model: Kind = {
  name: 'model',
  async open() {
    const made = createRedisModel({ clock: systemClock, programs: lockPrograms });
    return {
      server: made.connect(),
      flush: made.flush,
      put: (key, value) => made.data.set(key, { type: 'string', text: value }),
      async [Symbol.asyncDispose]() {},
    };
  },
};

const real: Kind = {
  name: 'real server',
  async open() {
    await using opened = new AsyncDisposableStack();
    const process = opened.use(await startRedisServer());
    const server = opened.use(await connectTo(process.url));
    const kept = opened.move();
    return {
      server,
      flush: () => void process.command('flushall'),
      put: (key, value) => void process.command('set', key, value),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  },
};

const keys = lockKeys('zonelet', 'uid/demo', 'a');
const every = [keys.lock, keys.epoch, keys.given];

describe.each(hasRedisServer ? [model, real] : [model])('$name', (kind) => {
  let on: Awaited<ReturnType<Kind['open']>>;
  beforeAll(async () => {
    on = await kind.open();
  });
  afterAll(() => on[Symbol.asyncDispose]());
  beforeEach(() => on.flush());

  const run = (script: RedisScript, of: readonly string[], ...args: (string | number)[]): Promise<unknown> =>
    on.server.eval(script, of, args);
  const raise = (epoch: number, from = '', fromMs = 0, ...own: string[]): Promise<unknown> =>
    run(RAISE, every, epoch, MAX_EPOCH, from, fromMs, ...own);

  test('nothing stands there at first', async () => {
    expect(await run(LOOK, every)).toEqual([null, -2, null, null, -2]);
  });

  test('an epoch is taken once, and only where it is the highest', async () => {
    expect(await raise(5)).toBe(RAISED.yes);
    expect(await raise(5)).toBe(RAISED.outrun);
    expect(await raise(4)).toBe(RAISED.outrun);
    expect(await raise(6)).toBe(RAISED.yes);
    expect(await run(LOOK, every)).toEqual([null, -2, '6', null, -2]);
  });

  test('an epoch that nobody can have drawn stands in nobody’s way, nor does a text', async () => {
    on.put(keys.epoch, '99999999999');
    expect(await raise(7)).toBe(RAISED.yes);
    on.put(keys.epoch, 'x');
    expect(await raise(8)).toBe(RAISED.yes);
  });

  test('the lock is taken, extended and released by its value alone', async () => {
    expect(await run(ACQUIRE, [keys.lock], '5 r x', 4_000)).toBe(1);
    expect(await run(ACQUIRE, [keys.lock], '6 s y', 4_000)).toBe(0);
    expect(await run(EXTEND, [keys.lock], '6 s y', 9_000)).toBe(0);
    expect(await run(EXTEND, [keys.lock], '5 r x', 9_000)).toBe(1);
    const [value, leftMs] = (await run(LOOK, every)) as [string, number];
    expect(value).toBe('5 r x');
    expect(leftMs).toBeGreaterThan(8_000);
    expect(await run(RELEASE, [keys.lock], '6 s y')).toBe(0);
    expect(await run(RELEASE, [keys.lock], '5 r x')).toBe(1);
    expect(await run(EXTEND, [keys.lock], '5 r x', 9_000)).toBe(0);
  });

  test('a lock is cleared away for what it was when it was looked at, or for an own value, and not otherwise', async () => {
    await run(ACQUIRE, [keys.lock], '5 r x', 60_000);
    expect(await raise(6)).toBe(RAISED.held);
    expect(await raise(6, '4 r x', 70_000)).toBe(RAISED.held);
    // It was extended since.
    expect(await raise(6, '5 r x', 30_000)).toBe(RAISED.held);
    expect(await raise(6, '5 r x', 60_050)).toBe(RAISED.yes);
    await run(ACQUIRE, [keys.lock], '6 r y', 60_000);
    expect(await raise(7, '', 0, '1 q z', '6 r y')).toBe(RAISED.yes);
    expect(await run(LOOK, every)).toEqual([null, -2, '7', null, -2]);
  });

  test('a release leaves a note for whom, which the next claim takes away', async () => {
    await run(ACQUIRE, [keys.lock], '5 r x', 4_000);
    expect(await run(GIVE, [keys.lock, keys.given], '5 s y', '5 s', 60_000)).toBe(0);
    expect(await run(GIVE, [keys.lock, keys.given], '5 r x', '5 rb', 60_000)).toBe(1);
    await run(RELEASE, [keys.lock], '5 r x');
    const [, , , note, leftMs] = (await run(LOOK, every)) as [null, number, null, string, number];
    expect(note).toBe('5 rb');
    expect(leftMs).toBeGreaterThan(59_000);
    expect(await raise(6)).toBe(RAISED.yes);
    expect(await run(LOOK, every)).toEqual([null, -2, '6', null, -2]);
  });

  test('a server that lost the lock gets it again, unless it is another’s or its epoch is behind', async () => {
    const mend = (value: string, epoch: number) => run(MEND, [keys.lock, keys.epoch], value, 4_000, epoch, MAX_EPOCH);
    expect(await mend('5 r x', 5)).toBe(1);
    expect(await mend('5 r x', 5)).toBe(0);
    expect(await run(LOOK, every)).toEqual(['5 r x', expect.any(Number), '5', null, -2]);
    on.flush();
    await raise(6);
    expect(await mend('5 r x', 5)).toBe(0);
  });

  test('who waits is told of a release, and of a lock that is cleared away', async () => {
    const heard: string[] = [];
    await new Promise<void>((resolve) => {
      on.server.subscribe(keys.lock, { message: (text) => heard.push(text), subscribed: resolve });
    });
    await run(ACQUIRE, [keys.lock], '5 r x', 4_000);
    await run(RELEASE, [keys.lock], '5 r x');
    await run(ACQUIRE, [keys.lock], '6 r x', 4_000);
    await raise(7, '', 0, '6 r x');
    await expect.poll(() => heard).toEqual(['released', 'taken']);
  });

  test('somebody else’s kind of value is refused', async () => {
    if (kind === model) return;
    await on.server.eval(
      { ...LOOK, name: 'x', lua: "return redis.call('rpush', KEYS[1], 'x')", sha1: '0'.repeat(40) },
      [keys.lock],
      [],
    );
    await expect(run(LOOK, every)).rejects.toMatchObject({ code: 'InvalidInput' });
    await expect(run(EXTEND, [keys.lock], '5 r x', 1)).rejects.toMatchObject({ code: 'InvalidInput' });
  });

  test('it tells whether it may forget locks', async () => {
    expect(await run(FITNESS, [])).toEqual(['0', 'noeviction']);
  });
});
