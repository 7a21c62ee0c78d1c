import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { systemClock } from '../../../src/clock.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { createServingCertificate, type ServingCertificate } from '../../../src/kubelet/certificates.ts';
import { createKubeletServer, type KubeletServer, type KubeletServerOptions } from '../../../src/kubelet/server.ts';
import { fixedCertificate } from '../../../src/kubelet/serving-certificate.ts';
import type { StreamSource } from '../../../src/kubelet/streams/sessions.ts';
import { silentLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { SpdyClient } from '../../support/spdy-client.ts';

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
  const pod: Pod = { metadata: ref, spec: { containers: [{ name: 'main', image: 'i' }] } };
  const signal = new AbortController().signal;
  const operation = { owner: OWNER, zone: 'zone-a', epoch: 1, holder: 'r', signal, timeoutMs: 1000, attempt: 1 };
  await provider.create({ ref, pod, env: {}, volumes: {}, pullSecrets: [], hash: 'h' }, operation);
  const streams: StreamSource = {
    capabilities: provider.capabilities,
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

describe('exec over SPDY', () => {
  it('gives output and success', async () => {
    const { server } = await setUp();
    const client = await spdy(server, '/exec/default/web/main?command=echo&command=hi&output=1&error=1');
    const error = await client.open({ streamtype: 'error' });
    const stdout = await client.open({ streamtype: 'stdout' });
    await client.open({ streamtype: 'stderr' });
    await client.until(() => client.isEnded(error));
    expect(client.text(stdout)).toBe('hi\n');
    expect(JSON.parse(client.text(error))).toEqual({ metadata: {}, status: 'Success' });
  });
});
