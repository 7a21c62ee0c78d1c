/** The connection, on a real Redis server: what it does when the server is away, frozen, or answers with an error. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemRandom } from '../../../src/clock.ts';
import { freePorts } from '../../../src/commands/demo/free-ports.ts';
import { selfSigned } from '../../../src/kubelet/self-signed.ts';
import type { Logger } from '../../../src/log.ts';
import type { RedisConnection, RedisConnectionOptions } from '../../../src/redis/connection.ts';
import { redisScript } from '../../../src/redis/server.ts';
import { connectTo } from '../../support/redis-connection.ts';
import { hasRedisServer, startRedisServer } from '../../support/redis-server.ts';

const SET = redisScript('set', "return redis.call('SET', KEYS[1], ARGV[1])");
const ADD = redisScript('add', "return redis.call('INCRBY', KEYS[1], ARGV[1])");
const GET = redisScript('get', "return redis.call('GET', KEYS[1])");
const SAY = redisScript('say', "return redis.call('PUBLISH', ARGV[1], ARGV[2])");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-redis-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

const lines: string[] = [];
const log: Logger = {
  debug: (fields, message) => void lines.push(JSON.stringify({ fields, message })),
  info: (fields, message) => void lines.push(JSON.stringify({ fields, message })),
  warn: (fields, message) => void lines.push(JSON.stringify({ fields, message })),
  error: (fields, message) => void lines.push(JSON.stringify({ fields, message })),
  child: () => log,
};

async function connect(url: string, more: Partial<RedisConnectionOptions> = {}): Promise<RedisConnection> {
  return cleanup.use(await connectTo(url, { log, ...more }));
}

const server = async (...args: Parameters<typeof startRedisServer>) => cleanup.use(await startRedisServer(...args));

/** Resolves once the state is this. */
async function until(redis: RedisConnection, state: 'up' | 'down'): Promise<void> {
  if (redis.state === state) return;
  await new Promise<void>((resolve) => {
    const stop = redis.onState(() => {
      if (redis.state !== state) return;
      stop();
      resolve();
    });
  });
}

const failure = (promise: Promise<unknown>): Promise<{ code: string; reason: string; message: string }> =>
  promise.then(
    (answer) => {
      throw new Error(`it answered ${JSON.stringify(answer)}`);
    },
    ({ code, reason, message }) => ({ code, reason, message }),
  );

