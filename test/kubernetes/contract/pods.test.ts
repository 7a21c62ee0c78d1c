import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Api, type Servers, startServers } from './servers.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
  // The real one's ServiceAccounts are a controller's work, and no controllers run here.
  await servers.real?.send('POST', '/api/v1/namespaces/default/serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default' },
  });
});
afterAll(() => servers?.[Symbol.asyncDispose]());

const PODS = '/api/v1/namespaces/default/pods';
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };
const MERGE = { 'content-type': 'application/merge-patch+json' };
const JSON_PATCH = { 'content-type': 'application/json-patch+json' };

function outcome({ status, body }: Answer): unknown {
  return status < 400 ? { status } : { status, reason: body.reason, code: body.code };
}

function pod(name: string, spec: object = {}): object {
  const containers = [{ name: 'main', image: 'registry.example/app:1' }];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } }, spec: { containers, ...spec } };
}

/** The spec without what is drawn at random: the name of the token's volume. */
function defaulted({ status, body }: Answer): unknown {
  return { status, spec: JSON.parse(JSON.stringify(body.spec ?? null).replaceAll(/kube-api-access-\w+/g, 'token')) };
}

const bound = (name: string, more: object = {}): object => pod(name, { nodeName: 'node-of-pods', ...more });

/** What each gives must be the same on both servers, in every field. */
const CASES: Readonly<Record<string, (api: Api) => Promise<unknown>>> = {
  'the defaults of a plain pod': async (api) => defaulted(await api.send('POST', PODS, pod('plain'))),
  'the defaults of ports, probes, volumes and resources': async (api) => {
    const main = {
      name: 'main',
      image: 'registry.example/app',
      ports: [{ containerPort: 80 }],
      livenessProbe: { httpGet: { port: 80 } },
      resources: { limits: { cpu: '500m', memory: '1Gi' } },
      env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    };
    const volumes = [
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'scratch', emptyDir: {} },
    ];
    return defaulted(await api.send('POST', PODS, pod('rich', { containers: [main], volumes })));
  },
  'a pod without containers, and one with a bad port': async (api) => [
    outcome(await api.send('POST', PODS, pod('empty', { containers: [] }))),
    outcome(
      await api.send(
        'POST',
        PODS,
        pod('port', { containers: [{ name: 'a', image: 'b', ports: [{ containerPort: 0 }] }] }),
      ),
    ),
  ],
  'a ServiceAccount that is not there': async (api) =>
    outcome(await api.send('POST', PODS, pod('stranger', { serviceAccountName: 'nobody' }))),
  'a drawn name keeps its beginning': async (api) => {
    const { status, body } = await api.send('POST', PODS, { ...pod(''), metadata: { generateName: 'drawn-' } });
    return { status, right: /^drawn-[a-z0-9]{5}$/.test(body.metadata.name) };
  },
  'no name at all': async (api) => outcome(await api.send('POST', PODS, { ...pod(''), metadata: {} })),
  'an image may change, a command may not': async (api) => {
    await api.send('POST', PODS, pod('changed'));
    const change = async (container: object): Promise<unknown> =>
      outcome(await api.send('PATCH', `${PODS}/changed`, { spec: { containers: [container] } }, STRATEGIC));
    return [
      await change({ name: 'main', image: 'registry.example/app:2' }),
      await change({ name: 'main', args: ['x'] }),
    ];
  },
  'status and spec keep out of each other': async (api) => {
    await api.send('POST', PODS, pod('apart'));
    const patch = { metadata: { labels: { new: 'yes' } }, spec: { nodeName: 'x' }, status: { phase: 'Running' } };
    const { status, body } = await api.send('PATCH', `${PODS}/apart/status`, patch, MERGE);
    const { body: after } = await api.send('GET', `${PODS}/apart`);
    return { status, phase: body.status.phase, node: after.spec.nodeName ?? '', labels: after.metadata.labels };
  },
  'conditions merge by type': async (api) => {
    await api.send('POST', PODS, pod('conditions'));
    const patch = (type: string, status: string): Promise<Answer> =>
      api.send('PATCH', `${PODS}/conditions/status`, { status: { conditions: [{ type, status }] } }, STRATEGIC);
    await patch('Ready', 'False');
    await patch('Initialized', 'True');
    const { body } = await patch('Ready', 'True');
    return body.status.conditions.map((one: { type: string; status: string }) => `${one.type}=${one.status}`).sort();
  },
  'a JSON patch whose test fails, and one whose path is missing': async (api) => {
    await api.send('POST', PODS, pod('tested'));
    const patch = async (...operations: object[]): Promise<unknown> =>
      outcome(await api.send('PATCH', `${PODS}/tested`, operations, JSON_PATCH));
    return [
      await patch({ op: 'test', path: '/metadata/name', value: 'other' }),
      await patch({ op: 'remove', path: '/metadata/annotations/none' }),
    ];
  },
  'deletion: at once without a node, in time with one, at once when forced': async (api) => {
    await api.send('POST', PODS, pod('loose'));
    await api.send('POST', PODS, bound('held'));
    const first = await api.send('DELETE', `${PODS}/loose`);
    const gone = outcome(await api.send('GET', `${PODS}/loose`));
    const second = await api.send('DELETE', `${PODS}/held`, { gracePeriodSeconds: 20 });
    const third = await api.send('DELETE', `${PODS}/held`, { gracePeriodSeconds: 5 });
    const forced = await api.send('DELETE', `${PODS}/held`, { gracePeriodSeconds: 0 });
    const grace = (answer: Answer): unknown => [
      answer.status,
      answer.body.metadata?.deletionGracePeriodSeconds ?? 'none',
    ];
    return [
      first.status,
      gone,
      grace(second),
      grace(third),
      forced.status,
      outcome(await api.send('GET', `${PODS}/held`)),
    ];
  },
  'a leader names what it decided upon: status, and the removal of a pod that is going': async (api) => {
    const { body: first } = await api.send('POST', PODS, bound('fenced'));
    const { uid, resourceVersion: old } = first.metadata;
    const merge = { 'content-type': 'application/merge-patch+json' };
    const status = async (metadata: object): Promise<Answer> =>
      await api.send('PATCH', `${PODS}/fenced/status`, { metadata, status: { message: 'said' } }, merge);
    const remove = async (preconditions: object): Promise<unknown> =>
      outcome(await api.send('DELETE', `${PODS}/fenced`, { gracePeriodSeconds: 0, preconditions }));
    const annotations = { note: 'rides along' };
    const written = await status({ uid, resourceVersion: old, annotations });
    const refused = [
      outcome(await status({ uid, resourceVersion: old })),
      outcome(await status({ uid: 'e0000000-0000-0000-0000-000000000000' })),
    ];
    const { body: going } = await api.send('DELETE', `${PODS}/fenced`, { gracePeriodSeconds: 30 });
    return [
      written.status,
      written.body.metadata?.annotations,
      written.body.status?.message,
      ...refused,
      await remove({ uid, resourceVersion: old }),
      await remove({ uid: 'e0000000-0000-0000-0000-000000000000' }),
      await remove({ uid, resourceVersion: going.metadata?.resourceVersion }),
      outcome(await api.send('GET', `${PODS}/fenced`)),
    ];
  },
  'a leader names the version of its Node': async (api) => {
    const nodes = '/api/v1/nodes';
    const { body: first } = await api.send('POST', nodes, { metadata: { name: 'fenced' } });
    const { uid, resourceVersion } = first.metadata;
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    const capacity = { cpu: '8' };
    const status = async (metadata: object): Promise<Answer> =>
      await api.send('PATCH', `${nodes}/fenced/status`, { metadata, status: { capacity } }, strategic);
    const written = await status({ uid, resourceVersion, annotations: { note: 'rides along' } });
    return [
      written.status,
      written.body.metadata?.annotations?.note,
      outcome(await status({ uid, resourceVersion })),
      outcome(await status({ uid: 'e0000000-0000-0000-0000-000000000000' })),
    ];
  },
  'a finalizer holds': async (api) => {
    await api.send('POST', PODS, { ...pod(''), metadata: { name: 'finalized', finalizers: ['zonelet.dev/test'] } });
    await api.send('DELETE', `${PODS}/finalized`);
    const { body } = await api.send('GET', `${PODS}/finalized`);
    const last = await api.send('PATCH', `${PODS}/finalized`, { metadata: { finalizers: null } }, MERGE);
    return [
      body.metadata.deletionTimestamp !== undefined,
      last.status,
      outcome(await api.send('GET', `${PODS}/finalized`)),
    ];
  },
  'a pod is bound once': async (api) => {
    await api.send('POST', PODS, pod('bindable'));
    const bind = async (name: string): Promise<unknown> =>
      outcome(
        await api.send('POST', `${PODS}/bindable/binding`, {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name: 'bindable' },
          target: { kind: 'Node', name },
        }),
      );
    const answers = [await bind('one'), await bind('two')];
    const { body } = await api.send('GET', `${PODS}/bindable`);
    return [answers, body.spec.nodeName, body.status.conditions.map((one: { type: string }) => one.type)];
  },
  'a trial leaves nothing': async (api) => [
    outcome(await api.send('POST', `${PODS}?dryRun=All`, pod('trial'))),
    outcome(await api.send('GET', `${PODS}/trial`)),
  ],
  'pods are chosen by node and by label': async (api) => {
    await api.send('POST', PODS, bound('chosen', { nodeName: 'chosen-node' }));
    const names = async (query: string): Promise<string[]> =>
      (await api.send('GET', `${PODS}?${query}`)).body.items.map(
        (one: { metadata: { name: string } }) => one.metadata.name,
      );
    return [
      await names('fieldSelector=spec.nodeName%3Dchosen-node'),
      await names('labelSelector=app%20in%20(chosen,none)'),
    ];
  },
  'a node is new until it is ready': async (api) => {
    const { status, body } = await api.send('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'fresh' },
    });
    return { status, taints: body.spec.taints };
  },
  "a Lease's times have microseconds": async (api) => {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const make = (name: string, spec: object): Promise<Answer> =>
      api.send('POST', leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name }, spec });
    const good = await make('good', { renewTime: '2026-01-02T03:04:05.000006Z', leaseDurationSeconds: 6 });
    return [good.status, good.body.spec, outcome(await make('bad', { leaseDurationSeconds: 0 }))];
  },
  'a token that is none is not authenticated': async (api) => {
    const { status, body } = await api.send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: 'nonsense' },
    });
    return { status, authenticated: body.status.authenticated ?? false };
  },
  'a deployment is scaled': async (api) => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    const template = { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'main', image: 'a:1' }] } };
    const made = await api.send('POST', deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd' },
      spec: { selector: { matchLabels: { app: 'd' } }, template },
    });
    const scaled = await api.send('PATCH', `${deployments}/d/scale`, { spec: { replicas: 3 } }, MERGE);
    return [made.status, made.body.spec, scaled.status, scaled.body.kind, scaled.body.spec];
  },
  'what is not served, and what may not be done to it': async (api) => [
    (await api.send('GET', '/apis/none.example/v1/things')).status,
    outcome(await api.send('PUT', PODS, pod('put'))),
  ],
  'the columns of pods and of nodes': async (api) => {
    const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const columns = async (path: string): Promise<unknown> =>
      (await api.send('GET', path, undefined, accept)).body.columnDefinitions.map(
        ({ name, type, priority }: { name: string; type: string; priority: number }) => [name, type, priority],
      );
    return [await columns(PODS), await columns('/api/v1/nodes')];
  },
};

test.for(Object.entries(CASES))('alike on both servers: %s', async ([, run], { skip }) => {
  const embedded = await run(servers.embedded);
  if (servers.real === undefined) return skip();
  expect(embedded).toEqual(await run(servers.real));
});
