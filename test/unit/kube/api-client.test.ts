import { describe, expect, test } from 'vitest';
import { createKubeClient } from '../../../src/kube/api-client.ts';
import type { KubeClient, WatchEvent } from '../../../src/kube/client.ts';
import { LEASES, NODES, PODS } from '../../../src/kube/resources.ts';
import type { ApiRequest, Transport } from '../../../src/kube/transport.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

interface Answer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A client whose every request gets this answer, and what it asked. */
function answering({ status = 200, body = {}, headers = {} }: Answer): {
  readonly client: KubeClient;
  readonly requests: ApiRequest[];
} {
  const requests: ApiRequest[] = [];
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const transport: Transport = {
    request(request) {
      requests.push(request);
      return Promise.resolve({ status, headers, body: text });
    },
    stream(request) {
      requests.push(request);
      // In small pieces, which split lines and characters.
      const bytes = Buffer.from(text);
      async function* chunks(): AsyncGenerator<Uint8Array> {
        for (let i = 0; i < bytes.length; i += 7) yield bytes.subarray(i, i + 7);
      }
      return Promise.resolve({ status, headers, chunks: chunks() });
    },
    async [Symbol.asyncDispose]() {},
  };
  return { client: createKubeClient({ transport, clock: new VirtualClock() }), requests };
}

const STATUS = (code: number, reason: string, more: object = {}) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  code,
  reason,
  message: `it is ${reason}`,
  ...more,
});

const POD = { metadata: { name: 'p', namespace: 'ns', resourceVersion: '5' } };
const AT = { name: 'p', namespace: 'ns' };

describe('verbs', () => {
  test('become the requests that the API defines', async () => {
    const { client, requests } = answering({ body: POD });
    await client.get(PODS, AT);
    await client.create(PODS, POD as Pod);
    await client.replace(LEASES, { metadata: { name: 'l', namespace: 'ns' } }, { lane: 'lease', timeoutMs: 3_000 });
    await client.patch(PODS, AT, { type: 'strategic', body: { status: {} } }, { subresource: 'status', dryRun: true });
    await client.patch(NODES, { name: 'n' }, { type: 'json', body: [] });
    await client.delete(PODS, AT, { uid: 'u', gracePeriodSeconds: 0, propagationPolicy: 'Background' });
    expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/v1/namespaces/ns/pods/p',
      'POST /api/v1/namespaces/ns/pods',
      'PUT /apis/coordination.k8s.io/v1/namespaces/ns/leases/l',
      'PATCH /api/v1/namespaces/ns/pods/p/status',
      'PATCH /api/v1/nodes/n',
      'DELETE /api/v1/namespaces/ns/pods/p',
    ]);
    expect(requests[2]).toMatchObject({ lane: 'lease', timeoutMs: 3_000 });
    expect(requests[3]).toMatchObject({
      query: { dryRun: 'All' },
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
      timeoutMs: 10_000,
    });
    expect(requests[4]?.headers).toEqual({ 'content-type': 'application/json-patch+json' });
    expect(JSON.parse(requests[5]?.body ?? '')).toEqual({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      gracePeriodSeconds: 0,
      propagationPolicy: 'Background',
      preconditions: { uid: 'u' },
    });
  });

  test('a list gives items as a watch would, without managedFields, and says whether there is more', async () => {
    const { client, requests } = answering({
      body: {
        metadata: { resourceVersion: '9', continue: 'token' },
        items: [{ metadata: { name: 'p', managedFields: [{ manager: 'x' }] } }],
      },
    });
    const page = await client.list(PODS, { fieldSelector: 'spec.nodeName=n', labelSelector: 'a=b', limit: 5 });
    expect(page).toEqual({
      items: [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } }],
      resourceVersion: '9',
      continue: 'token',
    });
    expect(requests[0]).toMatchObject({
      path: '/api/v1/pods',
      query: { fieldSelector: 'spec.nodeName=n', labelSelector: 'a=b', limit: '5' },
    });
    expect(requests[0]?.query).not.toHaveProperty('resourceVersion');
    const empty = answering({ body: { metadata: { resourceVersion: '9', continue: '' }, items: null } });
    expect(await empty.client.list(PODS)).toEqual({ items: [], resourceVersion: '9' });
    const odd = answering({ body: { hello: 'proxy' } });
    await expect(odd.client.list(PODS)).rejects.toMatchObject({ code: 'Unavailable' });
  });
});