describe.skipIf(!hasRedisServer)('on a real server', () => {
  test('a script runs at the first call, by its hash later, and again after the server forgot it', async () => {
    const real = await server();
    const redis = await connect(real.url);
    expect(redis).toMatchObject({ name: real.url, state: 'down', lastError: undefined });
    expect(await redis.eval(ADD, ['n'], [2])).toBe(2);
    real.command('SCRIPT', 'FLUSH');
    expect(await redis.eval(ADD, ['n'], [3])).toBe(5);
    expect(await redis.eval(GET, ['none'], [])).toBe(null);
    await until(redis, 'up');
    expect(real.command('CLIENT', 'LIST')).toContain('name=zonelet-test');
  });

  test('a server that is away is told at once, and used as soon as it is there, without a restart', async () => {
    const real = await server();
    await real.kill('SIGTERM');
    const redis = await connect(real.url);
    expect(await failure(redis.eval(GET, ['k'], []))).toEqual({
      code: 'Unavailable',
      reason: 'UNREACHABLE',
      message: `${real.url} refuses connections: nothing listens there`,
    });
    expect(redis.state).toBe('down');
    await real.start();
    await until(redis, 'up');
    expect(redis.lastError).toBe(undefined);
    expect(await redis.eval(SET, ['k', 'v'], ['x'])).toBe('OK');
  });

  test('nothing that failed while the server was away or frozen is sent again later', async () => {
    const real = await server({ persistent: true });
    const redis = await connect(real.url);
    await redis.eval(ADD, ['n'], [1]);
    await until(redis, 'up');
    await real.kill('SIGKILL');
    await until(redis, 'down');
    expect((await failure(redis.eval(ADD, ['n'], [10]))).reason).toBe('UNREACHABLE');
    await real.start();
    await until(redis, 'up');
    expect(await redis.eval(GET, ['n'], [])).toBe('1');
  });

  test('a frozen server costs a call its deadline, makes it Ambiguous, and is seen to be down', async () => {
    const real = await server();
    const redis = await connect(real.url);
    await redis.eval(ADD, ['n'], [1]);
    await until(redis, 'up');
    await real.kill('SIGSTOP');
    expect(await failure(redis.eval(ADD, ['n'], [1], { timeoutMs: 100 }))).toEqual({
      code: 'Ambiguous',
      reason: 'TIMEOUT',
      message: `${real.url} did not answer within 100 ms`,
    });
    await until(redis, 'down');
    await real.kill('SIGCONT');
    await until(redis, 'up');
    // The one that timed out was on its way already: that is what Ambiguous says.
    expect(await redis.eval(GET, ['n'], [])).toBe('2');
  });

  test('the caller can stop waiting', async () => {
    const real = await server();
    const redis = await connect(real.url);
    await redis.eval(GET, ['k'], []);
    await real.kill('SIGSTOP');
    const stop = new AbortController();
    const waiting = failure(redis.eval(GET, ['k'], [], { signal: stop.signal }));
    stop.abort();
    expect((await waiting).code).toBe('Aborted');
    expect((await failure(redis.eval(GET, ['k'], [], { signal: stop.signal }))).code).toBe('Aborted');
  });

  test('wrong passwords are told without showing one, and a rotated file is taken up', async () => {
    const real = await server({ args: ['--requirepass', 'right-secret'] });
    lines.length = 0;
    const none = await connect(real.url);
    expect(await failure(none.eval(GET, ['k'], []))).toMatchObject({ code: 'Unauthorized', reason: 'NOAUTH' });
    const wrong = await connect(real.url, { credentials: { password: 'wrong-secret' } });
    const told = await failure(wrong.eval(GET, ['k'], []));
    expect(told).toMatchObject({ code: 'Unauthorized', reason: 'WRONGPASS' });
    const right = await connect(real.url, { credentials: { password: 'right-secret' } });
    expect(await right.eval(GET, ['k'], [])).toBe(null);
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'wrong-secret\n');
    const rotating = await connect(real.url, { credentials: { passwordFile } });
    expect(await failure(rotating.eval(GET, ['k'], []))).toMatchObject({ reason: 'WRONGPASS' });
    await writeFile(passwordFile, 'right-secret\n');
    await until(rotating, 'up');
    expect(await rotating.eval(GET, ['k'], [])).toBe(null);
    expect(JSON.stringify([told, lines])).not.toMatch(/right-secret|wrong-secret/);
  });

  test('an ACL user needs only what the page says, and what it lacks is told', async () => {
    const real = await server();
    const may = ['+ping', '+eval', '+evalsha', '+publish', '+subscribe', '+unsubscribe', '+get', '~zonelet:*'];
    real.command('ACL', 'SETUSER', 'zonelet', 'on', '>secret', ...may, '&zonelet:*');
    const redis = await connect(real.url, { credentials: { username: 'zonelet', password: 'secret' } });
    expect(await redis.eval(GET, ['zonelet:k'], [])).toBe(null);
    await until(redis, 'up');
    expect(await failure(redis.eval(GET, ['other'], []))).toMatchObject({ code: 'Forbidden', reason: 'NOPERM' });
  });

  test('TLS: a server of the right CA is talked to, any other is not', async () => {
    const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 };
    const made = await selfSigned({
      commonName: 'redis',
      dnsNames: ['localhost'],
      addresses: ['127.0.0.1'],
      ...validity,
    });
    const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    await writeFile(certFile, made.certificate);
    await writeFile(keyFile, made.key);
    const [tlsPort = 0] = await freePorts(systemRandom, 1);
    const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
    await server({ args: ['--tls-port', `${tlsPort}`, '--tls-auth-clients', 'no', ...files] });
    for (const host of ['127.0.0.1', 'localhost']) {
      const good = await connect(`rediss://${host}:${tlsPort}`, { tls: { caFile: certFile } });
      expect(await good.eval(SET, ['k'], ['v'])).toBe('OK');
    }
    const stranger = await connect(`rediss://127.0.0.1:${tlsPort}`);
    const told = await failure(stranger.eval(GET, ['k'], []));
    expect(told).toMatchObject({ code: 'Unavailable', reason: 'UNREACHABLE' });
    expect(told.message).toContain('self-signed certificate');
    await expect(connect('rediss://127.0.0.1:1', { tls: { caFile: join(folder, 'none') } })).rejects.toThrow(
      /cannot be read/,
    );
    await expect(connect('rediss://127.0.0.1:1', { tls: { certFile, keyFile: certFile } })).rejects.toThrow(
      /redis.tls: the files cannot be used/,
    );
  });

  test.each([
    ['READONLY', 'Unavailable', ['REPLICAOF', '127.0.0.1', '1']],
    ['OOM', 'NoCapacity', ['CONFIG', 'SET', 'maxmemory', '1']],
  ])('%s is told as %s', async (reason, code, command) => {
    const real = await server();
    const redis = await connect(real.url);
    await redis.eval(GET, ['k'], []);
    real.command(...command);
    const told = await failure(redis.eval(SET, ['k'], ['v']));
    expect(told).toMatchObject({ code, reason });
    expect(told.message).toContain(real.url);
  });

  test('a server that stays a replica is not dialled anew at every write', async () => {
    const real = await server();
    const redis = await connect(real.url);
    await redis.eval(GET, ['k'], []);
    real.command('REPLICAOF', '127.0.0.1', '1');
    expect((await failure(redis.eval(SET, ['k'], ['v']))).reason).toBe('READONLY');
    await until(redis, 'up');
    const connection = (): string | undefined =>
      /id=(\d+)[^\n]*name=zonelet-test/.exec(real.command('CLIENT', 'LIST'))?.[1];
    const before = connection();
    expect(before).toBeDefined();
    for (let i = 0; i < 5; i++) expect((await failure(redis.eval(SET, ['k'], ['v']))).reason).toBe('READONLY');
    expect(connection()).toBe(before);
    expect(redis.state).toBe('up');
  });

  test('somebody else’s long script is told as BUSY, and ends', async () => {
    const real = await server({ args: ['--lua-time-limit', '20'] });
    const redis = await connect(real.url);
    const other = await connect(real.url);
    await redis.eval(GET, ['k'], []);
    const hog = failure(other.eval(redisScript('hog', 'while true do end'), [], [], { timeoutMs: 900 }));
    let told = await failure(redis.eval(GET, ['k'], []).then(() => Promise.reject({ reason: '' })));
    for (let i = 0; told.reason !== 'BUSY' && i < 50; i++) {
      told = await failure(redis.eval(GET, ['k'], []).then(() => Promise.reject({ reason: '' })));
    }
    expect(told).toMatchObject({ code: 'Unavailable', reason: 'BUSY' });
    real.command('SCRIPT', 'KILL');
    await hog;
    expect(await redis.eval(GET, ['k'], [])).toBe(null);
  });

  test('a subscriber hears what is said, and hears of every gap', async () => {
    const real = await server();
    const redis = await connect(real.url);
    const heard: string[] = [];
    let news = Promise.withResolvers<void>();
    const note = (text: string): void => {
      heard.push(text);
      news.resolve();
      news = Promise.withResolvers();
    };
    const first = news.promise;
    const stop = redis.subscribe('c', { message: note, subscribed: () => note('(subscribed)') });
    await first;
    let next = news.promise;
    await redis.eval(SAY, [], ['c', 'one']);
    await next;
    next = news.promise;
    real.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await next;
    next = news.promise;
    await redis.eval(SAY, [], ['c', 'two']);
    await next;
    expect(heard).toEqual(['(subscribed)', 'one', '(subscribed)', 'two']);
    stop();
  });
});

