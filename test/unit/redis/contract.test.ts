/** What every `RedisServer` does alike: the connection to a real one, and the model that stands in for it. */
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { type RedisServer, redisScript } from '../../../src/redis/server.ts';
import { connectTo } from '../../support/redis-connection.ts';
import { createRedisModel, type RedisProgram } from '../../support/redis-model.ts';
import { hasRedisServer, startRedisServer } from '../../support/redis-server.ts';

const PUT = redisScript(
  'put',
  `redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
   redis.call('PUBLISH', KEYS[1], ARGV[1])
   return {redis.call('HLEN', KEYS[1]), ARGV[2]}`,
);
const KEEP = redisScript('keep', `return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])`);
const LEFT = redisScript('left', `return redis.call('PTTL', KEYS[1])`);

const programs: Record<string, RedisProgram> = {
  put(data, [key = ''], [field = '', value = '']) {
    const hash = data.hash(key);
    hash.set(field, value);
    data.publish(key, field);
    return [hash.size, value];
  },
  keep(data, [key = ''], [text = '', ms]) {
    data.set(key, { type: 'string', text }, Number(ms));
    return 'OK';
  },
  left: (data, [key = '']) => (data.get(key) === undefined ? -2 : (data.expiresIn(key) ?? -1)),
};

interface Stand {
  readonly server: RedisServer;
  stop(): Promise<void>;
  start(): Promise<void>;
}

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

const STANDS: Record<string, () => Promise<Stand>> = {
  async model() {
    const model = createRedisModel({ clock: systemClock, programs });
    return { server: model.connect(), stop: async () => model.stop(true), start: async () => model.start() };
  },
  async 'real server'() {
    const real = cleanup.use(await startRedisServer());
    const server = cleanup.use(await connectTo(real.url));
    return { server, stop: () => real.kill('SIGKILL'), start: () => real.start() };
  },
};

describe.each(Object.entries(STANDS))('%s', (name, stand) => {
  test.skipIf(name !== 'model' && !hasRedisServer)('runs scripts and passes their answers on', async () => {
    const { server } = await stand();
    expect(await server.eval(PUT, ['h'], ['a', 1])).toEqual([1, '1']);
    expect(await server.eval(PUT, ['h'], ['b', 'x'])).toEqual([2, 'x']);
    expect(await server.eval(KEEP, ['k'], ['v', 60_000])).toBe('OK');
    expect(await server.eval(LEFT, ['k'], [])).toBeGreaterThan(50_000);
    expect(await server.eval(LEFT, ['h'], [])).toBe(-1);
    expect(await server.eval(LEFT, ['none'], [])).toBe(-2);
  });

  test.skipIf(name !== 'model' && !hasRedisServer)('refuses a value of another type', async () => {
    const { server } = await stand();
    await server.eval(KEEP, ['k'], ['v', 60_000]);
    await expect(server.eval(PUT, ['k'], ['a', 1])).rejects.toMatchObject({ reason: 'WRONGTYPE' });
  });

  test.skipIf(name !== 'model' && !hasRedisServer)('is down while it is away, and up again by itself', async () => {
    const { server, stop, start } = await stand();
    await server.eval(PUT, ['h'], ['a', 1]);
    await expect.poll(() => server.state).toBe('up');
    await stop();
    await expect.poll(() => server.state).toBe('down');
    await expect(server.eval(PUT, ['h'], ['b', 2])).rejects.toMatchObject({ code: 'Unavailable' });
    expect(server.lastError?.message).toContain(server.name);
    await start();
    await expect.poll(() => server.state).toBe('up');
    expect(server.lastError).toBe(undefined);
    expect(await server.eval(PUT, ['h'], ['c', 3])).toEqual([1, '3']);
  });

  test.skipIf(name !== 'model' && !hasRedisServer)('passes messages on, and tells of every gap', async () => {
    const { server, stop, start } = await stand();
    const heard: string[] = [];
    const unsubscribe = server.subscribe('h', {
      message: (text) => heard.push(text),
      subscribed: () => heard.push('(subscribed)'),
    });
    await expect.poll(() => heard).toEqual(['(subscribed)']);
    await server.eval(PUT, ['h'], ['a', 1]);
    await expect.poll(() => heard).toEqual(['(subscribed)', 'a']);
    await stop();
    await start();
    await expect.poll(() => heard).toEqual(['(subscribed)', 'a', '(subscribed)']);
    await expect.poll(() => server.state).toBe('up');
    unsubscribe();
    await server.eval(PUT, ['h'], ['b', 1]);
    expect(heard).toHaveLength(3);
  });

  test.skipIf(name !== 'model' && !hasRedisServer)('lets a caller give up', async () => {
    const { server } = await stand();
    await expect(server.eval(LEFT, ['k'], [], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'Aborted',
    });
  });
});
