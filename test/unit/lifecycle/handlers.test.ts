/** What a probe says of real servers on this machine, in the kubelet's words. */
import { once } from 'node:events';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import type { Container } from '../../../src/kube/types.ts';
import { runHook } from '../../../src/lifecycle/hook.ts';
import { type Probe, type ProbeOutcome, probeOnce } from '../../../src/lifecycle/probe.ts';
import type { Reach } from '../../../src/lifecycle/reach.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return (server.address() as AddressInfo).port;
}

const http = (answer: RequestListener): Promise<number> => listen(createHttp(answer));

const REACH: Reach = {
  dial: (port, signal) =>
    new Promise<Duplex>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', signal });
      socket.once('connect', () => resolve(socket));
      socket.once('error', reject);
    }),
  exec: () => Promise.reject(new Error('nothing runs here')),
};

const container = (ports: readonly number[] = []): Container => ({
  name: 'a',
  ports: ports.map((containerPort, i) => ({ name: `port-${i}`, containerPort })),
});

/** `timeIsUp`: once there is a connection, or is none to come. */
async function probe(
  what: Probe,
  { ports = [] as readonly number[], timeIsUp = false, reach = REACH } = {},
): Promise<ProbeOutcome> {
  const address = '127.0.0.1';
  const limit = new AbortController();
  const dialled = Promise.withResolvers<void>();
  const dial: Reach['dial'] = async (port, limit) => {
    try {
      return await reach.dial(port, limit);
    } finally {
      dialled.resolve();
    }
  };
  const outcome = probeOnce(what, {
    container: container(ports),
    address,
    reach: { ...reach, dial },
    signal: limit.signal,
  });
  if (timeIsUp) {
    if (reach === REACH) await dialled.promise;
    limit.abort();
  }
  return await outcome;
}

/** One on which nobody listens: it was given and taken back. */
async function deafPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  open.pop();
  server.close();
  await once(server, 'close');
  return port;
}

