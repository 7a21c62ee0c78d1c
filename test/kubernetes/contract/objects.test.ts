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
