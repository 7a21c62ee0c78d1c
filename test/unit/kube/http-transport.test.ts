import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Registry } from 'prom-client';
import { beforeAll, describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import { createHttpTransport } from '../../../src/kube/http-transport.ts';
import { fixedIdentity, type Identity, type IdentitySource } from '../../../src/kube/identity.ts';
import type { ApiRequest, Transport } from '../../../src/kube/transport.ts';
import { type ServingCertificate, selfSigned } from '../../../src/kubelet/self-signed.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';
import { createAuthority, type TestAuthority, type TestCertificate } from '../kubelet/certificate-authority.ts';

interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly connections: number;
  readonly open: number;
}

async function serve(listener: RequestListener, tls?: ServerOptions): Promise<TestServer> {
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  let connections = 0;
  const sockets = new Set<object>();
  server.on('connection', (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

/** A listener that keeps every request until the test answers it. */
function holding(): {
  readonly listener: RequestListener;
  readonly held: { req: IncomingMessage; res: ServerResponse }[];
} {
  const held: { req: IncomingMessage; res: ServerResponse }[] = [];
  return { held, listener: (req, res) => void held.push({ req, res }) };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const GET: ApiRequest = { method: 'GET', path: '/api/v1/pods', timeoutMs: 10_000 };
const POST: ApiRequest = { method: 'POST', path: '/api/v1/pods', body: '{}', timeoutMs: 10_000 };

function transportTo(url: string, identity: Identity | IdentitySource = {}, clock = new VirtualClock()): Transport {
  const source = 'get' in identity ? identity : fixedIdentity(identity);
  return createHttpTransport({ server: url, identity: source, clock });
}

describe('requests', () => {
  test('go out as they were given, and whatever status comes back is a result', async () => {
    const seen: unknown[] = [];
    await using server = await serve((req, res) => {
      void bodyOf(req).then((body) => {
        const { authorization, accept, 'content-type': type, 'user-agent': agent } = req.headers;
        seen.push({ method: req.method, url: req.url, authorization, accept, type, agent, body });
        res.writeHead(409, { 'content-type': 'application/json', 'retry-after': '3' }).end('{"kind":"Status","x":"ä"}');
      });
    });
    await using transport = transportTo(`${server.url}/k8s/cluster-1/`, { authorization: 'Bearer secret' });
    const response = await transport.request({
      method: 'PATCH',
      path: '/api/v1/nodes/a%2Fb',
      query: { dryRun: 'All', labelSelector: 'a=b,c in (d)' },
      headers: { 'content-type': 'application/merge-patch+json' },
      body: '{"a":"ö"}',
      timeoutMs: 10_000,
    });
    expect(response).toMatchObject({ status: 409, body: '{"kind":"Status","x":"ä"}', headers: { 'retry-after': '3' } });
    expect(seen).toEqual([
      {
        method: 'PATCH',
        url: '/k8s/cluster-1/api/v1/nodes/a%2Fb?dryRun=All&labelSelector=a%3Db%2Cc+in+%28d%29',
        authorization: 'Bearer secret',
        accept: 'application/json',
        type: 'application/merge-patch+json',
        agent: expect.stringMatching(/^zonelet\//),
        body: '{"a":"ö"}',
      },
    ]);
  });

  test('share connections, also after a DELETE with a body', async () => {
    await using server = await serve((req, res) => void bodyOf(req).then(() => res.end('{}')));
    await using transport = transportTo(server.url);
    for (const method of ['GET', 'DELETE', 'POST', 'DELETE', 'PATCH', 'DELETE', 'GET'] as const) {
      await transport.request({ method, path: '/x', timeoutMs: 10_000, ...(method === 'GET' ? {} : { body: '{}' }) });
    }
    // A connection rests for a turn of the event loop after an answer, so that two take turns.
    expect(server.connections).toBeLessThanOrEqual(2);
  });

  test('of the lane for leases wait for no other', async () => {
    const { listener, held } = holding();
    await using server = await serve((req, res) => (req.url === '/lease' ? void res.end('{}') : listener(req, res)));
    const clock = new VirtualClock();
    await using transport = transportTo(server.url, {}, clock);
    const stop = new AbortController();
    const work = Array.from({ length: 40 }, () =>
      transport.request({ ...POST, signal: stop.signal }).catch(() => 'ended'),
    );
    await until(() => held.length === 32);
    const answer = await transport.request({ ...GET, path: '/lease', lane: 'lease' });
    expect(answer.status).toBe(200);
    stop.abort();
    expect(new Set(await Promise.all(work))).toEqual(new Set(['ended']));
  });

  test('that never left because every connection is busy were not sent, and are not sent later', async () => {
    const { listener, held } = holding();
    await using server = await serve(listener);
    const clock = new VirtualClock();
    await using transport = transportTo(server.url, {}, clock);
    const busy = Array.from({ length: 32 }, () => transport.request({ ...POST, timeoutMs: 60_000 }));
    await until(() => held.length === 32);
    const late = transport.request({ ...POST, path: '/late', timeoutMs: 1_000 });
    const outcome = expect(late).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('1000 ms'),
    });
    await clock.advance(1_000);
    await outcome;
    for (const { res } of held) res.end('{}');
    await Promise.all(busy);
    // One more, so that whatever was left over would have come before it.
    const last = transport.request(GET);
    await until(() => held.length > 32);
    expect(held.slice(32).map(({ req }) => req.url)).toEqual(['/api/v1/pods']);
    held[32]?.res.end('{}');
    await last;
  });
});

describe('a request that its caller wants to judge at the moment of sending', () => {
  test('is judged after it waited for a connection; refused, it is not sent and costs no connection', async () => {
    const { listener, held } = holding();
    await using server = await serve(listener);
    await using transport = transportTo(server.url, {}, new VirtualClock());
    const busy = Array.from({ length: 32 }, () => transport.request({ ...POST, timeoutMs: 60_000 }));
    await until(() => held.length === 32);
    let may = true;
    const judge = (): void => {
      if (!may) throw new ZoneletError('Fenced', 'too late');
    };
    const late = transport.request({ ...POST, path: '/late', onSend: judge });
    const outcome = expect(late).rejects.toMatchObject({ code: 'Fenced' });
    may = false;
    for (const { res } of held) res.end('{}');
    await Promise.all(busy);
    await outcome;
    may = true;
    const last = transport.request({ ...POST, path: '/last', onSend: judge });
    await until(() => held.length > 32);
    expect(held.slice(32).map(({ req }) => req.url)).toEqual(['/last']);
    held[32]?.res.end('{}');
    expect((await last).status).toBe(200);
    expect(server.connections).toBe(32);
  });
});

describe('a request without an answer', () => {
  test('that nobody could take was not carried out, whatever it was', async () => {
    const server = await serve(() => {});
    await server[Symbol.asyncDispose]();
    await using transport = transportTo(server.url);
    for (const request of [GET, POST]) {
      await expect(transport.request(request)).rejects.toMatchObject({
        code: 'Unavailable',
        message: expect.stringContaining('ECONNREFUSED'),
      });
    }
    await expect(transport.stream(GET)).rejects.toMatchObject({ code: 'Unavailable' });
  });

  test('may have been carried out when it would have changed something', async () => {
    await using server = await serve((req) => void req.socket.destroy());
    await using transport = transportTo(server.url);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      await expect(transport.request({ ...POST, method })).rejects.toMatchObject({ code: 'Ambiguous' });
    }
    await expect(transport.request(GET)).rejects.toMatchObject({ code: 'Unavailable' });
  });

  test('whose answer breaks off is no better', async () => {
    await using server = await serve((req, res) => {
      res.writeHead(200, { 'content-length': '100' });
      res.write('{"kind":');
      setImmediate(() => req.socket.destroy());
    });
    await using transport = transportTo(server.url);
    await expect(transport.request(POST)).rejects.toMatchObject({ code: 'Ambiguous' });
    await expect(transport.request(GET)).rejects.toMatchObject({ code: 'Unavailable' });
  });

  test('ends at its deadline, and its connection with it', async () => {
    const { listener, held } = holding();
    await using server = await serve(listener);
    const clock = new VirtualClock();
    await using transport = transportTo(server.url, {}, clock);
    for (const [request, code] of [
      [POST, 'Ambiguous'],
      [GET, 'Unavailable'],
    ] as const) {
      const before = held.length;
      const outcome = expect(transport.request({ ...request, timeoutMs: 3_000 })).rejects.toMatchObject({
        code,
        message: expect.stringContaining('3000 ms'),
      });
      await until(() => held.length > before);
      await clock.advance(3_000);
      await outcome;
    }
    await until(() => server.open === 0);
  });

  test('is "aborted" when the caller ended it, before or after it was sent', async () => {
    const { listener, held } = holding();
    await using server = await serve(listener);
    await using transport = transportTo(server.url);
    const early = new AbortController();
    early.abort();
    await expect(transport.request({ ...POST, signal: early.signal })).rejects.toMatchObject({ code: 'Aborted' });
    await expect(transport.stream({ ...GET, signal: early.signal })).rejects.toMatchObject({ code: 'Aborted' });
    const late = new AbortController();
    const outcome = expect(transport.request({ ...POST, signal: late.signal })).rejects.toMatchObject({
      code: 'Aborted',
    });
    await until(() => held.length === 1);
    late.abort();
    await outcome;
  });
});

describe('a stream', () => {
  test('gives chunks as they come and ends when the server ends it', async () => {
    const { listener, held } = holding();
    await using server = await serve(listener);
    const clock = new VirtualClock();
    await using transport = transportTo(server.url, {}, clock);
    const opening = transport.stream({ ...GET, timeoutMs: 1_000 });
    await until(() => held.length === 1);
    const res = held[0]!.res;
    res.writeHead(200, { 'content-type': 'application/json' });
    res.flushHeaders();
    const stream = await opening;
    expect(stream.status).toBe(200);
    // The deadline is for the head alone.
    await clock.advance(3_600_000);
    const reader = stream.chunks[Symbol.asyncIterator]();
    for (const text of ['one\n', 'two\n']) {
      res.write(text);
      const next = await reader.next();
      expect(Buffer.from(next.value as Uint8Array).toString()).toBe(text);
    }
    res.end();
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  test('without a head in time is unavailable', async () => {
    const { listener, held } = holding();
    await using server = await serve(listener);
    const clock = new VirtualClock();
    await using transport = transportTo(server.url, {}, clock);
    const outcome = expect(transport.stream({ ...GET, timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'Unavailable',
    });
    await until(() => held.length === 1);
    await clock.advance(1_000);
    await outcome;
  });

  test.each([
    { what: 'the connection breaks', code: 'Unavailable' },
    { what: 'the caller ends it', code: 'Aborted' },
    { what: 'the transport is disposed of', code: 'Unavailable' },
  ])('throws $code after what came before when $what', async ({ what, code }) => {
    await using server = await serve((req, res) => {
      res.write('one\n');
      res.on('close', () => req.socket.destroy());
      if (what === 'the connection breaks') setTimeout(() => req.socket.destroy(), 20);
    });
    await using transport = transportTo(server.url);
    const stop = new AbortController();
    const { chunks } = await transport.stream({ ...GET, signal: stop.signal });
    const reader = chunks[Symbol.asyncIterator]();
    expect((await reader.next()).done).toBe(false);
    const outcome = expect(reader.next()).rejects.toMatchObject({ code });
    if (what === 'the caller ends it') stop.abort();
    if (what === 'the transport is disposed of') await transport[Symbol.asyncDispose]();
    await outcome;
    await until(() => server.open === 0);
  });

  test('that nobody reads any more gives its connection up', async () => {
    await using server = await serve((_, res) => void res.write('one\n'));
    await using transport = transportTo(server.url);
    const { chunks } = await transport.stream(GET);
    for await (const chunk of chunks) {
      expect(chunk.byteLength).toBe(4);
      break;
    }
    await until(() => server.open === 0);
  });

  test('is read no faster than it is taken, and whole', async () => {
    const total = 64 * 1024 * 1024;
    const block = Buffer.alloc(256 * 1024, 'x');
    let written = 0;
    await using server = await serve((_, res) => {
      const go = (): void => {
        while (written < total) {
          written += block.length;
          if (!res.write(block)) return void res.once('drain', go);
        }
        res.end();
      };
      go();
    });
    await using transport = transportTo(server.url);
    const { chunks } = await transport.stream(GET);
    // What is on its way fills up, and then the server has to wait.
    let before = -1;
    while (written !== before) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(written).toBeLessThan(total);
    let read = 0;
    for await (const chunk of chunks) read += chunk.byteLength;
    expect(read).toBe(total);
  });
});

describe('over TLS', () => {
  let serving: ServingCertificate;
  let authority: TestAuthority;
  let client: TestCertificate;
  beforeAll(async () => {
    serving = await selfSigned({
      commonName: 'api',
      dnsNames: ['kubernetes.default.svc'],
      addresses: ['127.0.0.1'],
      notBeforeMs: Date.now() - 3_600_000,
      notAfterMs: Date.now() + 3_600_000,
    });
    authority = await createAuthority();
    client = await authority.issue({ CN: 'zonelet' });
  });
  const tls = (): ServerOptions => ({
    cert: serving.certificate,
    key: serving.key,
    ca: authority.pem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  const whoami: RequestListener = (req, res) => {
    const socket = req.socket as TLSSocket;
    res.end(JSON.stringify({ authorized: socket.authorized, cn: socket.getPeerCertificate().subject?.CN }));
  };

  test('only a server that the given certificates vouch for is spoken to', async () => {
    await using server = await serve(whoami, tls());
    await using trusting = transportTo(server.url, { ca: serving.certificate });
    expect((await trusting.request(GET)).status).toBe(200);
    await using other = transportTo(server.url, { ca: authority.pem });
    await expect(other.request(POST)).rejects.toMatchObject({ code: 'Unavailable' });
    await using none = transportTo(server.url);
    await expect(none.request(POST)).rejects.toMatchObject({ code: 'Unavailable' });
    await using careless = transportTo(server.url, { insecureSkipTlsVerify: true });
    expect((await careless.request(GET)).status).toBe(200);
  });

  test('another name in the certificate counts when it is told', async () => {
    await using server = await serve(whoami, tls());
    const url = server.url.replace('127.0.0.1', 'localhost');
    await using wrong = transportTo(url, { ca: serving.certificate });
    await expect(wrong.request(GET)).rejects.toMatchObject({ code: 'Unavailable' });
    await using right = transportTo(url, { ca: serving.certificate, tlsServerName: 'kubernetes.default.svc' });
    expect((await right.request(GET)).status).toBe(200);
  });

  test('a client certificate is shown; another one gets connections of its own, and the old ones end', async () => {
    await using server = await serve(whoami, tls());
    const second = await authority.issue({ CN: 'renewed' });
    let identity: Identity = { ca: serving.certificate, ...client };
    await using transport = transportTo(server.url, { get: () => Promise.resolve(identity), refused() {} });
    expect(JSON.parse((await transport.request(GET)).body)).toEqual({ authorized: true, cn: 'zonelet' });
    identity = { ...identity, ...second };
    expect(JSON.parse((await transport.request(GET)).body)).toEqual({ authorized: true, cn: 'renewed' });
    await until(() => server.open === 1);
  });
});

describe('identity', () => {
  test('is asked for each request; one that is refused is told', async () => {
    await using server = await serve((req, res) => {
      res.writeHead(req.headers.authorization === 'Bearer 1' ? 401 : 200).end('{}');
    });
    let count = 0;
    const refused: Identity[] = [];
    await using transport = transportTo(server.url, {
      get: () => Promise.resolve({ authorization: `Bearer ${++count}` }),
      refused: (identity) => void refused.push(identity),
    });
    expect((await transport.request(GET)).status).toBe(401);
    expect((await transport.request(GET)).status).toBe(200);
    expect(refused).toEqual([{ authorization: 'Bearer 1' }]);
  });

  test('that does not come in time costs no more than the deadline', async () => {
    const clock = new VirtualClock();
    await using transport = transportTo(
      'http://127.0.0.1:9',
      { get: () => new Promise(() => {}), refused() {} },
      clock,
    );
    const outcome = expect(transport.request({ ...POST, timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'Unavailable',
    });
    await settle();
    await clock.advance(1_000);
    await outcome;
  });
});

test('metrics: requests by status and method, those without an answer as errors, watches without a duration', async () => {
  await using server = await serve((req, res) => {
    if (req.url === '/break') req.socket.destroy();
    else res.writeHead(req.url === '/404' ? 404 : 200).end('{}');
  });
  const registry = new Registry();
  await using transport = createHttpTransport({
    server: server.url,
    identity: fixedIdentity({}),
    clock: new VirtualClock(),
    metrics: apiMetrics(registry),
  });
  const host = new URL(server.url).host;
  expect(await registry.metrics()).toContain(`rest_client_requests_total{code="200",method="GET",host="${host}"} 0`);
  await transport.request(GET);
  await transport.request({ ...GET, path: '/404' });
  await transport.request({ ...POST, path: '/break' }).catch(() => {});
  await transport.stream(GET);
  const aborted = new AbortController();
  aborted.abort();
  await transport.request({ ...GET, signal: aborted.signal }).catch(() => {});
  const text = await registry.metrics();
  for (const line of [
    `rest_client_requests_total{code="200",method="GET",host="${host}"} 2`,
    `rest_client_requests_total{code="404",method="GET",host="${host}"} 1`,
    `rest_client_requests_total{code="error",method="POST",host="${host}"} 1`,
    `rest_client_requests_total{code="error",method="GET",host="${host}"} 0`,
    `rest_client_request_duration_seconds_count{verb="GET",host="${host}"} 2`,
    `rest_client_request_duration_seconds_count{verb="POST",host="${host}"} 1`,
  ]) {
    expect(text).toContain(line);
  }
});
