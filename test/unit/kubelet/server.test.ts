import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { systemClock } from '../../../src/clock.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { createKubeletAuth } from '../../../src/kubelet/auth.ts';
import { createServingCertificate, type ServingCertificate } from '../../../src/kubelet/certificates.ts';
import { createClientCa } from '../../../src/kubelet/client-ca.ts';
import type { LogSource } from '../../../src/kubelet/container-logs.ts';
import { createKubeletServer, type KubeletServer, type KubeletServerOptions } from '../../../src/kubelet/server.ts';
import { fixedCertificate, holdCertificate } from '../../../src/kubelet/serving-certificate.ts';
import { silentLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { createAuthority, type TestAuthority, type TestCertificate } from './certificate-authority.ts';
import { createReviewer } from './reviewer.ts';

const OWNER = 'cluster/demo';
const LOGS = '/containerLogs/default/web/main';

let certificate: ServingCertificate;
let authority: TestAuthority;
let apiServer: TestCertificate;
let stranger: TestCertificate;
const open: AsyncDisposable[] = [];

beforeAll(async () => {
  certificate = await createServingCertificate({
    address: '127.0.0.1',
    nodeNames: ['demo-zone-a'],
    clock: systemClock,
  });
  authority = await createAuthority();
  apiServer = await authority.issue({ CN: 'kube-apiserver', O: ['system:masters'] });
  stranger = await (await createAuthority('elsewhere')).issue({ CN: 'kube-apiserver', O: ['system:masters'] });
});

afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function setUp(change: Partial<KubeletServerOptions> = {}, ca: { bundle?: string } = { bundle: authority.pem }) {
  const reviewer = createReviewer();
  reviewer.allowed
    .add('kube-apiserver get proxy')
    .add('kube-apiserver get pods')
    .add('kube-apiserver get healthz')
    .add('scraper get proxy');
  reviewer.allowed.add('kube-apiserver create proxy');
  reviewer.tokens.set('good', { username: 'scraper', groups: [] });
  const backend = createSimulatedBackend({ zone: 'zone-a', clock: systemClock });
  const provider = createSimulatedProvider(backend, systemClock);
  const signal = new AbortController().signal;
  const ref = { uid: 'uid-1', namespace: 'default', name: 'web' };
  const running = { running: { startedAt: '2026-01-01T00:00:00Z' } };
  const pod: Pod = {
    metadata: ref,
    spec: { containers: [{ name: 'main', image: 'i' }] },
    status: {
      containerStatuses: [{ name: 'main', image: 'i', imageID: '', ready: true, restartCount: 0, state: running }],
    },
  };
  const operation = { owner: OWNER, zone: 'zone-a', epoch: 1, holder: 'r', signal, timeoutMs: 1000, attempt: 1 };
  await provider.create({ ref, pod, env: {}, volumes: {}, pullSecrets: [], hash: 'h' }, operation);
  const source: LogSource = {
    get: (of, readSignal) => provider.get(OWNER, of, { signal: readSignal, timeoutMs: 1000 }),
    logs: (of, container, options, readSignal) => provider.logs!(OWNER, of, container, options, readSignal),
  };
  const subscribers = new Set<() => void>();
  const metrics = createMetrics({ set: 'demo', version: '0', runtime: false });
  const server = await createKubeletServer({
    zone: 'zone-a',
    nodeName: 'demo-zone-a',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: fixedCertificate(certificate),
    clientCa: {
      get bundle() {
        return ca.bundle;
      },
      subscribe(changed) {
        subscribers.add(changed);
        return () => subscribers.delete(changed);
      },
    },
    auth: createKubeletAuth({
      client: reviewer.client,
      nodeName: 'demo-zone-a',
      clock: systemClock,
      log: silentLogger,
    }),
    pods: (namespace, name) => (namespace === 'default' && name === 'web' ? pod : undefined),
    logs: source,
    streams: {
      offers: (kind) => provider.capabilities[kind],
      get: source.get,
      exec: (of, container, options, streams, life) => provider.exec!(OWNER, of, container, options, streams, life),
      attach: (of, container, streams, life) => provider.attach!(OWNER, of, container, streams, life),
      portForward: (of, port, life) => provider.portForward!(OWNER, of, port, life),
    },
    node: {
      pods: () => [pod],
      list: (readSignal) => provider.list(OWNER, { signal: readSignal, timeoutMs: 1000 }),
      stats: (readSignal) => provider.stats!(OWNER, { signal: readSignal, timeoutMs: 1000 }),
    },
    metrics: metrics.kubelet,
    clock: systemClock,
    log: silentLogger,
    ...change,
  });
  open.push(server);
  const write = (line: string) => backend.write(OWNER, ref.uid, 'main', line);
  const setCa = (bundle: string) => {
    ca.bundle = bundle;
    for (const changed of subscribers) changed();
  };
  return { server, reviewer, backend, ref, pod, write, metrics, setCa };
}

async function ask(server: KubeletServer, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
  const request = httpsRequest({
    host: '127.0.0.1',
    port: server.port,
    path,
    ca: certificate.certificate,
    agent: false,
    ...(options.cert === undefined && options.headers === undefined ? apiServer : {}),
    ...options,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

async function text(response: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of response) all += String(chunk);
  return all;
}

async function get(server: KubeletServer, path: string, options: RequestOptions = {}) {
  const response = await ask(server, path, options);
  return { status: response.statusCode, body: await text(response) };
}

describe('kubelet API', () => {
  it('serves with a certificate for its address and node name', async () => {
    const { server } = await setUp();
    const socket: TLSSocket = connect({ host: '127.0.0.1', port: server.port, ca: certificate.certificate });
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    expect(socket.getPeerCertificate().subjectaltname).toBe('DNS:demo-zone-a, IP Address:127.0.0.1');
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });

  it('answers /healthz to a client certificate and to a bearer token', async () => {
    const { server, reviewer } = await setUp();
    expect(await get(server, '/healthz')).toEqual({ status: 200, body: 'ok' });
    expect(await get(server, '/healthz', { headers: { authorization: 'Bearer good' } })).toEqual({
      status: 200,
      body: 'ok',
    });
    expect(reviewer.asked).toContain('kube-apiserver get healthz');
  });

  it('refuses: nothing, a bad token, a certificate of another CA, and an allowed user for something else', async () => {
    const { server } = await setUp();
    expect((await get(server, '/healthz', { headers: {} })).status).toBe(401);
    expect((await get(server, '/healthz', { headers: { authorization: 'Bearer bad' } })).status).toBe(401);
    expect((await get(server, '/healthz', stranger as RequestOptions)).status).toBe(401);
    const nobody = await authority.issue({ CN: 'nobody' });
    expect(await get(server, LOGS, { ...nobody })).toEqual({
      status: 403,
      body: 'Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[proxy])',
    });
  });

  it('takes a certificate that does not verify for none, and looks at the token', async () => {
    const { server } = await setUp();
    const { status } = await get(server, '/healthz', { ...stranger, headers: { authorization: 'Bearer good' } });
    expect(status).toBe(200);
  });

  it('refuses a certificate that has run out', async () => {
    const { server } = await setUp();
    const old = await authority.issue({ CN: 'kube-apiserver' }, Date.now() - 60_000);
    expect((await get(server, '/healthz', { ...old })).status).toBe(401);
  });

  it('believes no client certificate before the client CA is known, and the right ones afterwards', async () => {
    const { server, setCa } = await setUp({}, {});
    expect((await get(server, '/healthz')).status).toBe(401);
    setCa(authority.pem);
    expect((await get(server, '/healthz')).status).toBe(200);
    setCa((await createAuthority('new')).pem);
    expect((await get(server, '/healthz')).status).toBe(401);
  });

  it('lets nobody in while the API server does not answer', async () => {
    const { server, reviewer } = await setUp();
    reviewer.down = true;
    expect((await get(server, LOGS)).status).toBe(500);
    expect((await get(server, LOGS, { headers: { authorization: 'Bearer good' } })).status).toBe(503);
  });

  it('gives a log with its options', async () => {
    const { server, write } = await setUp();
    for (const line of ['one', 'two', 'three']) write(line);
    expect(await get(server, LOGS)).toEqual({ status: 200, body: 'one\ntwo\nthree\n' });
    expect((await get(server, `${LOGS}?tailLines=1`)).body).toBe('three\n');
    expect((await get(server, `${LOGS}?tailLines=0`)).body).toBe('');
    expect((await get(server, `${LOGS}?limitBytes=5`)).body).toBe('one\nt');
    expect((await get(server, `${LOGS}?sinceTime=2100-01-01T00:00:00Z`)).body).toBe('');
    expect((await get(server, `${LOGS}?timestamps=true&tailLines=1`)).body).toMatch(/^\d{4}-\S+Z three\n$/);
  });

  it('follows a log until the container ends', async () => {
    const { server, write, backend, ref, metrics } = await setUp();
    write('one');
    const response = await ask(server, `${LOGS}?follow=true`);
    expect(response.statusCode).toBe(200);
    expect(String((await once(response, 'data'))[0])).toBe('one\n');
    expect(await metrics.registry.getSingleMetricAsString('zonelet_kubelet_streams')).toContain(
      'zone="zone-a",set="demo"} 1',
    );
    write('two');
    expect(String((await once(response, 'data'))[0])).toBe('two\n');
    backend.exit(OWNER, ref.uid, 'main', 0);
    await once(response, 'end');
    expect(response.complete).toBe(true);
  });

  it('answers a followed log at once, also when there is nothing to say yet', async () => {
    const { server } = await setUp();
    const response = await ask(server, `${LOGS}?follow=true`);
    expect(response.statusCode).toBe(200);
    response.destroy();
  });

  it('stops reading from the backend when the client goes', async () => {
    let stopped: () => void = () => {};
    const aborted = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    const { server } = await setUp({
      logs: {
        get: async () => undefined,
        logs: async (_ref, _container, _options, signal) => {
          signal.addEventListener('abort', stopped);
          return (async function* () {
            yield Buffer.from('one\n');
            await aborted;
          })();
        },
      },
    });
    const response = await ask(server, `${LOGS}?follow=true`);
    await once(response, 'data');
    response.destroy();
    await aborted;
  });

  it('reads from the backend no faster than the client does', async () => {
    let given = 0;
    const chunk = Buffer.alloc(1 << 20, 'x');
    const { server } = await setUp({
      logs: {
        get: async () => undefined,
        logs: async () =>
          (async function* () {
            for (; given < 500; given++) yield chunk;
          })(),
      },
    });
    const response = await ask(server, LOGS);
    response.pause();
    let before = -1;
    while (before !== given) {
      before = given;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(given).toBeLessThan(100);
    response.destroy();
  });

  it('breaks the connection off when the stream breaks off, so that it does not pass for the end', async () => {
    const { server } = await setUp({
      logs: {
        get: async () => undefined,
        logs: async () =>
          (async function* () {
            yield Buffer.from('one\n');
            throw new ZoneletError('Unavailable', 'the backend went away');
          })(),
      },
    });
    await expect(text(await ask(server, LOGS))).rejects.toThrow(/aborted/);
  });

  it.each([
    ['/containerLogs/default/nobody/main', 404, 'pod "nobody" does not exist'],
    ['/containerLogs/default/web/nobody', 404, 'container "nobody" not found in pod "web"'],
    [`${LOGS}?tailLines=x`, 400, '{"message": "Unable to decode query."}'],
    [`${LOGS}?tailLines=-1`, 422, '{"message": "Invalid request."}'],
    [`${LOGS}?previous=true`, 400, 'previous terminated container "main" in pod "web" not found'],
    ['/containerLogs/default/web', 404, '404 page not found'],
    ['/containerLogs/default/../web/main', 400, 'bad request'],
    ['/containerLogs/default/web%2fmain/x', 400, 'bad request'],
    ['/containerLogs/default/web/main%00', 400, 'bad request'],
    ['/metrics/cadvisor', 403, 'Forbidden (user=kube-apiserver, verb=get, resource=nodes, subresource(s)=[metrics])'],
    ['/nothing', 404, '404 page not found'],
  ])('answers %s with %i', async (path, status, body) => {
    const { server } = await setUp();
    expect(await get(server, path)).toEqual({ status, body });
  });

  it('shows the pods that are bound here and the ones that run', async () => {
    const { server, pod, ref, backend } = await setUp();
    const pods = await get(server, '/pods');
    expect(pods.status).toBe(200);
    expect(JSON.parse(pods.body)).toEqual({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [pod] });
    const running = async () => JSON.parse((await get(server, '/runningpods/')).body) as { items: Pod[] };
    const [shown] = (await running()).items;
    expect(shown?.metadata).toEqual(ref);
    expect(shown?.spec?.containers).toEqual([{ name: 'main', image: 'i', resources: {} }]);
    backend.delete(ref, 0, { owner: OWNER, zone: 'zone-a', epoch: 1, holder: 'r' });
    expect((await running()).items).toEqual([]);
  });

  it('shows no pods rather than a part of them', async () => {
    const { server, backend } = await setUp({
      node: {
        pods: () => {
          throw new ZoneletError('Unavailable', 'the pods of the node are not known yet');
        },
        list: async () => ({ pods: [], complete: false }),
        stats: async () => [],
      },
    });
    expect(await get(server, '/pods')).toEqual({ status: 503, body: 'the pods of the node are not known yet' });
    expect((await get(server, '/runningpods/')).status).toBe(503);
    const other = await setUp();
    other.backend.setFaults({ unreachable: true });
    expect((await get(other.server, '/runningpods/')).status).toBe(503);
    expect(backend.size).toBe(1);
  });

  it('tells usage to metrics-server, who needs no right but to read it', async () => {
    const { server, reviewer } = await setUp();
    reviewer.allowed.add('metrics-server get metrics').add('metrics-server get stats');
    reviewer.tokens.set('scrape', { username: 'metrics-server', groups: [] });
    const as = { headers: { authorization: 'Bearer scrape' } };
    const metrics = await ask(server, '/metrics/resource', as);
    expect(metrics.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await text(metrics)).toMatch(
      /^container_cpu_usage_seconds_total\{container="main",pod="web",namespace="default"\} /m,
    );
    const summary = await get(server, '/stats/summary?only_cpu_and_memory=true', as);
    expect(JSON.parse(summary.body)).toMatchObject({
      node: { nodeName: 'demo-zone-a' },
      pods: [{ podRef: { name: 'web', namespace: 'default', uid: 'uid-1' }, containers: [{ name: 'main' }] }],
    });
    expect((await get(server, LOGS, as)).status).toBe(403);
    expect((await get(server, '/metrics', as)).status, 'what the replica says of itself is not served here').toBe(501);
  });

  it('says that usage cannot be had: in a status, and to Prometheus in a metric', async () => {
    const { server, reviewer, backend } = await setUp();
    reviewer.allowed.add('kube-apiserver get metrics').add('kube-apiserver get stats');
    backend.setFaults({ unreachable: true });
    expect(await get(server, '/metrics/resource')).toMatchObject({
      status: 200,
      body: expect.stringContaining('resource_scrape_error 1'),
    });
    expect((await get(server, '/stats/summary')).status).toBe(503);
  });

  it('says what a container waits for', async () => {
    const { server, pod } = await setUp();
    pod.status = {};
    expect((await get(server, LOGS)).status, 'the backend has it running already').toBe(200);
    const waiting: LogSource = { get: async () => undefined, logs: async () => (async function* () {})() };
    pod.status = {
      containerStatuses: [
        {
          name: 'main',
          image: '',
          imageID: '',
          ready: false,
          restartCount: 0,
          state: { waiting: { reason: 'ContainerCreating' } },
        },
      ],
    };
    const other = await setUp({ logs: waiting, pods: () => pod });
    expect(await get(other.server, LOGS)).toEqual({
      status: 400,
      body: 'container "main" in pod "web" is waiting to start: ContainerCreating',
    });
    pod.status.containerStatuses![0]!.state = { waiting: { reason: 'ImagePullBackOff' } };
    expect((await get(other.server, LOGS)).body).toBe(
      'container "main" in pod "web" is waiting to start: trying and failing to pull image',
    );
  });

  it('answers a method that it does not have with 405', async () => {
    const { server } = await setUp();
    const response = await ask(server, LOGS, { ...apiServer, method: 'POST' });
    expect(response.statusCode).toBe(405);
    expect(response.headers.allow).toBe('GET');
    response.resume();
  });

  it('refuses headers that are too long, and more streams than it may have', async () => {
    const { server } = await setUp({ maxStreams: 1 });
    // Whether the answer or the cut comes first, the connection's timing decides.
    const long = await get(server, `/healthz?${'x'.repeat(70_000)}`).catch(() => ({ status: 'cut off' }));
    expect([431, 'cut off']).toContain(long.status);
    expect((await get(server, `/healthz?${'x'.repeat(60_000)}`)).status).toBe(200);
    const first = await ask(server, `${LOGS}?follow=true`);
    expect((await get(server, LOGS)).status).toBe(429);
    first.destroy();
  });

  it('ends open streams when it is closed', async () => {
    const { server } = await setUp();
    const response = await ask(server, `${LOGS}?follow=true`);
    response.on('error', () => undefined);
    const closed = new Promise((resolve) => response.once('close', resolve));
    response.resume();
    await server[Symbol.asyncDispose]();
    await closed;
  });

  it('says so when its port is taken', async () => {
    const { server } = await setUp();
    await expect(setUp({ listen: { host: '127.0.0.1', port: server.port } })).rejects.toMatchObject({
      code: 'Unavailable',
    });
  });
});

/** The numbers are those of the CIS Kubernetes Benchmark; src/kubelet/README.md answers each. */
describe('hardening of the kubelet API', () => {
  it('4.2.1, 4.2.2: lets nobody in anonymously, to no path, and nobody whom the API server does not allow it', async () => {
    const { server, reviewer } = await setUp();
    const paths = [
      '/healthz',
      '/pods',
      '/runningpods/',
      '/stats/summary',
      '/metrics/resource',
      LOGS,
      '/exec/a/b/c',
      '/',
    ];
    for (const path of paths) expect((await get(server, path, { headers: {} })).status, path).toBe(401);
    expect(reviewer.asked).toEqual([]);
    const admin = await authority.issue({ CN: 'admin', O: ['system:masters'] });
    for (const path of paths) expect((await get(server, path, { ...admin })).status, path).toBe(403);
  });

  it('4.2.3: believes certificates of the client CA, and of those only the ones for clients', async () => {
    const { server } = await setUp();
    expect((await get(server, '/healthz')).status).toBe(200);
    const serving = await authority.issue({ CN: 'kube-apiserver' }, undefined, 'server');
    expect((await get(server, '/healthz', { ...serving })).status).toBe(401);
  });

  it('4.2.4: answers nothing without TLS', async () => {
    const { server } = await setUp();
    const socket = connectPlain({ host: '127.0.0.1', port: server.port });
    let answered = '';
    socket.on('data', (chunk) => {
      answered += String(chunk);
    });
    socket.on('error', () => undefined);
    socket.end('GET /pods HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(socket, 'close');
    expect(answered).not.toContain('HTTP/1.1 200');
    expect(answered).not.toContain('PodList');
  });

  it('4.2.5: cuts off a client that takes nothing of a log for four hours', async () => {
    const { VirtualClock } = await import('../../support/virtual-clock.ts');
    const clock = new VirtualClock();
    const cut = Promise.withResolvers<void>();
    const chunk = Buffer.alloc(1 << 20, 'x');
    const stalled = Promise.withResolvers<void>();
    const { server } = await setUp({
      clock,
      auth: { check: async () => ({ allowed: true, user: { name: 'x', groups: [] } }) },
      logs: {
        get: async () => undefined,
        async logs(_ref, _container, _options, signal) {
          signal.addEventListener('abort', () => cut.resolve());
          return (async function* () {
            for (;;) {
              // Written without a wait until the client's buffers are full: then nobody asks for more.
              setImmediate(() => clock.pending > 0 && stalled.resolve());
              yield chunk;
            }
          })();
        },
      },
    });
    const response = await ask(server, LOGS);
    response.on('error', () => undefined);
    response.pause();
    await stalled.promise;
    await clock.advance(4 * 3_600_000);
    await cut.promise;
  });

  it('4.2.9, 4.2.11: takes a new serving certificate without dropping what is open', async () => {
    const held = holdCertificate(certificate);
    const { server, write } = await setUp({ certificate: held });
    const following = await ask(server, `${LOGS}?follow=true`);
    const next = await createServingCertificate({
      address: '127.0.0.1',
      nodeNames: ['demo-zone-a'],
      clock: systemClock,
    });
    held.set(next);
    expect((await get(server, '/healthz', { ...apiServer, ca: next.certificate })).status).toBe(200);
    await expect(get(server, '/healthz')).rejects.toThrow();
    write('still here');
    expect(String((await once(following, 'data'))[0])).toBe('still here\n');
    held.set({ certificate: 'nonsense', key: 'nonsense' });
    expect((await get(server, '/healthz', { ...apiServer, ca: next.certificate })).status).toBe(200);
    following.destroy();
  });

  it.each([
    ['TLS 1.2 with an old cipher', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }],
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
  ] as const)('4.2.12: refuses %s', async (_what, options) => {
    const { server } = await setUp();
    await expect(get(server, '/healthz', { ...apiServer, ...options })).rejects.toThrow(/alert|protocol|handshake/i);
  });

  it('reads no body', async () => {
    const { server } = await setUp();
    const request = httpsRequest({
      ...{ host: '127.0.0.1', port: server.port, path: '/healthz', method: 'POST', agent: false },
      ...{ ...apiServer, ca: certificate.certificate, headers: { 'content-length': 1_000_000_000 } },
    });
    request.on('error', () => undefined);
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(413);
    request.destroy();
  });

  it('gives up on a client that is slow with its headers', async () => {
    const { server } = await setUp({ slowClientMs: 200 });
    const socket = connect({ host: '127.0.0.1', port: server.port, ca: certificate.certificate });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    const [answered] = (await once(socket, 'data')) as [Buffer];
    expect(String(answered)).toContain('408');
    await once(socket, 'close');
  });

  it.each(['run', 'debug/pprof/heap', 'cri/exec/x', 'configz', 'logs', 'checkpoint/a/b/c', 'flagz', 'statusz'])(
    'has no /%s',
    async (path) => {
      const { server } = await setUp({
        auth: { check: async () => ({ allowed: true, user: { name: 'x', groups: [] } }) },
      });
      expect((await get(server, `/${path}`)).status).toBe(501);
    },
  );

  it.each([
    '/pods/..',
    '/%2e%2e/pods',
    '/stats%2fsummary',
    '/metrics/resource%00',
    '/containerLogs/default/web/../../pods',
    '//pods',
  ])('takes %s for no path', async (path) => {
    const { server, reviewer } = await setUp();
    expect((await get(server, path)).status).toBe(400);
    expect(reviewer.asked).toEqual([]);
  });
});

describe('client CA', () => {
  it('is read again, stays while it cannot be read, and tells of changes', async () => {
    const answers: (string | Error)[] = [new Error('down'), 'nonsense', 'A', 'A', new Error('down'), 'B'];
    const pem = (name: string) => `-----BEGIN CERTIFICATE-----${name}`;
    const { VirtualClock } = await import('../../support/virtual-clock.ts');
    const clock = new VirtualClock();
    const ca = createClientCa({
      clock,
      log: silentLogger,
      read: async () => {
        const answer = answers.shift() ?? 'B';
        if (answer instanceof Error) throw answer;
        return answer === 'nonsense' ? answer : pem(answer);
      },
    });
    let changes = 0;
    ca.subscribe(() => changes++);
    const stop = new AbortController();
    const running = ca.run(stop.signal);
    await clock.advance(2000);
    expect(ca.bundle).toBeUndefined();
    await clock.advance(2000);
    expect(ca.bundle).toBe(pem('A'));
    await clock.advance(60_000);
    await clock.advance(60_000);
    expect(ca.bundle).toBe(pem('A'));
    await clock.advance(60_000);
    expect(ca.bundle).toBe(pem('B'));
    expect(changes).toBe(2);
    stop.abort();
    await running;
  });
});