test('a connection that is open only at this end is a timeout, and given up', async () => {
  let dials = 0;
  const mute = createServer(() => void dials++).listen(0, '127.0.0.1');
  cleanup.defer(() => void mute.close());
  await new Promise((resolve) => mute.once('listening', resolve));
  const { port } = mute.address() as { port: number };
  const redis = await connect(`redis://127.0.0.1:${port}`);
  expect((await failure(redis.eval(GET, ['k'], [], { timeoutMs: 50 }))).code).toMatch(/^(?:Ambiguous|Unavailable)$/);
  await expect.poll(() => dials).toBeGreaterThan(1);
  expect(redis.lastError?.message).toMatch(/did not answer within|cannot be reached: Socket timeout/);
});

test.each([
  ['MOVED 1234 10.0.0.1:6379', 'Unsupported', 'is a node of a Redis Cluster, which is not supported'],
  ['LOADING Redis is loading the dataset in memory', 'Unavailable', 'is still loading its data'],
  ['NOAUTH Authentication required.', 'Unauthorized', 'wants a password: set redis.password or redis.passwordFile'],
])('the reply %s is told as %s', async (reply, code, says) => {
  const fake = createServer((socket) => void socket.on('data', () => void socket.write(`-${reply}\r\n`))).listen(
    0,
    '127.0.0.1',
  );
  cleanup.defer(() => void fake.close());
  await new Promise((resolve) => fake.once('listening', resolve));
  const { port } = fake.address() as { port: number };
  const redis = await connect(`redis://127.0.0.1:${port}`);
  const told = await failure(redis.eval(GET, ['k'], []));
  expect(told).toMatchObject({ code, reason: reply.split(' ')[0] });
  expect(told.message).toContain(`redis://127.0.0.1:${port} ${says}`);
  expect(redis.state).toBe('down');
});
