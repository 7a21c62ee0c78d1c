/** The fence inside a real API server: what it refuses, what it lets pass, and how far it lags behind a claim. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { systemClock } from '../../src/clock.ts';
import { runCommandLine } from '../../src/commands/command-line.ts';
import { waitFor } from '../../src/commands/demo/wait-for.ts';
import { EPOCH_ANNOTATION, WRITER_EPOCH_ANNOTATION } from '../../src/election/names.ts';
import { createTermClient } from '../../src/fence/term-client.ts';
import { createKubeClient } from '../../src/kube/api-client.ts';
import { connect } from '../../src/kube/connect.ts';
import { PODS } from '../../src/kube/resources.ts';
import type { ApiRequest } from '../../src/kube/transport.ts';
import { testEnvironment } from '../unit/commands/environment.ts';
import { testTerm } from '../unit/pods/stage.ts';
import { HOW_TO_GET, missing, PROGRAMS } from './binaries.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: objects of every kind
  readonly body: any;
  readonly warning: string;
}

const USER = 'system:serviceaccount:zonelet:zonelet';
const NODE = 'shop-zone-a';
const POLICIES = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const PODS_PATH = '/api/v1/namespaces/default/pods';
const LAG_ROUNDS = 30;

describe.skipIf(missing(PROGRAMS).length > 0)(`the fence inside a real API server (${HOW_TO_GET})`, () => {
  let folder: string;
  let plane: ControlPlane;
  let agent: Agent;
  let epoch = 7;
  let pods = 0;
  const undo = new AsyncDisposableStack();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'zonelet-fence-'));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    plane = undo.use(
      await startControlPlane({
        folder,
        // The node controller writes statuses of nodes and pods soon.
        controllerManagerFlags: [
          '--node-monitor-period=1s',
          '--node-monitor-grace-period=6s',
          '--node-startup-grace-period=6s',
        ],
      }),
    );
    agent = new Agent({ connect: { ca: plane.ca } });
    undo.defer(() => agent.destroy());
    await send('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'zonelet' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'User', name: USER, apiGroup: 'rbac.authorization.k8s.io' }],
    });
    for (const name of [NODE, 'shop-zone-b']) {
      await send('POST', '/api/v1/nodes', { metadata: { name, annotations: { [EPOCH_ANNOTATION]: String(epoch) } } });
    }
    await until('no taint of a new node', async () => {
      await send('PATCH', `/api/v1/nodes/${NODE}`, { spec: { taints: null } });
      return true;
    });
  });
  afterAll(() => undo.disposeAsync());
  beforeEach(() => claim(++epoch));

  async function send(method: string, path: string, body?: unknown, as?: string): Promise<Answer> {
    const answer = await request(`${plane.server}${path}`, {
      method: method as 'GET',
      dispatcher: agent,
      headers: {
        authorization: `Bearer ${plane.token}`,
        'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        ...(as === undefined ? {} : { 'impersonate-user': as }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return {
      status: answer.statusCode,
      body: JSON.parse(await answer.body.text()),
      warning: String(answer.headers.warning ?? ''),
    };
  }

  const until = (what: string, holds: () => Promise<boolean>): Promise<void> =>
    waitFor(what, holds, { clock: systemClock, limitMs: 60_000, signal: new AbortController().signal });

  /** As the command prints it. */
  async function install(action: 'warn' | 'enforce'): Promise<void> {
    const zones = ['zone-a', 'zone-b'].map((name) => ({ name, provider: { kind: 'simulated' } }));
    const config = { apiVersion: 'zonelet.dev/v1alpha1', kind: 'Zonelet', set: 'shop', zones };
    await writeFile(join(folder, 'shop.yaml'), JSON.stringify({ ...config, fence: { admissionPolicy: action } }));
    const environment = testEnvironment(['fence-policy', '-c', 'shop.yaml', '--user', USER], { cwd: folder });
    expect(await runCommandLine(environment), environment.err.join('')).toBe(0);
    for (const document of parseAllDocuments(environment.out.join(''))) {
      const manifest = document.toJS();
      const path = manifest.kind === 'ValidatingAdmissionPolicy' ? POLICIES : BINDINGS;
      await send('DELETE', `${path}/${manifest.metadata.name}`);
      const { status, body } = await send('POST', path, manifest);
      expect(status, JSON.stringify(body)).toBe(201);
    }
    // The API server takes a policy up by a watch of its own.
    const probe = await makePod();
    await until('the policy to be in force', async () => {
      const { status, warning } = await podStatus(probe, 1);
      return action === 'enforce' ? status === 403 : warning.includes('fenced');
    });
  }

  const claim = (to: number) =>
    send('PATCH', `/api/v1/nodes/${NODE}`, { metadata: { annotations: { [EPOCH_ANNOTATION]: String(to) } } });

  async function makePod(nodeName = NODE): Promise<string> {
    const name = `pod-${++pods}`;
    const spec = {
      nodeName,
      automountServiceAccountToken: false,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'app', image: 'registry.example/app:1' }],
    };
    const { status, body } = await send('POST', PODS_PATH, { metadata: { name }, spec });
    expect(status, JSON.stringify(body)).toBe(201);
    return name;
  }

  const statusBody = (by: number | undefined) => ({
    metadata: by === undefined ? {} : { annotations: { [WRITER_EPOCH_ANNOTATION]: String(by) } },
    status: { message: `said by ${by}` },
  });
  const podStatus = (pod: string, by: number | undefined) =>
    send('PATCH', `${PODS_PATH}/${pod}/status`, statusBody(by), USER);
  const nodeStatus = (by: number) => {
    const status = { conditions: [{ type: 'Ready', status: 'True', reason: `By${by}` }] };
    return send('PATCH', `/api/v1/nodes/${NODE}/status`, { ...statusBody(by), status }, USER);
  };

  test('enforce: a stale epoch is refused, for pods and for the Node; the present one and a later one pass', async () => {
    await install('enforce');
    const pod = await makePod();
    await until('the claim to be known', async () => (await podStatus(pod, epoch - 1)).status === 403);
    expect((await podStatus(pod, epoch)).status).toBe(200);
    expect((await podStatus(pod, epoch - 1)).body).toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining(`fenced: epoch ${epoch - 1} is below ${epoch}`),
    });
    expect((await nodeStatus(epoch)).status).toBe(200);
    expect((await nodeStatus(epoch - 1)).status).toBe(403);
    // Ahead of the policy's knowledge of the Node: the object itself says who wrote last.
    expect((await podStatus(pod, epoch + 1)).status).toBe(200);
    expect((await podStatus(pod, epoch)).status).toBe(403);
    const never = await podStatus(await makePod(), undefined);
    expect(never.body.message).toContain('no epoch is carried');
  });

  test("enforce: others' pods, others' writes, node Leases and the metadata of the Node are nobody's business", async () => {
    const pod = await makePod();
    await until('the claim to be known', async () => (await podStatus(pod, epoch - 1)).status === 403);
    expect((await podStatus(await makePod('shop-zone-b'), 7)).status).toBe(200);
    expect((await podStatus(await makePod('somebody-elses-node'), undefined)).status).toBe(200);
    expect((await send('PATCH', `${PODS_PATH}/${pod}/status`, statusBody(undefined))).status).toBe(200);
    const lease = { metadata: { name: NODE, namespace: 'kube-node-lease' }, spec: { holderIdentity: NODE } };
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    expect((await send('POST', leases, lease, USER)).status).toBe(201);
    expect((await send('PATCH', `${leases}/${NODE}`, { spec: { leaseDurationSeconds: 40 } }, USER)).status).toBe(200);
    expect((await send('PATCH', `/api/v1/nodes/${NODE}`, { metadata: { labels: { a: 'b' } } }, USER)).status).toBe(200);
  });

  test('enforce: the node controller writes the statuses of a node that fell silent and of its pods', async () => {
    const pod = await makePod();
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }];
    const body = { metadata: { annotations: { [WRITER_EPOCH_ANNOTATION]: String(epoch) } }, status: { conditions } };
    expect((await send('PATCH', `${PODS_PATH}/${pod}/status`, body, USER)).status).toBe(200);
    expect((await nodeStatus(epoch)).status).toBe(200);
    const ready = async (path: string): Promise<string | undefined> =>
      (await send('GET', path)).body.status.conditions?.find(({ type }: { type: string }) => type === 'Ready')?.status;
    await until('the node to be Unknown', async () => (await ready(`/api/v1/nodes/${NODE}`)) === 'Unknown');
    await until('its pod not to be Ready', async () => (await ready(`${PODS_PATH}/${pod}`)) === 'False');
    // And that has fenced nobody.
    expect((await podStatus(pod, epoch)).status).toBe(200);
    expect((await nodeStatus(epoch)).status).toBe(200);
  });

  test('the expressions are sound for both kinds, as the API server checks them', async () => {
    const policy = async () => (await send('GET', `${POLICIES}/zonelet-shop-fence`)).body;
    await until('the check', async () => (await policy()).status?.typeChecking !== undefined);
    expect((await policy()).status.typeChecking.expressionWarnings ?? []).toEqual([]);
  });

  test('enforce: a leader whose status is refused learns that its term is over, and what stands there', async () => {
    await using access = await connect({ kubeconfig: plane.kubeconfig, env: {}, clock: systemClock });
    const { transport } = access;
    const asReplica = {
      ...transport,
      request: (of: ApiRequest) => transport.request({ ...of, headers: { ...of.headers, 'impersonate-user': USER } }),
    };
    const client = createKubeClient({ transport: asReplica, clock: systemClock });
    const at = { namespace: 'default', name: await makePod() };
    const write = async (of: number) => {
      const by: string[] = [];
      const term = testTerm(of);
      const writes = createTermClient({ client, term, policyNode: NODE, onFenced: (who) => by.push(who) });
      const patch = { type: 'merge', body: { status: { message: `of ${of}` } } } as const;
      const outcome = await writes
        .patch(PODS, await client.get(PODS, at), patch, { subresource: 'status' })
        .catch((error: unknown) => error);
      return { outcome, term, by };
    };
    await until('the claim to be known', async () => (await podStatus(at.name, epoch - 1)).status === 403);
    const present = await write(epoch);
    expect(present.outcome).toMatchObject({
      metadata: { annotations: { [WRITER_EPOCH_ANNOTATION]: String(epoch) } },
      status: { message: `of ${epoch}` },
    });
    const stale = await write(epoch - 1);
    expect(stale.outcome).toMatchObject({ code: 'Fenced' });
    expect(stale.by).toEqual(['api-server']);
    expect(stale.term.over).toBe(true);
  });

  test('how far the policy lags behind a claim', async () => {
    const lagsMs: number[] = [];
    for (let round = 0; round < LAG_ROUNDS; round++) {
      const pod = await makePod();
      await podStatus(pod, epoch);
      await claim(++epoch);
      const claimed = performance.now();
      while ((await podStatus(pod, epoch - 1)).status === 200) expect(performance.now() - claimed).toBeLessThan(10_000);
      lagsMs.push(performance.now() - claimed);
    }
    lagsMs.sort((a, b) => a - b);
    const at = (share: number): string => `${lagsMs[Math.ceil(share * LAG_ROUNDS) - 1]?.toFixed(1)} ms`;
    console.log(`policy knows of a claim after (${LAG_ROUNDS} rounds): p50 ${at(0.5)}, max ${at(1)}`);
  });

  test('warn: what is stale passes, and says so', async () => {
    await install('warn');
    const pod = await makePod();
    await until('the claim to be known', async () => (await podStatus(pod, epoch - 1)).warning.includes('fenced'));
    expect(await podStatus(pod, epoch - 1)).toMatchObject({ status: 200 });
    expect(await podStatus(pod, epoch)).toMatchObject({ status: 200, warning: '' });
  });
});
