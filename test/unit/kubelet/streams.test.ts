import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Duplex, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { systemClock } from '../../../src/clock.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { createServingCertificate, type ServingCertificate } from '../../../src/kubelet/certificates.ts';
import { createKubeletServer, type KubeletServer, type KubeletServerOptions } from '../../../src/kubelet/server.ts';
import { fixedCertificate } from '../../../src/kubelet/serving-certificate.ts';
import type { StreamSource } from '../../../src/kubelet/streams/sessions.ts';
import { silentLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { SpdyClient } from '../../support/spdy-client.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const OWNER = 'cluster/demo';
const ref = { uid: 'uid-1', namespace: 'default', name: 'web' };
let certificate: ServingCertificate;
const open: AsyncDisposable[] = [];

beforeAll(async () => {
  certificate = await createServingCertificate({
    address: '127.0.0.1',
    nodeNames: ['demo-zone-a'],
    clock: systemClock,
  });
});
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function setUp(change: Partial<StreamSource> = {}, options: Partial<KubeletServerOptions> = {}) {
  const backend = createSimulatedBackend({ zone: 'zone-a', clock: systemClock });
  const provider = createSimulatedProvider(backend, systemClock);
  const pod: Pod = { metadata: ref, spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'i' }] } };
  const signal = new AbortController().signal;
  const operation = { owner: OWNER, zone: 'zone-a', epoch: 1, holder: 'r', signal, timeoutMs: 1000, attempt: 1 };
  await provider.create({ ref, pod, env: {}, volumes: {}, pullSecrets: [], hash: 'h' }, operation);
  const streams: StreamSource = {
    offers: (kind) => provider.capabilities[kind],
    get: (of, life) => provider.get(OWNER, of, { signal: life, timeoutMs: 1000 }),
    exec: (of, container, how, io, life) => provider.exec!(OWNER, of, container, how, io, life),
    attach: (of, container, io, life) => provider.attach!(OWNER, of, container, io, life),
    portForward: (of, port, life) => provider.portForward!(OWNER, of, port, life),
    ...change,
  };
  const metrics = createMetrics({ set: 'demo', version: '0', runtime: false });
  const server = await createKubeletServer({
    zone: 'zone-a',
    nodeName: 'demo-zone-a',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: fixedCertificate(certificate),
    clientCa: { bundle: undefined, subscribe: () => () => {} },
    auth: { check: async () => ({ allowed: true, user: { name: 'anybody', groups: [] } }) },
    pods: (namespace, name) => (namespace === 'default' && name === 'web' ? pod : undefined),
    logs: { get: streams.get, logs: async () => (async function* () {})() },
    streams,
    node: { pods: () => [], list: async () => ({ pods: [], complete: true }), stats: async () => [] },
    metrics: metrics.kubelet,
    clock: systemClock,
    log: silentLogger,
    ...options,
  });
  open.push(server);
  return { server, backend, metrics };
}

const SPDY = {
  connection: 'Upgrade',
  upgrade: 'SPDY/3.1',
  'x-stream-protocol-version': 'v5.channel.k8s.io,v4.channel.k8s.io',
};

type Upgraded = { readonly status: 101; readonly socket: Duplex; readonly headers: IncomingMessage['headers'] };
type Refused = { readonly status: number; readonly body: string; readonly headers: IncomingMessage['headers'] };

async function upgrade(server: KubeletServer, path: string, headers: Record<string, string>, method = 'POST') {
  const request = httpsRequest({
    host: '127.0.0.1',
    port: server.port,
    path,
    method,
    ca: certificate.certificate,
    agent: false,
    headers,
  });
  request.end();
  return await new Promise<Upgraded | Refused>((resolve, reject) => {
    request.once('error', reject);
    request.once('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ status: 101, socket, headers: response.headers });
    });
    request.once('response', (response: IncomingMessage) => {
      const { statusCode: status = 0, headers: given } = response;
      void text(response).then((body) => resolve({ status, body, headers: given }));
    });
  });
}

async function spdy(server: KubeletServer, path: string, headers: Record<string, string> = SPDY): Promise<SpdyClient> {
  const answer = await upgrade(server, path, headers);
  if (!('socket' in answer)) throw new Error(`answered ${answer.status}: ${answer.body}`);
  return new SpdyClient(answer.socket);
}

