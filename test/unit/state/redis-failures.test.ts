/** What happens to the pod state when a real Redis fails: each costs what is in it, never a term. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { RedisServer } from '../../../src/redis/server.ts';
import { connectTo } from '../../support/redis-connection.ts';
import { hasRedisServer, type RedisServerProcess, startRedisServer } from '../../support/redis-server.ts';
import { KEYS, pod, record, testReplica } from './stage.ts';

const cleanup: (() => PromiseLike<void>)[] = [];
let real: RedisServerProcess;
beforeEach(async () => {
  if (!hasRedisServer) return;
  real = await startRedisServer({ persistent: true });
  cleanup.push(() => real[Symbol.asyncDispose]());
});
afterEach(async () => {
  for (const clean of cleanup.splice(0).reverse()) await clean();
});

async function connect(): Promise<RedisServer> {
  const connection = await connectTo(real.url);
  cleanup.push(() => connection[Symbol.asyncDispose]());
  return connection;
}

let seed = 0;
async function replica() {
  const made = testReplica(await connect(), systemClock, ++seed);
  cleanup.push(() => made[Symbol.asyncDispose]());
  return made;
}

async function leader(epoch: number) {
  const made = await replica();
  const { term, state } = await made.begin(epoch);
  cleanup.push(() => state[Symbol.asyncDispose]());
  return { ...made, term, state };
}

const stored = (): string[] => real.command('HKEYS', KEYS.pods).split('\n');

describe.skipIf(!hasRedisServer)('a real Redis', () => {
  test('hands the state of one leader to the next', async () => {
    const standby = await replica();
    const one = await leader(1);
    one.state.keep(pod('u1'), { ...record(1, 'h1'), published: { restarts: { app: 2 } } });
    await expect.poll(stored).toContain('u1');
    one.state.bury('u2');
    await expect.poll(() => real.command('ZRANGE', KEYS.gone, '0', '-1')).toBe('u2');
    const { state } = await standby.begin(2);
    expect(state.read(pod('u1'))).toEqual({ ...record(1, 'h1'), published: { restarts: { app: 2 } } });
    expect(await state.intend('u2')).toBe('gone');
    one.state.keep(pod('u1'), record(1, 'stale'));
    await expect.poll(() => one.term.end?.stands).toBe(2);
    await state[Symbol.asyncDispose]();
  });

  test('down at the start: the term goes on, and everything is written once it is there', async () => {
    await real.kill('SIGTERM');
    const one = await leader(1);
    one.state.keep(pod('u1'), record(1, 'h1'));
    expect(await one.state.intend('u2')).toBe('go');
    expect(one.term.end).toBe(undefined);
    expect(one.logged.join()).toMatch(/is not shared; nothing else is affected.*refuses connections/);
    await real.start();
    await expect.poll(stored).toEqual(expect.arrayContaining(['u1', 'u2']));
  });

  test('down in the middle of a term: nothing is lost, whether it comes back with its data or without', async () => {
    const one = await leader(1);
    one.state.keep(pod('u1'), record(1, 'h1'));
    await expect.poll(stored).toContain('u1');
    await real.kill('SIGKILL');
    one.state.keep(pod('u2'), record(1, 'h2'));
    await expect.poll(() => one.logged.join()).toContain('is not shared');
    await real.start();
    await expect.poll(stored).toEqual(expect.arrayContaining(['u1', 'u2']));
    expect(await one.metric('zonelet_state_rebuilds_total')).toBe(0);
    expect(one.term.end).toBe(undefined);
  });

  test.each([
    ['FLUSHALL', ['FLUSHALL']],
    ['its key deleted', ['DEL', KEYS.pods]],
  ])('%s: it is written anew at the next write', async (_, command) => {
    const one = await leader(1);
    for (const uid of ['u1', 'u2', 'u3']) one.state.keep(pod(uid), record(1, uid));
    await expect.poll(stored).toContain('u3');
    real.command(...command);
    one.state.keep(pod('u4'), record(1, 'h4'));
    await expect.poll(stored).toEqual(expect.arrayContaining(['u1', 'u2', 'u3', 'u4']));
    expect(await one.metric('zonelet_state_rebuilds_total')).toBe(1);
    expect(one.logged.join()).toContain('the shared pod state was lost; it is written anew');
    expect(one.term.end).toBe(undefined);
  });

  test('a key of another type is left alone, and said with what to do', async () => {
    real.command('LPUSH', KEYS.pods, 'precious');
    const one = await leader(1);
    one.state.keep(pod('u1'), record(1, 'h1'));
    expect(await one.state.intend('u2')).toBe('go');
    expect(one.logged.join()).toContain(
      `${KEYS.pods} holds a list that is not Zonelet's: delete it, or set another redis.keyPrefix`,
    );
    expect(real.command('LRANGE', KEYS.pods, '0', '-1')).toBe('precious');
    expect(one.term.end).toBe(undefined);
  });

  test('no memory left: it is said, and the term goes on', async () => {
    const one = await leader(1);
    real.command('CONFIG', 'SET', 'maxmemory', '1');
    one.state.keep(pod('u1'), record(1, 'h1'));
    await expect.poll(() => one.logged.join()).toContain('has no memory left: raise its maxmemory');
    real.command('CONFIG', 'SET', 'maxmemory', '0');
    await expect.poll(stored).toContain('u1');
    expect(one.term.end).toBe(undefined);
  });

  test('frozen: a create waits for its intent a quarter of a second, once', async () => {
    const one = await leader(1);
    expect(await one.state.intend('u1')).toBe('go');
    await real.kill('SIGSTOP');
    expect(await one.state.intend('u2')).toBe('go');
    await expect.poll(() => one.logged.join()).toContain('did not answer');
    expect(await one.state.intend('u3')).toBe('go');
    await real.kill('SIGCONT');
    await expect.poll(stored).toEqual(expect.arrayContaining(['u1', 'u2', 'u3']));
    expect(one.term.end).toBe(undefined);
  });
});
