/** The lock on three real Redis servers, and what becomes of it with each thing that they can say or do. */

import * as redlock from 'redlock';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock as clock, systemRandom as random } from '../../../src/clock.ts';
import type { Lock, LockRecord } from '../../../src/election/lock.ts';
import { createRedisElection, type RedisElection } from '../../../src/election/redis-election.ts';
import { lockKeys } from '../../../src/election/redis-scripts.ts';
import { messageOf } from '../../../src/errors.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { type RedisServer, redisScript } from '../../../src/redis/server.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { connectTo } from '../../support/redis-connection.ts';
import { hasRedisServer, type RedisServerProcess, startRedisServer } from '../../support/redis-server.ts';
import { redisKeys, Stage } from './stage.ts';

const keys = lockKeys('zonelet', 'uid/demo', 'a');
/** Far above what a busy machine needs; a server that is stopped is noticed by its connection. */
const call = { timeoutMs: 10_000 };
const leaseDurationMs = 60_000;

let cleanup: AsyncDisposableStack;
let servers: RedisServerProcess[];
let warnings: string[];

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  servers = [];
  warnings = [];
  for (let i = 0; i < 3; i++) servers.push(cleanup.use(await startRedisServer()));
});
afterEach(() => cleanup.disposeAsync());

async function connect(url: string): Promise<RedisServer> {
  return cleanup.use(await connectTo(url));
}

/** A replica's own connections to the servers, or to what stands before them. */
async function replica(
  urls: readonly string[] = servers.map(({ url }) => url),
): Promise<{ election: RedisElection; lock(holder: string): Lock }> {
  const log: Logger = { ...silentLogger, warn: (_fields, text) => warnings.push(text), child: () => log };
  const connections: RedisServer[] = [];
  for (const url of urls) connections.push(await connect(url));
  const election = createRedisElection({
    servers: connections,
    keyPrefix: 'zonelet',
    owner: 'uid/demo',
    redlock,
    clock,
    random,
    log,
  });
  return { election, lock: (holder) => election.lock({ zone: 'a', holder, leaseDurationMs }) };
}

async function two(): Promise<{ a: Lock; b: Lock; election: RedisElection }> {
  const [one, other] = [await replica(), await replica()];
  return { a: one.lock('ra_-_1'), b: other.lock('rb_-_2'), election: other.election };
}

/** A replica each of whose ways to a server leads through a proxy. */
async function proxied(): Promise<{ lock: Lock; proxies: readonly FaultProxy[] }> {
  const proxies: FaultProxy[] = [];
  for (const { port } of servers) {
    const proxy = cleanup.use(await startFaultProxy());
    proxy.target(port);
    proxies.push(proxy);
  }
  const { lock } = await replica(proxies.map(({ port }) => `redis://127.0.0.1:${port}`));
  return { lock: lock('ra_-_1'), proxies };
}

function ageOf(record: LockRecord | undefined): number {
  return record?.ageMs ?? Number.NaN;
}

const on = (count: number, ...command: string[]): string[] =>
  servers.slice(0, count).map((server) => server.command(...command));