/** A client of the WebSocket channels, as plain as can be. */
class ChannelClient {
  readonly socket: Duplex;
  readonly messages: Buffer[] = [];
  closed: number | undefined;
  #rest = Buffer.alloc(0);
  #wake = (): void => {};

  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('close', () => this.#wake());
  }

  send(payload: Buffer | string, opcode = 2): void {
    const body = Buffer.from(payload);
    const long = body.length > 125;
    const head = Buffer.alloc(long ? 10 : 2);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (long ? 127 : body.length);
    if (long) head.writeBigUInt64BE(BigInt(body.length), 2);
    const mask = Buffer.from([1, 2, 3, 4]);
    this.socket.write(Buffer.concat([head, mask, body.map((byte, i) => byte ^ mask[i % 4]!)]));
  }

  channel(number: number, payload: Buffer | string): void {
    this.send(Buffer.concat([Buffer.from([number]), Buffer.from(payload)]));
  }

  text(channel: number): string {
    return Buffer.concat(this.messages.filter(([first]) => first === channel).map((one) => one.subarray(1))).toString();
  }

  async until(check: () => boolean): Promise<void> {
    while (!check()) {
      if (this.socket.destroyed) throw new Error(`the connection has ended: ${this.messages.map(String).join()}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #received(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const short = this.#rest[1];
      if (short === undefined) break;
      const start = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (this.#rest.length < start) break;
      const length =
        short === 127 ? Number(this.#rest.readBigUInt64BE(2)) : short === 126 ? this.#rest.readUInt16BE(2) : short;
      if (this.#rest.length < start + length) break;
      const body = Buffer.from(this.#rest.subarray(start, start + length));
      if ((this.#rest[0]! & 0x0f) === 8) this.closed = body.readUInt16BE(0);
      else if ((this.#rest[0]! & 0x0f) < 8) this.messages.push(body);
      this.#rest = this.#rest.subarray(start + length);
    }
    this.#wake();
  }
}

function webSocketHeaders(protocol?: string): Record<string, string> {
  return {
    connection: 'keep-alive, Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...(protocol === undefined ? {} : { 'sec-websocket-protocol': protocol }),
  };
}

async function channels(server: KubeletServer, path: string, protocol?: string): Promise<ChannelClient> {
  const answer = await upgrade(server, path, webSocketHeaders(protocol), 'GET');
  if (!('socket' in answer)) throw new Error(`answered ${answer.status}: ${answer.body}`);
  expect(answer.headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  return new ChannelClient(answer.socket);
}

const EXEC = '/exec/default/web/main';

describe('exec over SPDY', () => {
  async function started(server: KubeletServer, query: string, types: readonly string[]) {
    const client = await spdy(server, `${EXEC}?${query}`);
    const ids: Record<string, number> = {};
    for (const type of ['error', ...types]) ids[type] = await client.open({ streamtype: type });
    return {
      client,
      ids,
      text: (type: string) => client.text(ids[type]!),
      ended: (type: string) => client.isEnded(ids[type]!),
    };
  }

  it('gives output and success', async () => {
    const { server } = await setUp();
    const run = await started(server, 'command=echo&command=hi&output=1&error=1', ['stdout', 'stderr']);
    await run.client.until(() => run.ended('error'));
    expect([run.text('stdout'), run.ended('stdout'), run.text('stderr')]).toEqual(['hi\n', true, '']);
    expect(JSON.parse(run.text('error'))).toEqual({ metadata: {}, status: 'Success' });
  });

  it('gives an exit code as the cause of a failure', async () => {
    const { server } = await setUp();
    const run = await started(server, 'command=exit&command=42&output=1', ['stdout']);
    await run.client.until(() => run.ended('error'));
    expect(JSON.parse(run.text('error'))).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '42' }] },
    });
  });

  it('tells the command the end of its input', async () => {
    const { server } = await setUp();
    const run = await started(server, 'command=cat&input=1&output=1', ['stdin', 'stdout']);
    run.client.data(run.ids.stdin!, 'some input', true);
    await run.client.until(() => run.ended('error'));
    expect(run.text('stdout')).toBe('some input');
  });

  it('waits for a client that reads nothing, and gives it all of the output when it does', async () => {
    let given = 0;
    const { server } = await setUp({
      async exec(_ref, _container, _options, { stdout }) {
        for (; given < 200; given++) {
          if (!stdout!.write(Buffer.alloc(100_000, 'x')))
            await new Promise((resolve) => stdout!.once('drain', resolve));
        }
        return { exitCode: 0 };
      },
    });
    const run = await started(server, 'command=x&output=1', ['stdout']);
    run.client.transport.pause();
    let before = -1;
    while (before !== given || given === 0) {
      before = given;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(given).toBeLessThan(150);
    run.client.transport.resume();
    await run.client.until(() => run.ended('error'));
    expect(run.client.bytes(run.ids.stdout!)).toHaveLength(20_000_000);
  });

  it('aborts the command when the client is gone, and lets it write on without harm', async () => {
    const gone = Promise.withResolvers<void>();
    const { server, metrics } = await setUp({
      async exec(_ref, _container, _options, { stdout }, signal) {
        stdout!.write('ready');
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        for (let i = 0; i < 100; i++) stdout!.write(Buffer.alloc(10_000));
        gone.resolve();
        throw new Error('killed');
      },
    });
    const run = await started(server, 'command=x&output=1&input=1', ['stdin', 'stdout']);
    await run.client.until(() => run.text('stdout') === 'ready');
    run.client.transport.destroy();
    await gone.promise;
    await vi.waitFor(async () =>
      expect(await metrics.registry.getSingleMetricAsString('zonelet_kubelet_streams')).toContain('} 0'),
    );
  });

  it('tells the sizes of a terminal, and ends them with the client: nothing shrinks to nothing', async () => {
    const sizes: unknown[] = [];
    const { server } = await setUp({
      async exec(_ref, _container, { tty }, { resizes, stderr }) {
        expect([tty, stderr]).toEqual([true, undefined]);
        for await (const size of resizes ?? []) sizes.push(size);
        return { exitCode: 0 };
      },
    });
    const run = await started(server, 'command=x&output=1&error=1&tty=1', ['stdout', 'resize']);
    run.client.data(run.ids.resize!, '{"Width":80,"Height":24}\n{"Wid');
    await vi.waitFor(() => expect(sizes).toHaveLength(1));
    run.client.data(
      run.ids.resize!,
      'th":100,"Height":30}\n{"Width":0,"Height":0}\nnonsense}{"Width":-1,"Height":1e9}',
      true,
    );
    await run.client.until(() => run.ended('error'));
    expect(sizes).toEqual([
      { width: 80, height: 24 },
      { width: 100, height: 30 },
    ]);
  });

  it.each([
    ['throws something odd', () => Promise.reject('odd'), 'odd'],
    ['fails', () => Promise.reject(new ZoneletError('Unavailable', 'the engine is away')), 'the engine is away'],
  ] as const)('says so when the provider %s', async (_what, exec, message) => {
    const { server } = await setUp({ exec });
    const run = await started(server, 'command=x&output=1', ['stdout']);
    await run.client.until(() => run.ended('error'));
    expect(JSON.parse(run.text('error'))).toMatchObject({ status: 'Failure', message });
  });

  it('says why a session ends when the server is closed', async () => {
    const { server } = await setUp();
    const run = await started(server, 'command=cat&input=1&output=1', ['stdin', 'stdout']);
    run.client.data(run.ids.stdin!, 'x');
    await run.client.until(() => run.text('stdout') === 'x');
    const closing = server[Symbol.asyncDispose]();
    await run.client.until(() => run.ended('error'));
    expect(JSON.parse(run.text('error'))).toMatchObject({
      reason: 'ServiceUnavailable',
      message: 'this replica stops serving the virtual node demo-zone-a: try again',
    });
    run.client.transport.end();
    await closing;
  });

  it('ends a session in which nothing is sent for 4 h, and one whose streams do not come in 30 s', async () => {
    const clock = new VirtualClock();
    const { server } = await setUp({}, { clock });
    const run = await started(server, 'command=cat&input=1&output=1', ['stdin', 'stdout']);
    run.client.data(run.ids.stdin!, 'x');
    await run.client.until(() => run.text('stdout') === 'x');
    const late = await spdy(server, `${EXEC}?command=cat&output=1`);
    await vi.waitFor(() => expect(clock.pending).toBeGreaterThan(2));
    await clock.advance(30_000);
    await late.closed();
    expect(run.ended('error')).toBe(false);
    await clock.advance(4 * 3_600_000);
    await run.client.until(() => run.ended('error'));
    expect(run.text('error')).toContain('nothing was sent for 14400 s');
    await clock.advance(60_000);
  });

  it('takes a thousand sessions at once and forgets them, and no more than it may have', async () => {
    const { server, metrics } = await setUp({}, { maxSessions: 1000 });
    const gauge = () => metrics.registry.getSingleMetricAsString('zonelet_kubelet_streams');
    const clients: SpdyClient[] = [];
    for (let batch = 0; batch < 20; batch++) {
      const more = await Promise.all(
        Array.from({ length: 50 }, () => started(server, 'command=cat&input=1&output=1', ['stdin', 'stdout'])),
      );
      clients.push(...more.map(({ client }) => client));
    }
    expect(await gauge()).toContain('} 1000');
    expect(await upgrade(server, `${EXEC}?command=cat&output=1`, SPDY)).toMatchObject({ status: 429 });
    for (const [i, client] of clients.entries()) {
      if (i % 2 === 0) client.transport.destroy();
      else client.data(3, '', true);
    }
    await Promise.all(
      clients.map(async (client) => {
        await client.closed();
        client.transport.end();
      }),
    );
    await vi.waitFor(async () => expect(await gauge()).toContain('} 0'), { timeout: 10_000 });
  }, 60_000);
});

describe('exec over WebSocket', () => {
  it('speaks v5, in which the client can close the input', async () => {
    const { server } = await setUp();
    const client = await channels(
      server,
      `${EXEC}?command=cat&input=1&output=1`,
      'v5.channel.k8s.io,v4.channel.k8s.io',
    );
    await client.until(() => client.messages.length === 1);
    expect(client.messages[0], 'the sign that it is connected').toEqual(Buffer.from([1]));
    const long = 'x'.repeat(200_000);
    client.channel(0, long);
    client.send(Buffer.from([255, 0]));
    await client.until(() => client.closed !== undefined);
    expect([client.text(1), client.closed]).toEqual([long, 1000]);
    expect(JSON.parse(client.text(3))).toEqual({ metadata: {}, status: 'Success' });
  });

  it('speaks v4, the first version, and base64', async () => {
    const { server } = await setUp();
    const path = `${EXEC}?command=exit&command=3&output=1`;
    const v4 = await channels(server, path, 'v4.channel.k8s.io');
    await v4.until(() => v4.closed !== undefined);
    expect(JSON.parse(v4.text(3)).details.causes[0].message).toBe('3');
    const first = await channels(server, path);
    await first.until(() => first.closed !== undefined);
    expect(first.text(3)).toMatch(/^error executing command in container: .* 3$/);
    const base64 = await channels(server, `${EXEC}?command=echo&command=hi&output=1`, 'base64.channel.k8s.io');
    await base64.until(() => base64.closed !== undefined);
    expect(base64.messages.map(String)).toContain(`1${Buffer.from('hi\n').toString('base64')}`);
  });

  it('ends the connection for what is no WebSocket frame', async () => {
    const { server } = await setUp();
    const client = await channels(server, `${EXEC}?command=cat&input=1&output=1`, 'v5.channel.k8s.io');
    client.socket.write(Buffer.from([0x82, 0x01, 0x00]));
    await client.until(() => client.closed !== undefined);
    expect(client.closed).toBe(1002);
  });
});

describe('attach', () => {
  it('gives what the container writes, until it ends', async () => {
    const { server, backend } = await setUp();
    const client = await channels(server, '/attach/default/web/uid-1/main?output=1', 'v5.channel.k8s.io');
    await client.until(() => client.messages.length === 1);
    await vi.waitFor(() => {
      backend.write(OWNER, ref.uid, 'main', 'hello');
      expect(client.text(1)).toContain('hello\n');
    });
    backend.exit(OWNER, ref.uid, 'main', 0);
    await client.until(() => client.closed !== undefined);
    expect(JSON.parse(client.text(3)).status).toBe('Success');
  });
});

describe('port-forward', () => {
  const FORWARD = '/portForward/default/web';
  const HEADERS = { ...SPDY, 'x-stream-protocol-version': 'portforward.k8s.io' };

  async function pair(client: SpdyClient, port: string, request: Record<string, string>) {
    const error = await client.open({ streamtype: 'error', port, ...request });
    const data = await client.open({ streamtype: 'data', port, ...request });
    return { error, data };
  }

  it.each([
    ['with request IDs', { requestid: '0' }],
    ['of old clients, which have none', {}],
  ])('pairs streams %s, and ends each half by itself', async (_what, request) => {
    const { server } = await setUp();
    const client = await spdy(server, FORWARD, HEADERS);
    const { error, data } = await pair(client, '80', request);
    client.data(data, 'there and ');
    client.data(data, 'back', true);
    await client.until(() => client.isEnded(data) && client.isEnded(error));
    expect([client.text(data), client.text(error)]).toEqual(['there and back', '']);
    client.transport.destroy();
  });

  it('tells the error of one connection, and goes on with the others', async () => {
    const { server } = await setUp({
      async portForward(_ref, port) {
        if (port === 81) throw new ZoneletError('Unavailable', 'nothing listens');
        return new PassThrough();
      },
    });
    const client = await spdy(server, FORWARD, HEADERS);
    const bad = await pair(client, '81', { requestid: '1' });
    await client.until(() => client.isEnded(bad.error));
    expect(client.text(bad.error)).toBe('error forwarding port 81 to pod default/web: nothing listens');
    const nonsense = await client.open({ streamtype: 'error', port: '70000', requestid: '2' });
    await client.until(() => client.isEnded(nonsense));
    expect(client.text(nonsense)).toBe('"70000" is no port');
    const good = await pair(client, '80', { requestid: '3' });
    client.data(good.data, 'x', true);
    await client.until(() => client.isEnded(good.data));
    client.transport.destroy();
  });

  it('closes the connections to the pod when the client is gone', async () => {
    const upstream = new PassThrough();
    const { server } = await setUp({ portForward: async () => upstream });
    const client = await spdy(server, FORWARD, HEADERS);
    const { data } = await pair(client, '80', { requestid: '1' });
    client.data(data, 'x');
    await client.until(() => client.text(data) === 'x');
    client.transport.destroy();
    await once(upstream, 'close');
  });

  it('runs inside of a WebSocket', async () => {
    const { server } = await setUp();
    const path = `${FORWARD}?ports=80`;
    const answer = await upgrade(server, path, webSocketHeaders('SPDY/3.1+portforward.k8s.io'), 'GET');
    expect(answer.headers['sec-websocket-protocol']).toBe('SPDY/3.1+portforward.k8s.io');
    const socket = new ChannelClient((answer as Upgraded).socket);
    const near = new PassThrough();
    near.on('data', (chunk: Buffer) => socket.send(chunk));
    const client = new SpdyClient(Object.assign(new PassThrough(), { write: near.write.bind(near) }));
    const feed = setInterval(() => {
      for (const message of socket.messages.splice(0)) PassThrough.prototype.push.call(client.transport, message);
    }, 5);
    const { data } = await pair(client, '80', { requestid: '1' });
    client.data(data, 'tunnelled', true);
    await client.until(() => client.isEnded(data));
    expect(client.text(data)).toBe('tunnelled');
    clearInterval(feed);
    socket.socket.destroy();
  });

  it('runs over WebSocket channels, two for each port', async () => {
    const { server } = await setUp();
    const client = await channels(server, `${FORWARD}?port=80,8080`, 'v4.channel.k8s.io');
    await client.until(() => [0, 1, 2, 3].every((channel) => client.text(channel).length === 2));
    expect(client.text(2)).toBe(Buffer.from([0x90, 0x1f]).toString());
    client.channel(2, 'echo');
    await client.until(() => client.text(2).endsWith('echo'));
    client.socket.destroy();
  });
});

describe('what is refused before anything begins', () => {
  it.each<[string, string, Record<string, string>, number, string]>([
    ['no upgrade', `${EXEC}?command=x&output=1`, {}, 400, 'Upgrade request required'],
    [
      'an upgrade to something else',
      `${EXEC}?command=x&output=1`,
      { connection: 'Upgrade', upgrade: 'h2c' },
      400,
      'unable to upgrade: only SPDY/3.1 and websocket are understood',
    ],
    [
      'no protocol',
      `${EXEC}?command=x&output=1`,
      { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
      400,
      'unable to upgrade: X-Stream-Protocol-Version is required',
    ],
    ['an unknown pod', '/exec/default/nobody/main?command=x&output=1', SPDY, 404, 'pod "nobody" does not exist'],
    [
      'another pod of that name',
      '/exec/default/web/uid-0/main?command=x&output=1',
      SPDY,
      404,
      'pod "web" does not exist',
    ],
    [
      'an unknown container',
      '/exec/default/web/other?command=x&output=1',
      SPDY,
      404,
      'container "other" not found in pod "web"',
    ],
    ['no stream', `${EXEC}?command=x`, SPDY, 400, 'you must specify at least 1 of stdin, stdout, stderr'],
    ['no command', `${EXEC}?output=1`, SPDY, 400, 'you must specify a command'],
    ['NUL in a command', `${EXEC}?output=1&command=a%00b`, SPDY, 400, 'a command cannot contain NUL'],
    ['an odd flag', `${EXEC}?output=yes&command=x`, SPDY, 400, 'output must be 1 or 0, not "yes"'],
    ['..', '/exec/default/../main?command=x&output=1', SPDY, 400, 'bad request'],
    ['an encoded slash', '/exec/default/web%2fx/main?command=x&output=1', SPDY, 400, 'bad request'],
  ])('%s', async (_what, path, headers, status, body) => {
    const { server } = await setUp();
    expect(await upgrade(server, path, headers)).toMatchObject({ status, body });
  });

  it('a protocol that nobody here speaks, with those that are spoken', async () => {
    const { server } = await setUp();
    const path = `${EXEC}?command=x&output=1`;
    const answer = await upgrade(server, path, { ...SPDY, 'x-stream-protocol-version': 'v9.channel.k8s.io' });
    expect([answer.status, answer.headers['x-accepted-stream-protocol-versions']]).toEqual([
      403,
      'v4.channel.k8s.io, v3.channel.k8s.io, v2.channel.k8s.io, channel.k8s.io',
    ]);
    expect((await upgrade(server, path, webSocketHeaders('chat'), 'GET')).status).toBe(403);
    expect((await upgrade(server, path, webSocketHeaders('v4.channel.k8s.io'), 'POST')).status).toBe(405);
  });

  it('a port-forward over channels without a port', async () => {
    const { server } = await setUp();
    const ask = (query: string) =>
      upgrade(server, `/portForward/default/web${query}`, webSocketHeaders('v4.channel.k8s.io'), 'GET');
    expect(await ask('')).toMatchObject({ status: 400, body: 'query parameter "port" is required' });
    expect(await ask('?port=-1')).toMatchObject({ status: 400, body: '"-1" is no port' });
    expect(await ask('?port=99999999999999999999')).toMatchObject({ status: 400 });
  });

  it('a container that has ended, a pod that the backend does not have, a backend that does not answer', async () => {
    const { server, backend } = await setUp();
    const path = `${EXEC}?command=x&output=1`;
    backend.setFaults({ unreachable: true });
    expect((await upgrade(server, path, SPDY)).status).toBe(503);
    backend.setFaults({ unreachable: false });
    backend.exit(OWNER, ref.uid, 'main', 0);
    expect(await upgrade(server, path, SPDY)).toMatchObject({
      status: 400,
      body: 'container "main" in pod "web" is not running',
    });
    backend.delete(ref, 0, { owner: OWNER, zone: 'zone-a', epoch: 1, holder: 'r' });
    expect(await upgrade(server, path, SPDY)).toMatchObject({ status: 404, body: 'pod "web" is not on the backend' });
  });

  it('what the provider does not offer', async () => {
    const { server } = await setUp({ offers: () => false });
    expect(await upgrade(server, `${EXEC}?command=x&output=1`, SPDY)).toMatchObject({
      status: 501,
      body: 'the provider of the virtual node demo-zone-a does not support exec',
    });
  });
});
