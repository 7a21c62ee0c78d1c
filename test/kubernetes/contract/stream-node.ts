/** A node with one simulated pod, whose kubelet API runs in this process: all that kubectl exec and the like need. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { SimulatedBackend } from '../../../providers/simulated/backend.ts';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { systemClock } from '../../../src/clock.ts';
import type { Term } from '../../../src/election/term.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { createServingCertificate } from '../../../src/kubelet/certificates.ts';
import { createKubeletServer } from '../../../src/kubelet/server.ts';
import { fixedCertificate } from '../../../src/kubelet/serving-certificate.ts';
import { kubeconfigText } from '../../../src/local-cluster/api-server/server/kubeconfig.ts';
import { silentLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { createGuard } from '../../../src/provider/guard.ts';

export const OWNER = 'cluster/demo';

export interface StreamNode extends AsyncDisposable {
  readonly kubeconfig: string;
  readonly backend: SimulatedBackend;
  readonly podUid: string;
  /** Ends the term of the node's leader. */
  loseTerm(): void;
}

export interface StreamCluster {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}

export async function startStreamNode({ server, ca, token }: StreamCluster): Promise<StreamNode> {
  await using started = new AsyncDisposableStack();
  const agent = new Agent({ connect: { ca } });
  started.defer(() => agent.destroy());
  const send = async (method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown): Promise<unknown> => {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const answer = await request(`${server}${path}`, {
      method,
      dispatcher: agent,
      headers: { authorization: `Bearer ${token}`, 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const given = await answer.body.text();
    if (answer.statusCode >= 300 && answer.statusCode !== 409) throw new Error(`${method} ${path}: ${given}`);
    return JSON.parse(given);
  };

  const backend = createSimulatedBackend({ zone: 'zone-a', clock: systemClock });
  const life = new AbortController();
  const term: Term = {
    zone: 'zone-a',
    epoch: 1,
    holder: 'replica-0',
    since: 0,
    leaderlessMs: undefined,
    cause: 'first',
    signal: life.signal,
    ending: life.signal,
    mayAct: () => !life.signal.aborted,
    remainingMs: () => 10_000,
    handOver() {},
    stay() {},
    lose() {},
  };
  const metrics = createMetrics({ set: 'demo', version: '0', runtime: false });
  const guard = createGuard({
    provider: createSimulatedProvider(backend, systemClock),
    clock: systemClock,
    metrics: metrics.provider,
    log: silentLogger,
  });
  const mutations = guard.forTerm(term, OWNER);
  let pod: Pod | undefined;
  const certificate = await createServingCertificate({
    address: '127.0.0.1',
    nodeNames: ['demo-zone-a'],
    clock: systemClock,
  });
  const kubelet = started.use(
    await createKubeletServer({
      zone: 'zone-a',
      nodeName: 'demo-zone-a',
      listen: { host: '127.0.0.1', port: 0 },
      certificate: fixedCertificate(certificate),
      clientCa: { bundle: undefined, subscribe: () => () => {} },
      // Who may is tested elsewhere; here the API server need not be believed.
      auth: { check: async () => ({ allowed: true, user: { name: 'anybody', groups: [] } }) },
      pods: (namespace, name) => (namespace === 'default' && name === 'web' ? pod : undefined),
      logs: {
        get: (ref, signal) => guard.get(OWNER, ref, signal),
        logs: (ref, container, options, signal) => guard.logs(OWNER, ref, container, options, signal),
      },
      streams: {
        offers: (kind) => guard.capabilities[kind],
        get: (ref, signal) => guard.get(OWNER, ref, signal),
        exec: (ref, container, options, streams, signal) => guard.exec(OWNER, ref, container, options, streams, signal),
        attach: (ref, container, streams, signal) => guard.attach(OWNER, ref, container, streams, signal),
        portForward: (ref, port, signal) => guard.portForward(OWNER, ref, port, signal),
      },
      node: { pods: () => [], list: async () => ({ pods: [], complete: true }), stats: async () => [] },
      metrics: metrics.kubelet,
      clock: systemClock,
      log: silentLogger,
    }),
  );

  await send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'demo-zone-a' } });
  await send('PATCH', '/api/v1/nodes/demo-zone-a/status', {
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } },
    },
  });
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', account);
  pod = (await send('POST', '/api/v1/namespaces/default/pods', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: {
      nodeName: 'demo-zone-a',
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'registry.example/web:1', stdin: true, tty: true }],
    },
  })) as Pod;
  const podUid = pod.metadata?.uid ?? '';
  const ref = { uid: podUid, namespace: 'default', name: 'web' };
  await mutations.create({ ref, pod, env: {}, volumes: {}, pullSecrets: [], hash: 'h' });
  const containerStatuses = [
    {
      name: 'main',
      image: 'registry.example/web:1',
      imageID: '',
      ready: true,
      restartCount: 0,
      state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
    },
  ];
  pod = (await send('PATCH', '/api/v1/namespaces/default/pods/web/status', {
    status: { phase: 'Running', containerStatuses },
  })) as Pod;

  const folder = mkdtempSync(join(tmpdir(), 'zonelet-stream-node-'));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigText({ url: server, ca, token }));
  const running = started.move();
  return {
    kubeconfig,
    backend,
    podUid,
    loseTerm: () => life.abort(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