describe('an answer that is no success', () => {
  test.each<[number, object | string, string, string]>([
    [404, STATUS(404, 'NotFound'), 'NotFound', 'NotFound'],
    // Only a Status says that an object is absent: a proxy's page must not delete anybody's pod.
    [404, '404 page not found', 'Unsupported', 'Unsupported'],
    [409, STATUS(409, 'Conflict'), 'Conflict', 'Conflict'],
    [409, STATUS(409, 'AlreadyExists'), 'Conflict', 'Conflict'],
    [401, STATUS(401, 'Unauthorized'), 'Unauthorized', 'Unauthorized'],
    [403, STATUS(403, 'Forbidden'), 'Forbidden', 'Forbidden'],
    [410, STATUS(410, 'Expired'), 'Expired', 'Expired'],
    [422, STATUS(422, 'Invalid'), 'InvalidInput', 'InvalidInput'],
    // The UID that the request named is not that of the object.
    [422, STATUS(422, 'Invalid', { details: { causes: [{ field: 'metadata.uid' }] } }), 'Conflict', 'Conflict'],
    [429, STATUS(429, 'TooManyRequests'), 'Throttled', 'Throttled'],
    [500, STATUS(500, 'InternalError'), 'Unavailable', 'Ambiguous'],
    [500, STATUS(500, 'ServerTimeout'), 'Unavailable', 'Unavailable'],
    [503, STATUS(503, 'ServiceUnavailable'), 'Unavailable', 'Unavailable'],
    [504, STATUS(504, 'Timeout'), 'Unavailable', 'Ambiguous'],
    [502, '<html>bad gateway</html>', 'Unavailable', 'Ambiguous'],
    [503, '<html>from a balancer</html>', 'Unavailable', 'Ambiguous'],
  ])('%i %j: a read is %s, a write %s', async (status, body, read, write) => {
    const { client } = answering({ status, body });
    await expect(client.get(PODS, AT)).rejects.toMatchObject({ code: read, status });
    await expect(client.patch(PODS, AT, { type: 'merge', body: {} })).rejects.toMatchObject({ code: write, status });
  });

  test('says when to come back, in each of the three ways', async () => {
    const seconds = answering({ status: 429, body: STATUS(429, 'TooManyRequests'), headers: { 'retry-after': '7' } });
    await expect(seconds.client.get(PODS, AT)).rejects.toMatchObject({ retryAfterMs: 7_000 });
    const details = answering({ status: 503, body: STATUS(503, 'x', { details: { retryAfterSeconds: 2 } }) });
    await expect(details.client.get(PODS, AT)).rejects.toMatchObject({
      retryAfterMs: 2_000,
      details: { retryAfterSeconds: 2 },
    });
    const date = answering({ status: 503, body: '', headers: { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' } });
    await expect(date.client.get(PODS, AT)).rejects.toMatchObject({ retryAfterMs: 30_000 });
  });

  test('that is cut short may hide a write that was carried out', async () => {
    const { client } = answering({ status: 200, body: '{"metadata":' });
    await expect(client.get(PODS, AT)).rejects.toMatchObject({ code: 'Unavailable' });
    await expect(client.create(PODS, POD as Pod)).rejects.toMatchObject({ code: 'Ambiguous' });
  });
});

describe('a watch', () => {
  const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;

  async function collect(
    answer: Answer,
  ): Promise<{ events: WatchEvent<Pod>[]; error: unknown; requests: ApiRequest[] }> {
    const { client, requests } = answering(answer);
    const events: WatchEvent<Pod>[] = [];
    try {
      for await (const event of client.watch(PODS, { resourceVersion: '5', timeoutSeconds: 300 })) events.push(event);
    } catch (error) {
      return { events, error, requests };
    }
    return { events, error: undefined, requests };
  }

  test('gives objects and bookmarks in order, whole whatever the pieces they came in', async () => {
    const object = { metadata: { name: 'pöd', resourceVersion: '6', managedFields: [] } };
    const { events, error, requests } = await collect({
      body: `${line('ADDED', object)}\n${line('BOOKMARK', { metadata: { resourceVersion: '8' } })}${line('DELETED', object)}`,
    });
    expect(error).toBeUndefined();
    const kept = { metadata: { name: 'pöd', resourceVersion: '6' } };
    expect(events).toEqual([
      { type: 'ADDED', object: kept },
      { type: 'BOOKMARK', resourceVersion: '8' },
      { type: 'DELETED', object: kept },
    ]);
    expect(requests[0]?.query).toEqual({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: '5',
      timeoutSeconds: '300',
    });
  });

  test('from a position that is too old is "expired", as an answer and as an event', async () => {
    const answer = await collect({ status: 410, body: STATUS(410, 'Expired') });
    expect(answer.error).toMatchObject({ code: 'Expired' });
    const event = await collect({ body: `${line('ADDED', POD)}${line('ERROR', STATUS(410, 'Expired'))}` });
    expect(event.events).toHaveLength(1);
    expect(event.error).toMatchObject({ code: 'Expired', message: 'it is Expired' });
  });

  test.each([
    ['ends in the middle of an event', `${line('ADDED', POD)}{"type":"AD`],
    ['is not JSON', 'hello\n'],
    ['has an event without an object', '{"type":"ADDED"}\n'],
    ['has an event of an unknown type', line('RENAMED', POD)],
  ])('that %s is broken', async (_, body) => {
    expect((await collect({ body })).error).toMatchObject({ code: 'Unavailable' });
  });
});
