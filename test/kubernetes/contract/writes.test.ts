import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Api, type Servers, startServers } from './servers.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers?.[Symbol.asyncDispose]());

const CORE = '/api/v1/namespaces/default';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };
const JSON_PATCH = { 'content-type': 'application/json-patch+json' };

function outcome({ status, body }: Answer): unknown {
  if (status < 400) return { status };
  const fields = (body.details?.causes ?? []).map((one: { reason: string; field: string }) => [one.reason, one.field]);
  return { status, reason: body.reason, fields: fields.sort() };
}

const map = (metadata: object, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata,
  ...more,
});
const secret = (name: string, more: object): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  ...more,
});
const node = (name: string, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  ...more,
});
const deployment = (name: string, spec: object = {}): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'main', image: 'app:1', env: [{ name: 'A', value: '1' }] }] },
    },
    ...spec,
  },
});

interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string }[];
}

/** What each gives must be the same on both servers, in every field. */
const CASES: Readonly<Record<string, (api: Api) => Promise<unknown>>> = {
  'names, labels and annotations that are none': async (api) => {
    const make = async (metadata: object): Promise<unknown> =>
      outcome(await api.send('POST', `${CORE}/configmaps`, map(metadata)));
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'u' };
    return [
      await make({}),
      await make({ name: 'a'.repeat(254) }),
      await make({ name: 'x', labels: { 'bad key': 'x' } }),
      await make({ name: 'x', labels: { key: '-bad-' } }),
      await make({ name: 'x', labels: { key: 'v'.repeat(64) } }),
      await make({ name: 'x', annotations: { 'bad key': 'x' } }),
      await make({ name: 'x', annotations: { key: 'v'.repeat(262_145) } }),
      await make({ name: 'x', namespace: 'elsewhere' }),
      await make({ name: 'x', finalizers: ['unqualified'] }),
      await make({ name: 'x', resourceVersion: '1' }),
      await make({ name: 'x', ownerReferences: [{ ...owner, uid: '' }] }),
      await make({ name: 'x', ownerReferences: [{ ...owner, name: '' }] }),
      await make({ name: 'x', ownerReferences: [{ ...owner, kind: '' }] }),
      await make({
        name: 'x',
        ownerReferences: [
          { ...owner, controller: true },
          { ...owner, uid: 'v', controller: true },
        ],
      }),
      await make({ generateName: 'UPPER-' }),
    ];
  },
  'preconditions of patches': async (api) => {
    await api.send('POST', `${CORE}/configmaps`, map({ name: 'guard' }));
    const patch = async (metadata: object): Promise<unknown> =>
      outcome(await api.send('PATCH', `${CORE}/configmaps/guard`, { metadata }, MERGE));
    return [
      await patch({ uid: 'other' }),
      await patch({ resourceVersion: '1' }),
      await patch({ name: 'other' }),
      await patch({ namespace: 'other' }),
    ];
  },
  'patches that are none': async (api) => {
    await api.send('POST', `${CORE}/configmaps`, map({ name: 'patched' }));
    const path = `${CORE}/configmaps/patched`;
    return [
      outcome(await api.send('PATCH', path, '{', MERGE)),
      outcome(await api.send('PATCH', path, '[]', MERGE)),
      outcome(await api.send('PATCH', path, { data: 'text' }, MERGE)),
      outcome(await api.send('PATCH', path, {}, JSON_PATCH)),
      outcome(await api.send('PATCH', path, [{ op: 'nonsense', path: '/data' }], JSON_PATCH)),
      outcome(await api.send('PATCH', path, { data: { a: 1 } }, STRATEGIC)),
      outcome(await api.send('PATCH', `${CORE}/configmaps/nobody`, {}, MERGE)),
    ];
  },
  'what is immutable stays': async (api) => {
    await api.send('POST', `${CORE}/configmaps`, map({ name: 'fixed' }, { data: { a: '1' }, immutable: true }));
    const patch = async (body: object): Promise<unknown> =>
      outcome(await api.send('PATCH', `${CORE}/configmaps/fixed`, body, MERGE));
    return [
      await patch({ data: { a: '2' } }),
      await patch({ immutable: null }),
      await patch({ metadata: { labels: { a: 'b' } } }),
    ];
  },
  secrets: async (api) => {
    const made = await api.send('POST', `${CORE}/secrets`, secret('plain', { stringData: { a: 'text' } }));
    const make = async (more: object): Promise<unknown> =>
      outcome(await api.send('POST', `${CORE}/secrets`, secret('bad', more)));
    return [
      [made.body.data, made.body.stringData, made.body.type],
      await make({ data: { a: '***' } }),
      await make({ data: { 'bad key': 'YQ==' } }),
      await make({ type: 'kubernetes.io/dockerconfigjson' }),
      await make({ type: 'kubernetes.io/tls' }),
      outcome(await api.send('PATCH', `${CORE}/secrets/plain`, { type: 'other' }, MERGE)),
    ];
  },
  'the defaults of a Deployment and its generations': async (api) => {
    const made = await api.send('POST', DEPLOYMENTS, deployment('plain'));
    const patch = async (path: string, body: object): Promise<unknown> =>
      (await api.send('PATCH', `${DEPLOYMENTS}/plain${path}`, body, MERGE)).body.metadata.generation;
    return [
      made.body.spec,
      made.body.metadata.generation,
      await patch('', { metadata: { labels: { a: 'b' } } }),
      await patch('', { spec: { replicas: 3 } }),
      await patch('/status', { spec: { replicas: 9 }, status: { replicas: 2 } }),
    ];
  },
  'Deployments that are none': async (api) => {
    const make = async (spec: object): Promise<unknown> =>
      outcome(await api.send('POST', DEPLOYMENTS, deployment('bad', spec)));
    await api.send('POST', DEPLOYMENTS, deployment('chosen'));
    return [
      await make({ replicas: -1 }),
      await make({ selector: { matchLabels: { other: 'x' } } }),
      await make({ selector: {} }),
      await make({ strategy: { type: 'Nonsense' } }),
      await make({
        template: {
          metadata: { labels: { app: 'bad' } },
          spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'b' }] },
        },
      }),
      outcome(
        await api.send('PATCH', `${DEPLOYMENTS}/chosen`, { spec: { selector: { matchLabels: { x: 'y' } } } }, MERGE),
      ),
    ];
  },
  // The order of what a patch adds is not held to: a real one puts it first, the embedded one last.
  'strategic merge by name, with directives': async (api) => {
    await api.send('POST', DEPLOYMENTS, deployment('merged'));
    const patch = async (containers: object[]): Promise<unknown> => {
      const spec = { template: { spec: { containers } } };
      const { status, body } = await api.send('PATCH', `${DEPLOYMENTS}/merged`, { spec }, STRATEGIC);
      if (status >= 400) return { status, reason: body.reason };
      const merged: Container[] = body.spec.template.spec.containers;
      return merged
        .map(({ name, image, env = [] }) => [name, image, ...env.map((one) => one.name).sort()].join(' '))
        .sort();
    };
    return [
      await patch([{ name: 'main', env: [{ name: 'B', value: '2' }] }]),
      await patch([{ name: 'side', image: 'side:1' }]),
      await patch([{ name: 'main', env: [{ name: 'A', $patch: 'delete' }] }]),
      await patch([{ name: 'side', $patch: 'delete' }]),
      await patch([{ $patch: 'replace' }, { name: 'new', image: 'new:1' }]),
      await patch([{ image: 'without-name' }]),
    ];
  },
  scale: async (api) => {
    await api.send('POST', DEPLOYMENTS, deployment('scaled'));
    const path = `${DEPLOYMENTS}/scaled/scale`;
    const read = await api.send('GET', path);
    const more = await api.send('PATCH', path, { spec: { replicas: 4 } }, MERGE);
    const bad = await api.send('PATCH', path, { spec: { replicas: -4 } }, MERGE);
    return [read.body.kind, read.body.spec, read.body.status, more.status, more.body.spec, outcome(bad)];
  },
  'nodes: taints by key, status apart, names': async (api) => {
    await api.send(
      'POST',
      '/api/v1/nodes',
      node('tainted', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }),
    );
    const path = '/api/v1/nodes/tainted';
    const patch = async (taint: object): Promise<unknown> => {
      const { status, body } = await api.send('PATCH', path, { spec: { taints: [taint] } }, STRATEGIC);
      return status < 400
        ? body.spec.taints.map((one: { key: string; effect: string }) => [one.key, one.effect])
        : outcome({ status, body });
    };
    const conditions = [{ type: 'Ready', status: 'True' }];
    const status = await api.send(
      'PATCH',
      `${path}/status`,
      { spec: { unschedulable: true }, status: { conditions } },
      STRATEGIC,
    );
    return [
      await patch({ key: 'b', effect: 'NoExecute' }),
      await patch({ key: 'b', effect: 'Nonsense' }),
      status.body.status.conditions,
      outcome(await api.send('POST', '/api/v1/nodes', node('Bad_Name'))),
    ];
  },
  'Leases that are none': async (api) => {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const make = async (spec: object): Promise<unknown> =>
      outcome(
        await api.send('POST', leases, {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { name: 'bad' },
          spec,
        }),
      );
    return [
      await make({ renewTime: 'yesterday' }),
      await make({ leaseDurationSeconds: -1 }),
      await make({ leaseTransitions: -1 }),
      await make({ holderIdentity: '' }),
      await make({ leaseDurationSeconds: 'x' }),
    ];
  },
  Events: async (api) => {
    const make = async (involvedObject: object, more: object = {}): Promise<unknown> =>
      outcome(
        await api.send('POST', `${CORE}/events`, {
          apiVersion: 'v1',
          kind: 'Event',
          metadata: { generateName: 'e.' },
          involvedObject,
          reason: 'Seen',
          message: 'seen',
          type: 'Normal',
          ...more,
        }),
      );
    return [
      await make({ kind: 'Pod', namespace: 'default', name: 'a' }),
      await make({ kind: 'Pod', namespace: 'elsewhere', name: 'a' }),
      await make({ kind: 'Node', name: 'a' }),
    ];
  },
  'all of a kind, by label': async (api) => {
    for (const name of ['all-a', 'all-b'])
      await api.send('POST', `${CORE}/configmaps`, map({ name, labels: { all: 'yes' } }));
    const trial = await api.send('DELETE', `${CORE}/configmaps?labelSelector=all&dryRun=All`);
    const before = await api.send('GET', `${CORE}/configmaps?labelSelector=all`);
    const gone = await api.send('DELETE', `${CORE}/configmaps?labelSelector=all`);
    const after = await api.send('GET', `${CORE}/configmaps?labelSelector=all`);
    return [trial.status, before.body.items.length, gone.status, gone.body.kind, after.body.items.length];
  },
  'bodies of the wrong kind': async (api) => [
    outcome(await api.send('POST', `${CORE}/configmaps`, { ...map({ name: 'k' }), kind: 'Secret' })),
    outcome(await api.send('POST', `${CORE}/configmaps`, { ...map({ name: 'k' }), apiVersion: 'v2' })),
    outcome(await api.send('POST', `${CORE}/configmaps`, 'text')),
    outcome(await api.send('POST', `${CORE}/configmaps?dryRun=Some`, map({ name: 'k' }))),
    outcome(await api.send('POST', `${CORE}/configmaps?fieldValidation=Strict`, map({ name: 'k' }, { nothing: 1 }))),
    outcome(await api.send('PUT', `${CORE}/configmaps/a`, map({ name: 'b' }))),
  ],
};

test.for(Object.entries(CASES))('alike on both servers: %s', async ([, run], { skip }) => {
  const embedded = await run(servers.embedded);
  if (servers.real === undefined) return skip();
  expect(embedded).toEqual(await run(servers.real));
});