describe('httpGet', () => {
  it.each<[number, ProbeOutcome['result'], string]>([
    [200, 'success', ''],
    [204, 'success', ''],
    [304, 'warning', 'Probe terminated redirects, Response body: '],
    [404, 'failure', 'HTTP probe failed with statuscode: 404'],
    [503, 'failure', 'HTTP probe failed with statuscode: 503'],
  ])('answered with %i is %s', async (status, result, output) => {
    const port = await http((_request, response) => response.writeHead(status).end());
    expect(await probe({ httpGet: { port } })).toEqual({ result, output });
  });

  it('asks for the path, at the named port, with the headers', async () => {
    const seen: unknown[] = [];
    const port = await http(({ url, headers }, response) => {
      seen.push(url, headers.host, headers['user-agent'], headers.accept, headers['x-a']);
      response.end('ok');
    });
    const httpHeaders = [
      { name: 'X-A', value: '1' },
      { name: 'X-A', value: '2' },
      { name: 'Accept', value: '' },
      { name: 'Host', value: 'app.example' },
    ];
    const what = { httpGet: { path: '/health?deep=1', port: 'port-0', httpHeaders } };
    expect(await probe(what, { ports: [port] })).toEqual({ result: 'success', output: '' });
    expect(seen).toEqual(['/health?deep=1', 'app.example', expect.stringMatching(/^kube-probe\//), undefined, '1, 2']);
  });

  it('follows a redirect on the host, and takes one to another host for a warning', async () => {
    const port = await http(({ url }, response) => {
      if (url === '/here') response.writeHead(302, { location: '/there' }).end();
      else if (url === '/away') response.writeHead(302, { location: 'http://other.example/' }).end('gone away');
      else if (url === '/round') response.writeHead(302, { location: '/round' }).end();
      else response.writeHead(url === '/there' ? 200 : 500).end();
    });
    expect(await probe({ httpGet: { path: '/here', port } })).toEqual({ result: 'success', output: '' });
    expect(await probe({ httpGet: { path: '/away', port } })).toEqual({
      result: 'warning',
      output: 'Probe terminated redirects, Response body: gone away',
    });
    expect(await probe({ httpGet: { path: '/round', port } })).toMatchObject({
      result: 'failure',
      output: expect.stringContaining('stopped after 10 redirects'),
    });
  });

  it('fails where nobody listens, where no HTTP is spoken, and where nobody answers in time', async () => {
    const deaf = await deafPort();
    expect(await probe({ httpGet: { path: '/x', port: deaf } })).toEqual({
      result: 'failure',
      output: `Get "http://127.0.0.1:${deaf}/x": dial tcp 127.0.0.1:${deaf}: connect: connection refused`,
    });
    const rude = await listen(createServer((socket) => void socket.end('hello\n')));
    expect((await probe({ httpGet: { port: rude } })).result).toBe('failure');
    const silent = await listen(createServer(() => {}));
    expect(await probe({ httpGet: { port: silent }, timeoutSeconds: 3 }, { timeIsUp: true })).toEqual({
      result: 'failure',
      output: `Get "http://127.0.0.1:${silent}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    });
  });

  it('does not wait for the end of an answer without end', async () => {
    const port = await http((_request, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write('x'.repeat(4096), () => setImmediate(more));
      };
      more();
    });
    expect(await probe({ httpGet: { port } })).toEqual({ result: 'success', output: '' });
  });
});

describe('tcpSocket', () => {
  it('succeeds where somebody listens and fails where nobody does', async () => {
    const port = await listen(createServer((socket) => void socket.on('error', () => {})));
    expect(await probe({ tcpSocket: { port } })).toEqual({ result: 'success', output: '' });
    const deaf = await deafPort();
    expect(await probe({ tcpSocket: { port: deaf } })).toEqual({
      result: 'failure',
      output: `dial tcp 127.0.0.1:${deaf}: connect: connection refused`,
    });
  });

  it('says what the system said, whoever put it into other words', async () => {
    const dial: Reach['dial'] = (port, signal) =>
      REACH.dial(port, signal).catch((cause: unknown) => {
        throw new Error('nobody at home', { cause });
      });
    const deaf = await deafPort();
    expect((await probe({ tcpSocket: { port: deaf } }, { reach: { ...REACH, dial } })).output).toBe(
      `dial tcp 127.0.0.1:${deaf}: connect: connection refused`,
    );
  });

  it('fails when the connection takes too long', async () => {
    const reach: Reach = {
      ...REACH,
      dial: (_port, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    };
    expect(await probe({ tcpSocket: { port: 80 } }, { timeIsUp: true, reach })).toEqual({
      result: 'failure',
      output: 'dial tcp 127.0.0.1:80: i/o timeout',
    });
  });
});

describe('exec', () => {
  it('cannot tell when the command could not be run, tried three times', async () => {
    let tries = 0;
    const exec: Reach['exec'] = () => {
      tries++;
      return Promise.reject(new Error('no such container'));
    };
    const what = { exec: { command: ['true'] } };
    expect(await probe(what, { reach: { ...REACH, exec } })).toEqual({
      result: 'unknown',
      output: 'no such container',
    });
    expect(tries).toBe(3);
  });
});

/** A health server as gRPC speaks: its answer is in the body and the trailers. */
async function grpc(answer: (stream: ServerHttp2Stream, service: string) => void): Promise<number> {
  const server = createHttp2();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => void sessions.add(session));
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.on('end', () => {
      expect(headers[':path']).toBe('/grpc.health.v1.Health/Check');
      expect(headers['content-type']).toBe('application/grpc');
      const message = Buffer.concat(chunks).subarray(5);
      answer(stream, message.length === 0 ? '' : message.subarray(2).toString());
    });
  });
  const port = await listen(server as unknown as Server);
  open.push({
    close() {
      for (const session of sessions) session.destroy();
    },
  });
  return port;
}

function healthAnswer(stream: ServerHttp2Stream, status: number): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(status === 0 ? Buffer.from([0, 0, 0, 0, 0]) : Buffer.from([0, 0, 0, 0, 2, 0x08, status]));
}

describe('grpc', () => {
  it.each<[number, ProbeOutcome]>([
    [1, { result: 'success', output: '' }],
    [0, { result: 'failure', output: 'service unhealthy (responded with "UNKNOWN")' }],
    [2, { result: 'failure', output: 'service unhealthy (responded with "NOT_SERVING")' }],
    [3, { result: 'failure', output: 'service unhealthy (responded with "SERVICE_UNKNOWN")' }],
  ])('answered with %i', async (status, outcome) => {
    const port = await grpc((stream) => healthAnswer(stream, status));
    expect(await probe({ grpc: { port } })).toEqual(outcome);
  });

  it('asks for the service', async () => {
    const port = await grpc((stream, service) => healthAnswer(stream, service === 'shop' ? 1 : 2));
    expect((await probe({ grpc: { port, service: 'shop' } })).result).toBe('success');
    expect((await probe({ grpc: { port, service: '' } })).result).toBe('failure');
  });

  it('names a server without the protocol, one that refuses, and one that is silent', async () => {
    const bare = await grpc((stream) =>
      stream.respond({ ':status': 200, 'grpc-status': '12', 'grpc-message': 'unknown service' }, { endStream: true }),
    );
    expect((await probe({ grpc: { port: bare } })).output).toBe(
      'error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service',
    );
    const deaf = await deafPort();
    expect((await probe({ grpc: { port: deaf } })).output).toBe(
      `error: failed to connect service at "127.0.0.1:${deaf}": dial tcp 127.0.0.1:${deaf}: connect: connection refused`,
    );
    const silent = await listen(createServer(() => {}));
    expect(await probe({ grpc: { port: silent }, timeoutSeconds: 2 }, { timeIsUp: true })).toEqual({
      result: 'failure',
      output: 'timeout: health rpc did not complete within 2s',
    });
  });
});

describe('an httpGet hook', () => {
  it('takes any answer, and fails when there is none', async () => {
    const port = await http((_request, response) => response.writeHead(500).end());
    const options = {
      container: container(),
      address: '127.0.0.1',
      reach: REACH,
      clock: new VirtualClock(),
      signal: new AbortController().signal,
    };
    expect(await runHook({ httpGet: { port } }, options)).toBe(false);
    expect(await runHook({ httpGet: { port: await deafPort() } }, options)).toBe(true);
  });
});
