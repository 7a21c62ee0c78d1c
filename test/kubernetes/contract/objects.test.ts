import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type Api, type Servers, startServers } from './servers.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers?.[Symbol.asyncDispose]());

/** What a client decides by. */
function outcome({ status, body }: Answer): unknown {
  return status < 400 ? { status } : { status, reason: body.reason, code: body.code };
}

const MAPS = '/api/v1/namespaces/default/configmaps';
const map = (name: string, data: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});

/** Each answers what must be the same on both; `expected` keeps the two from being wrong together. */
const CASES: Readonly<Record<string, { run: (api: Api) => Promise<unknown>; expected: unknown }>> = {
  'a name is taken once': {
    run: async (api) => [
      outcome(await api.send('POST', MAPS, map('twice'))),
      outcome(await api.send('POST', MAPS, map('twice'))),
    ],
    expected: [{ status: 201 }, { status: 409, reason: 'AlreadyExists', code: 409 }],
  },
  'a name must be one': {
    run: async (api) => outcome(await api.send('POST', MAPS, map('Not_A_Name'))),
    expected: { status: 422, reason: 'Invalid', code: 422 },
  },
  'an update from an old version is a conflict': {
    run: async (api) => {
      const { body: first } = await api.send('POST', MAPS, map('versions'));
      const second = await api.send('PUT', `${MAPS}/versions`, { ...first, data: { a: '1' } });
      return [outcome(second), outcome(await api.send('PUT', `${MAPS}/versions`, { ...first, data: { a: '2' } }))];
    },
    expected: [{ status: 200 }, { status: 409, reason: 'Conflict', code: 409 }],
  },
  'a deletion holds to its preconditions': {
    run: async (api) => {
      await api.send('POST', MAPS, map('guarded'));
      const preconditions = { uid: 'e0000000-0000-0000-0000-000000000000' };
      return outcome(await api.send('DELETE', `${MAPS}/guarded`, { preconditions }));
    },
    expected: { status: 409, reason: 'Conflict', code: 409 },
  },
  'a merge patch takes away with null': {
    run: async (api) => {
      await api.send('POST', MAPS, map('merged', { a: '1', b: '2' }));
      const patch = { data: { a: null, c: '3' } };
      const type = { 'content-type': 'application/merge-patch+json' };
      const { status, body } = await api.send('PATCH', `${MAPS}/merged`, patch, type);
      return { status, data: body.data };
    },
    expected: { status: 200, data: { b: '2', c: '3' } },
  },
  'a patch of no known type is refused': {
    run: async (api) => {
      await api.send('POST', MAPS, map('typed'));
      return outcome(await api.send('PATCH', `${MAPS}/typed`, {}, { 'content-type': 'text/plain' }));
    },
    expected: { status: 415, reason: 'UnsupportedMediaType', code: 415 },
  },
  'a list comes in pages': {
    run: async (api) => {
      for (const name of ['page-a', 'page-b', 'page-c']) {
        await api.send('POST', MAPS, { ...map(name), metadata: { name, labels: { paged: 'yes' } } });
      }
      const first = await api.send('GET', `${MAPS}?labelSelector=paged%3Dyes&limit=2`);
      const rest = `${MAPS}?labelSelector=paged%3Dyes&limit=2&continue=${encodeURIComponent(first.body.metadata.continue)}`;
      const second = await api.send('GET', rest);
      const names = [first, second].map(({ body }) =>
        body.items.map((item: { metadata: { name: string } }) => item.metadata.name),
      );
      return { names, more: second.body.metadata.continue ?? '' };
    },
    expected: { names: [['page-a', 'page-b'], ['page-c']], more: '' },
  },
  'a selector that is none is a bad request': {
    run: async (api) => [
      outcome(await api.send('GET', `${MAPS}?labelSelector=a%3D%3D%3Db%2C%2C(`)),
      outcome(await api.send('GET', '/api/v1/pods?fieldSelector=spec.nothing%3Dx')),
    ],
    expected: [
      { status: 400, reason: 'BadRequest', code: 400 },
      { status: 400, reason: 'BadRequest', code: 400 },
    ],
  },
  'what is not there is not found': {
    run: async (api) => outcome(await api.send('GET', `${MAPS}/nobody`)),
    expected: { status: 404, reason: 'NotFound', code: 404 },
  },
  'a Service is completed, has an address of its own, and keeps it': {
    run: async (api) => {
      const services = '/api/v1/namespaces/default/services';
      const spec = { ports: [{ port: 80 }], selector: { app: 'web' } };
      const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec };
      const { body } = await api.send('POST', services, service);
      const { clusterIP, clusterIPs, ...completed } = body.spec;
      const moved = await api.send('PUT', `${services}/web`, {
        ...body,
        spec: { ...body.spec, clusterIP: '10.0.0.200', clusterIPs: ['10.0.0.200'] },
      });
      const left = { ...body, spec: { ...body.spec, ports: [{ port: 81, protocol: 'TCP' }] } };
      delete left.spec.clusterIP;
      delete left.spec.clusterIPs;
      const { body: kept } = await api.send('PUT', `${services}/web`, left);
      return {
        completed,
        own: /^10\.0\.0\.\d+$/.test(clusterIP) && clusterIPs[0] === clusterIP,
        status: body.status,
        moved: outcome(moved),
        kept: kept.spec.clusterIP === clusterIP && kept.spec.ports[0].targetPort === 81,
        headless: (
          await api.send('POST', services, { ...service, metadata: { name: 'none' }, spec: { clusterIP: 'None' } })
        ).body.spec.clusterIP,
        bare: outcome(await api.send('POST', services, { ...service, metadata: { name: 'bare' }, spec: {} })),
        protocol: outcome(
          await api.send('POST', services, {
            ...service,
            metadata: { name: 'odd' },
            spec: { ports: [{ port: 1, protocol: 'X' }] },
          }),
        ),
        gone: (await api.send('DELETE', `${services}/web`)).body.kind,
      };
    },
    expected: {
      completed: {
        ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
        selector: { app: 'web' },
        type: 'ClusterIP',
        sessionAffinity: 'None',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        internalTrafficPolicy: 'Cluster',
      },
      own: true,
      status: { loadBalancer: {} },
      moved: { status: 422, reason: 'Invalid', code: 422 },
      kept: true,
      headless: 'None',
      bare: { status: 422, reason: 'Invalid', code: 422 },
      protocol: { status: 422, reason: 'Invalid', code: 422 },
      gone: 'Service',
    },
  },
  'pods find the API server by the Service kubernetes': {
    run: async (api) => {
      // A real one makes it a moment after it answers.
      let answer = await api.send('GET', '/api/v1/namespaces/default/services/kubernetes');
      for (let i = 0; i < 100 && answer.status === 404; i++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        answer = await api.send('GET', '/api/v1/namespaces/default/services/kubernetes');
      }
      const { spec, metadata } = answer.body;
      return { labels: metadata.labels, clusterIP: spec.clusterIP, name: spec.ports[0].name, port: spec.ports[0].port };
    },
    expected: {
      labels: { component: 'apiserver', provider: 'kubernetes' },
      clusterIP: '10.0.0.1',
      name: 'https',
      port: 443,
    },
  },
  'a token is made for a pod of the ServiceAccount, and for no other': {
    run: async (api) => {
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'bot' } };
      await api.send('POST', '/api/v1/namespaces/default/serviceaccounts', account);
      const spec = { serviceAccountName: 'bot', containers: [{ name: 'c', image: 'x' }] };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bound' }, spec };
      const { body: made } = await api.send('POST', '/api/v1/namespaces/default/pods', pod);
      const ask = async (account: string, more: object): Promise<Answer> =>
        await api.send('POST', `/api/v1/namespaces/default/serviceaccounts/${account}/token`, {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { audiences: [], expirationSeconds: 3607, ...more },
        });
      const reference = { apiVersion: 'v1', kind: 'Pod', name: 'bound', uid: made.metadata.uid };
      const { status, body } = await ask('bot', { boundObjectRef: reference });
      const [, claims = ''] = (body.status?.token ?? '').split('.');
      const claim = JSON.parse(Buffer.from(claims, 'base64url').toString() || '{}');
      const life = Date.parse(body.status?.expirationTimestamp) - Date.now();
      return {
        status,
        seconds: body.spec?.expirationSeconds,
        life: life > 3_500_000 && life < 3_610_000,
        pod: claim['kubernetes.io']?.pod?.uid === made.metadata.uid,
        subject: claim.sub,
        short: outcome(await ask('bot', { expirationSeconds: 60 })),
        otherUid: outcome(
          await ask('bot', { boundObjectRef: { ...reference, uid: 'e0000000-0000-0000-0000-000000000000' } }),
        ),
        nobody: outcome(await ask('nobody', {})),
      };
    },
    expected: {
      status: 201,
      seconds: 3607,
      life: true,
      pod: true,
      subject: 'system:serviceaccount:default:bot',
      short: { status: 422, reason: 'Invalid', code: 422 },
      otherUid: { status: 409, reason: 'Conflict', code: 409 },
      nobody: { status: 404, reason: 'NotFound', code: 404 },
    },
  },
  'a provider ID is given once': {
    run: async (api) => {
      await api.send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'given' } });
      const type = { 'content-type': 'application/merge-patch+json' };
      const give = async (providerID: string): Promise<unknown> =>
        outcome(await api.send('PATCH', '/api/v1/nodes/given', { spec: { providerID } }, type));
      return [await give('zonelet://a/b'), await give('zonelet://a/c')];
    },
    expected: [{ status: 200 }, { status: 422, reason: 'Invalid', code: 422 }],
  },
};

describe.each(Object.entries(CASES))('%s', (_, { run, expected }) => {
  test('on the embedded API server', async () => {
    expect(await run(servers.embedded)).toEqual(expected);
  });
  test('on a real one', async ({ skip }) => {
    if (servers.real === undefined) return skip();
    expect(await run(servers.real)).toEqual(expected);
  });
});