describe.runIf(hasRedisServer)('on three servers', () => {
  test('taken, seen, extended, given up for somebody, taken again: the epoch goes with it', async () => {
    const { a, b } = await two();
    expect(await b.read(call)).toBeUndefined();
    const won = await a.acquire(undefined, 1, call);
    expect(won).toMatchObject({ holder: 'ra_-_1', epoch: 1, released: false });
    const seen = await b.read(call);
    expect(seen).toMatchObject({ holder: 'ra_-_1', epoch: 1, durationMs: leaseDurationMs });
    expect(ageOf(seen)).toBeLessThan(20_000);
    await expect(b.acquire(undefined, 2, call)).rejects.toMatchObject({ code: 'Conflict' });
    await expect.poll(() => on(3, 'get', keys.epoch)).toEqual(['1', '1', '1']);
    on(3, 'pexpire', keys.lock, '20000');
    expect(ageOf(await b.read(call))).toBeGreaterThan(39_000);
    const renewed = await a.renew(won, 1, call);
    expect(ageOf(await b.read(call))).toBeLessThan(20_000);
    await a.release(renewed, 'rb', call);
    const given = await b.read(call);
    expect(given).toMatchObject({ holder: '', epoch: 1, released: true, handOverTo: 'rb' });
    expect(await b.acquire(given, 2, call)).toMatchObject({ holder: 'rb_-_2', epoch: 2 });
    expect(b.highestEpoch).toBe(2);
    await expect(a.renew(renewed, 1, call)).rejects.toMatchObject({ code: 'Conflict' });
    expect(await a.read(call)).toMatchObject({ holder: 'rb_-_2', epoch: 2 });
  });

  test('two that claim at once never get the same epoch, and at most one gets the lock', async () => {
    const { a, b } = await two();
    for (let epoch = 1; epoch <= 10; epoch++) {
      const outcomes = await Promise.allSettled([a.acquire(undefined, epoch, call), b.acquire(undefined, epoch, call)]);
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
      on(3, 'del', keys.lock);
    }
  });

  test('who waits hears of a release at once', async () => {
    const { a, b } = await two();
    let heard = 0;
    const end = b.watch(() => heard++);
    await expect.poll(() => heard).toBeGreaterThanOrEqual(3);
    const won = await a.acquire(undefined, 1, call);
    const before = heard;
    await a.release(won, undefined, call);
    await expect.poll(() => heard).toBeGreaterThanOrEqual(before + 3);
    end();
  });

  test.each(['SIGKILL', 'SIGSTOP'] as const)('one server gets %s: everything goes on', async (signal) => {
    const { a, b } = await two();
    const won = await a.acquire(undefined, 1, call);
    await servers[0]?.kill(signal);
    const renewed = await a.renew(won, 1, call);
    expect(await b.read(call)).toMatchObject({ holder: 'ra_-_1' });
    await a.release(renewed, undefined, call);
    expect(await b.acquire(await b.read(call), 2, call)).toMatchObject({ epoch: 2 });
  });

  test('a server comes back empty: the next extension puts the lock and its epoch there again', async () => {
    const { a } = await two();
    const won = await a.acquire(undefined, 7, call);
    await servers[0]?.kill('SIGKILL');
    await servers[0]?.start();
    let last = won;
    await expect
      .poll(async () => {
        last = await a.renew(last, 7, call);
        return on(1, 'get', keys.epoch)[0];
      })
      .toBe('7');
    expect(on(1, 'get', keys.lock)[0]).toContain('ra_-_1');
    expect(Number(on(1, 'pttl', keys.lock)[0])).toBeGreaterThan(0);
  });

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'two servers get %s: nothing is taken or extended, it is said which ones, and all goes on when they are back',
    async (signal) => {
      const { a, b, election } = await two();
      const won = await a.acquire(undefined, 1, call);
      await b.read(call);
      await servers[0]?.kill(signal);
      await servers[1]?.kill(signal);
      await expect(a.renew(won, 1, call)).rejects.toMatchObject({
        code: expect.stringMatching(/Ambiguous|Unavailable/),
      });
      const failure = await b.read(call).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'Unavailable' });
      for (const { url } of servers.slice(0, 2)) expect(messageOf(failure)).toContain(url);
      await expect.poll(() => election.state()).toMatchObject({ servers: 3, majority: 2, usable: 1 });
      for (const server of servers.slice(0, 2)) {
        if (signal === 'SIGSTOP') await server.kill('SIGCONT');
        else await server.start();
      }
      await expect.poll(() => election.state()).toMatchObject({ usable: 3 });
      if (signal === 'SIGSTOP')
        await expect
          .poll(() =>
            a.renew(won, 1, call).then(
              () => true,
              () => false,
            ),
          )
          .toBe(true);
      // What the servers kept in memory is gone: its holder may take it again, the others have to wait. Until a replica has
      // heard of all three, the one that still has the lock may be one of two.
      else await expect.poll(async () => [await a.read(call), await b.read(call)]).toEqual([undefined, undefined]);
    },
  );

  test('a claim that frozen servers carry out later blocks nobody for long: its holder clears it away', async () => {
    const { a } = await two();
    await a.read(call);
    for (const server of servers.slice(0, 2)) await server.kill('SIGSTOP');
    await expect(a.acquire(undefined, 1, { timeoutMs: 300 })).rejects.toMatchObject({
      code: expect.stringMatching(/Ambiguous|Unavailable/),
    });
    for (const server of servers.slice(0, 2)) await server.kill('SIGCONT');
    await expect
      .poll(async () => {
        const record = await a.read(call).catch(() => undefined);
        return a.acquire(record, a.highestEpoch + 1, call).then(
          ({ holder }) => holder,
          () => undefined,
        );
      })
      .toBe('ra_-_1');
    await expect.poll(() => on(3, 'get', keys.lock).every((value) => value.includes('ra_-_1'))).toBe(true);
  });

  test('connections are open only at this end: the epoch is drawn and nobody hears of it; the next claim has another one', async () => {
    const { lock, proxies } = await proxied();
    // The servers know the scripts.
    await lock.release(await lock.acquire(undefined, 1, call), undefined, call);
    // A majority is enough for that; the last one may still be learning the script.
    await expect.poll(() => on(3, 'exists', keys.lock)).toEqual(['0', '0', '0']);
    for (const proxy of proxies.slice(0, 2)) proxy.hang(true);
    await expect(lock.acquire(undefined, 2, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'Unavailable' });
    await expect.poll(() => on(3, 'get', keys.epoch)).toEqual(['2', '2', '2']);
    for (const proxy of proxies) proxy.hang(false);
    await expect
      .poll(async () => {
        const record = await lock.read(call).catch(() => undefined);
        const won = lock.acquire(record, lock.highestEpoch + 1, call);
        return won.then(
          ({ epoch }) => epoch > 2,
          () => false,
        );
      })
      .toBe(true);
  });

  test('answers come after the deadline: the outcome is open, and what is held is held', async () => {
    const { lock, proxies } = await proxied();
    const won = await lock.acquire(undefined, 1, call);
    for (const proxy of proxies) proxy.delay(400);
    await expect(lock.renew(won, 1, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'Ambiguous' });
    for (const proxy of proxies) proxy.delay(0);
    await expect
      .poll(() =>
        lock.renew(won, 1, call).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    expect(await lock.read(call)).toMatchObject({ holder: 'ra_-_1', epoch: 1 });
  });

  test('its memory is full: leaders keep their locks, and no new one is given', async () => {
    const { a, b } = await two();
    const won = await a.acquire(undefined, 1, call);
    on(3, 'config', 'set', 'maxmemory', '1');
    const renewed = await a.renew(won, 1, call);
    await a.release(renewed, undefined, call).catch(() => {});
    on(3, 'del', keys.lock);
    const failure = await b.acquire(await b.read(call), 2, call).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'Unavailable', message: expect.stringContaining('has no memory left') });
  });

  test('replicas of another server: READONLY is told, and nothing is taken there', async () => {
    const { a } = await two();
    await a.read(call);
    for (const server of servers.slice(0, 2)) server.command('replicaof', '127.0.0.1', '1');
    const failure = await a.acquire(undefined, 1, call).catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringContaining('is a replica, which takes no writes') });
  });

  test('a password that nobody told us of: said, with what to set', async () => {
    on(2, 'config', 'set', 'requirepass', 'secret');
    const { a } = await two();
    const failure = await a.read(call).catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringContaining('set redis.password or redis.passwordFile') });
  });

  test('somebody’s script keeps a majority busy: said, and over when it is', async () => {
    const { a } = await two();
    const won = await a.acquire(undefined, 1, call);
    on(3, 'config', 'set', 'busy-reply-threshold', '10');
    const hog = redisScript('hog', 'while true do end');
    const blocked: Promise<unknown>[] = [];
    for (const { url } of servers.slice(0, 2)) {
      const other = await connect(url);
      blocked.push(other.eval(hog, [], [], { timeoutMs: 5_000 }).catch(() => {}));
    }
    await expect.poll(() => a.renew(won, 1, call).then(() => 'extended', messageOf)).toContain('long script');
    on(2, 'script', 'kill');
    await Promise.all(blocked);
    await expect.poll(() => a.renew(won, 1, call).then(() => 'extended', messageOf)).toBe('extended');
  });

  test('servers that drop keys when memory is short do not count, until that is set right', async () => {
    on(2, 'config', 'set', 'maxmemory', '100mb');
    on(2, 'config', 'set', 'maxmemory-policy', 'volatile-lru');
    const { a } = await two();
    const failure = await a.read(call).catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringContaining('set it to noeviction') });
    on(2, 'config', 'set', 'maxmemory-policy', 'noeviction');
    await expect.poll(() => a.read(call).then(() => 'read', messageOf)).toBe('read');
  });

  test('a limit that evicts nothing because there is none does no harm', async () => {
    on(3, 'config', 'set', 'maxmemory-policy', 'allkeys-lru');
    const { a } = await two();
    expect(await a.acquire(undefined, 1, call)).toMatchObject({ epoch: 1 });
  });

  test('a user who may not ask how the server is set gets a warning, and the lock', async () => {
    on(3, 'acl', 'setuser', 'default', '-info');
    const { a } = await two();
    expect(await a.acquire(undefined, 1, call)).toMatchObject({ epoch: 1 });
    expect(warnings.filter((text) => text.includes('maxmemory-policy'))).toHaveLength(3);
  });

  test('the lock is deleted: its holder sees no record, and so does who saw it before', async () => {
    const { a, b } = await two();
    const won = await a.acquire(undefined, 1, call);
    await b.read(call);
    on(3, 'del', keys.lock);
    expect([await a.read(call), await b.read(call)]).toEqual([undefined, undefined]);
    await expect(a.renew(won, 1, call)).rejects.toMatchObject({ code: 'Conflict' });
    expect(await a.acquire(undefined, 2, call)).toMatchObject({ epoch: 2 });
  });

  test('everything is flushed: no record for anybody; the epoch that was seen is not forgotten', async () => {
    const { a, b } = await two();
    await a.acquire(undefined, 9, call);
    await b.read(call);
    on(3, 'flushall');
    expect(await b.read(call)).toBeUndefined();
    expect(b.highestEpoch).toBe(9);
    const newcomer = (await replica()).lock('rc_-_3');
    expect(await newcomer.read(call)).toBeUndefined();
    expect(newcomer.highestEpoch).toBe(0);
  });

  test('who has only just come finds a lock gone whose zone was led: he does not know that it is free', async () => {
    const { a } = await two();
    await a.acquire(undefined, 4, call);
    on(3, 'del', keys.lock);
    const newcomer = (await replica()).lock('rc_-_3');
    const record = await newcomer.read(call);
    expect(record).toMatchObject({ holder: '', epoch: 4, released: false });
    expect(ageOf(record)).toBeLessThan(1_000);
  });

  test('a lock without an end: a living holder gives it one again', async () => {
    const { a, b } = await two();
    const won = await a.acquire(undefined, 1, call);
    on(3, 'persist', keys.lock);
    expect(await b.read(call)).toMatchObject({ holder: 'ra_-_1' });
    await a.renew(won, 1, call);
    // The third one may answer after the majority.
    await expect.poll(() => on(3, 'pttl', keys.lock).every((left) => Number(left) > 0)).toBe(true);
  });

  test('somebody else’s value: with an end it is waited for, without one it is said what to delete', async () => {
    const { a } = await two();
    on(3, 'set', keys.lock, 'cron-7', 'PX', '30000');
    const record = await a.read(call);
    expect(record).toMatchObject({ holder: 'cron-7', released: false });
    expect(ageOf(record)).toBeGreaterThan(29_000);
    await expect(a.acquire(undefined, 1, call)).rejects.toMatchObject({ code: 'Conflict' });
    on(3, 'persist', keys.lock);
    await expect(a.read(call)).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining(keys.lock),
    });
  });

  test('somebody else’s kind of value: the server does not count', async () => {
    const { a } = await two();
    on(2, 'rpush', keys.lock, 'x');
    await expect(a.read(call)).rejects.toMatchObject({
      message: expect.stringContaining('somebody else’s value under a key of ours'.replace('’', "'")),
    });
  });
});

