import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, type Api, type Servers, startServers } from './servers.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
  for (const api of [servers.embedded, servers.real]) await api?.send('POST', '/api/v1/namespaces', namespace('reads'));
});
afterAll(() => servers?.[Symbol.asyncDispose]());

const MAPS = '/api/v1/namespaces/reads/configmaps';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const namespace = (name: string): object => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const map = (name: string, labels: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
});

function outcome({ status, body }: Answer): unknown {
  return status < 400 ? { status } : { status, reason: body.reason, code: body.code, details: body.details };
}

interface Event {
  readonly type: string;
  readonly object: { readonly metadata: { readonly name: string; readonly resourceVersion: string } };
}
const story = ({ body }: Answer): string[] => body.map(({ type, object }: Event) => `${type} ${object.metadata.name}`);
const names = ({ status, body }: Answer): unknown =>
  status < 400 ? body.items.map((one: Event['object']) => one.metadata.name) : { status, reason: body.reason };

/** What each gives must be the same on both servers, in every field. */
const CASES: Readonly<Record<string, (api: Api) => Promise<unknown>>> = {
  'a watch tells what happened since, in order': async (api) => {
    const { body: before } = await api.send('POST', MAPS, map('told', { told: 'yes' }));
    await api.send('PATCH', `${MAPS}/told`, { data: { a: '1' } }, MERGE);
    const { body: list } = await api.send('GET', MAPS);
    await api.send('DELETE', `${MAPS}/told`);
    const since = before.metadata.resourceVersion;
    const watched = await api.send(
      'GET',
      `${MAPS}?watch=true&timeoutSeconds=4&labelSelector=told&resourceVersion=${since}`,
    );
    const last = watched.body.at(-1)?.object.metadata.resourceVersion;
    return [story(watched), Number(last) > Number(list.metadata.resourceVersion)];
  },
  'what leaves a selector is deleted, what enters it is added': async (api) => {
    const { body: before } = await api.send('POST', MAPS, map('moving'));
    for (const chosen of ['yes', 'still', null]) {
      await api.send('PATCH', `${MAPS}/moving`, { metadata: { labels: { chosen } } }, MERGE);
    }
    const since = before.metadata.resourceVersion;
    return story(
      await api.send('GET', `${MAPS}?watch=true&timeoutSeconds=4&labelSelector=chosen&resourceVersion=${since}`),
    );
  },
  'a watch without a version begins with what is there': async (api) => {
    await api.send('POST', MAPS, map('there', { there: 'yes' }));
    return story(await api.send('GET', `${MAPS}?watch=true&timeoutSeconds=4&labelSelector=there`));
  },
  'a version that is none': async (api) => [
    outcome(await api.send('GET', `${MAPS}?resourceVersion=abc`)),
    outcome(await api.send('GET', `${MAPS}?watch=true&timeoutSeconds=4&resourceVersion=abc`)),
    outcome(await api.send('GET', `${MAPS}?resourceVersionMatch=Exact`)),
    outcome(await api.send('GET', `${MAPS}?resourceVersion=0&resourceVersionMatch=Exact`)),
    outcome(await api.send('GET', `${MAPS}?resourceVersionMatch=Nonsense&resourceVersion=1`)),
  ],
  'an exact list is the past': async (api) => {
    const { body } = await api.send('POST', MAPS, map('past-a', { past: 'yes' }));
    await api.send('POST', MAPS, map('past-b', { past: 'yes' }));
    const query = `labelSelector=past&resourceVersion=${body.metadata.resourceVersion}`;
    return [
      names(await api.send('GET', `${MAPS}?${query}&resourceVersionMatch=Exact`)),
      names(await api.send('GET', `${MAPS}?labelSelector=past`)),
    ];
  },
  'a page that cannot go on': async (api) => outcome(await api.send('GET', `${MAPS}?limit=1&continue=nonsense`)),
  'selectors of every kind': async (api) => {
    await api.send('POST', MAPS, map('sel-a', { sel: 'a' }));
    await api.send('POST', MAPS, map('sel-b', { sel: 'b', more: 'x' }));
    const choose = async (query: string): Promise<unknown> => names(await api.send('GET', `${MAPS}?${query}`));
    const label = (text: string): Promise<unknown> => choose(`labelSelector=${encodeURIComponent(text)}`);
    const field = (text: string): Promise<unknown> => choose(`fieldSelector=${encodeURIComponent(text)}`);
    return [
      await label('sel,!more'),
      await label('sel notin (a),sel'),
      await label('sel!=a,sel'),
      await label('sel==b'),
      await label('sel in ()'),
      await label('sel in (a'),
      await label('-bad=1'),
      await field('metadata.name=sel-a'),
      await field('metadata.name=sel-a,metadata.namespace=reads'),
      await field('metadata.labels=x'),
      await field('metadata.name'),
    ];
  },
  'fields that can be chosen by': async (api) => {
    const answers: unknown[] = [];
    for (const [path, ...fields] of [
      [
        'pods',
        'spec.nodeName',
        'status.phase',
        'spec.restartPolicy',
        'status.podIP',
        'spec.hostNetwork',
        'status.qosClass',
      ],
      ['pods', 'spec.serviceAccountName', 'spec.schedulerName', 'status.nominatedNodeName', 'status.hostIP'],
      ['nodes', 'spec.unschedulable', 'metadata.name', 'spec.providerID'],
      ['namespaces', 'status.phase', 'name'],
      ['secrets', 'type', 'data'],
      ['events', 'involvedObject.name', 'reason', 'type', 'source', 'reportingComponent', 'message'],
    ] as const) {
      for (const field of fields) {
        answers.push([path, field, (await api.send('GET', `/api/v1/${path}?fieldSelector=${field}%3Dx`)).status]);
      }
    }
    return answers;
  },
  'paths and methods that are not there': async (api) => {
    const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
      const { status, body: answer } = await api.send(method, path, body);
      return [method, path, status, typeof answer === 'string' ? 'text' : answer.reason];
    };
    return [
      await ask('GET', '/api/v1/nothings'),
      await ask('GET', '/apis/nothing.example/v1/things'),
      await ask('POST', `${MAPS}/name`, map('name')),
      await ask('PUT', MAPS, map('name')),
      await ask('DELETE', '/api/v1/nodes/nobody'),
      await ask('PATCH', '/api/v1/pods', {}),
      await ask('GET', '/api/v1/namespaces/nowhere'),
      await ask('GET', '/api/v1/namespaces/nowhere/configmaps'),
      await ask('POST', '/api/v1/namespaces/nowhere/configmaps', map('lost')),
      await ask('GET', `${MAPS}/name/status`),
    ];
  },
  'a media type nobody has': async (api) =>
    (await api.send('GET', MAPS, undefined, { accept: 'application/x-nothing' })).status,
  'the columns of every table': async (api) => {
    const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const answers: unknown[] = [];
    for (const path of [
      '/api/v1/namespaces',
      '/api/v1/events',
      '/api/v1/configmaps',
      '/api/v1/secrets',
      '/api/v1/serviceaccounts',
      '/apis/apps/v1/deployments',
      '/apis/apps/v1/replicasets',
      '/apis/coordination.k8s.io/v1/leases',
    ]) {
      const { body } = await api.send('GET', path, undefined, accept);
      const columns = body.columnDefinitions.map(
        (one: { name: string; type: string; format: string; priority: number }) => [
          one.name,
          one.type,
          one.format,
          one.priority,
        ],
      );
      answers.push([path, columns]);
    }
    return answers;
  },
};

test.for(Object.entries(CASES))('alike on both servers: %s', async ([, run], { skip }) => {
  // At once: a watch lasts as long as it was told to, long enough for a slow machine.
  const { embedded, real } = servers;
  const [one, other] = await Promise.all([run(embedded), real === undefined ? undefined : run(real)]);
  if (real === undefined) return skip();
  expect(one).toEqual(other);
});

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

test.for([
  '/api/v1',
  '/apis/apps/v1',
  '/apis/coordination.k8s.io/v1',
  '/apis/authentication.k8s.io/v1',
  '/apis/authorization.k8s.io/v1',
])('what the embedded server says it serves in %s, a real one serves', async (path, { skip }) => {
  const claimed: Resource[] = (await servers.embedded.send('GET', path)).body.resources;
  expect(claimed.length).toBeGreaterThan(0);
  if (servers.real === undefined) return skip();
  const served: Resource[] = (await servers.real.send('GET', path)).body.resources;
  const wrong = claimed.filter((one) => {
    const same = served.find(({ name }) => name === one.name);
    const isSame = same?.kind === one.kind && same.namespaced === one.namespaced;
    return !isSame || one.verbs.some((verb) => !same.verbs.includes(verb));
  });
  expect(wrong).toEqual([]);
});