test('a lock without an end whose holder is gone is taken when it has stood so for a lease, and not before', async () => {
  const stage = new Stage(['a'], { by: 'redis' });
  const [ra, rb] = [stage.start('ra', { homeZone: 'a' }), stage.start('rb')];
  await stage.advance(10_000);
  ra.kill();
  const { lock } = redisKeys('a');
  for (const { data } of stage.servers) {
    const value = data.get(lock);
    if (value !== undefined) data.set(lock, value);
  }
  const took = await stage.until(() => rb.acts('a'), 20_000);
  expect(took).toBeGreaterThanOrEqual(6_000);
  expect(took).toBeLessThan(8_000);
  expect(rb.terms[0]?.epoch).toBe(2);
});

describe('a majority answers with an error', () => {
  test.each([
    ['LOADING Redis is loading the dataset in memory', 'is still loading its data'],
    ['READONLY You can not write against a read only replica.', 'name the primary'],
    ['NOAUTH Authentication required.', 'set redis.password or redis.passwordFile'],
    ['NOPERM this user has no permissions', 'forbids this to the user'],
    ['MOVED 1234 10.0.0.1:6379', 'is a node of a Redis Cluster'],
    ['BUSY Redis is busy running a script.', 'SCRIPT KILL'],
    ['MISCONF Redis is configured to save RDB snapshots', 'cannot save its data'],
    ['OOM command not allowed', 'has no memory left'],
  ])(
    '%s: the leader goes on until its time is up, nobody takes over, and it is said what to do; then one leads again',
    async (reply, says) => {
      const stage = new Stage(['a'], { by: 'redis' });
      const [ra, rb] = [stage.start('ra', { homeZone: 'a' }), stage.start('rb')];
      await stage.advance(10_000);
      stage.servers[0]?.fail(reply);
      await stage.advance(10_000);
      expect(ra.terms).toHaveLength(1);
      stage.servers[1]?.fail(reply);
      await stage.advance(1_000);
      expect(ra.acts('a')).toBe(true);
      await stage.advance(9_000);
      expect(stage.acting('a')).toEqual([]);
      for (const { election } of [ra, rb]) expect(election.campaign('a').obstacle).toContain(says);
      for (const server of stage.servers) server.fail(undefined);
      expect(await stage.until(() => stage.leader('a') !== undefined, 5_000)).toBeLessThan(20_000);
      expect(stage.leader('a')?.terms.at(-1)?.epoch).toBe(2);
      expect(stage.leader('a')?.election.campaign('a').obstacle).toBeUndefined();
    },
  );
});
