/** The protocol as an author of another backend or client sees it: plain requests, plain answers. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../../src/errors.ts';
import { connectTo, eventually, OWNER, operation, podOf, read, reading } from '../../../test/support/web-client.ts';
import { startTestServer, type TestServer } from '../../../test/support/web-server.ts';

const READ = { 'zonelet-owner': OWNER, 'zonelet-zone': 'zone-a' };
const WRITE = { ...READ, 'zonelet-epoch': '3', 'zonelet-holder': 'replica-0' };
const JSON_BODY = { 'content-type': 'application/json' };

async function send(
  server: TestServer,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) };
}

describe('a pod from create to gone', () => {
  it('answers with statuses and bodies as specified', async () => {
    await using server = await startTestServer();
    expect(await send(server, 'PUT', '/v2/claim', WRITE)).toMatchObject({
      status: 200,
      body: { epoch: 3, holder: 'replica-0' },
    });
    const path = '/v2/pods/one';
    const headers = { ...WRITE, ...JSON_BODY };
    const created = await send(server, 'PUT', path, headers, podOf('one'));
    expect(created).toMatchObject({ status: 201, body: { outcome: 'created', pod: { epoch: 3, hash: 'hash-1' } } });
    expect(await send(server, 'PUT', path, headers, podOf('one'))).toMatchObject({
      status: 200,
      body: { outcome: 'adopted', pod: created.body.pod },
    });
    expect(await send(server, 'PUT', `${path}/spec`, headers, { ...podOf('one'), hash: 'hash-2' })).toMatchObject({
      status: 200,
      body: { pod: { hash: 'hash-2' } },
    });
    const { pod } = (await send(server, 'GET', path, READ)).body;
    expect(await send(server, 'GET', '/v2/pods', READ)).toMatchObject({
      status: 200,
      body: { pods: [pod], complete: true },
    });
    expect(await send(server, 'DELETE', `${path}?gracePeriodSeconds=0`, WRITE)).toMatchObject({
      status: 200,
      body: { state: 'gone', last: { containers: [{ state: { terminated: { exitCode: 137 } } }] } },
    });
    expect(await send(server, 'DELETE', path, WRITE)).toMatchObject({ status: 200, body: { state: 'gone' } });
    expect(await send(server, 'GET', path, READ)).toMatchObject({ status: 404, body: { error: { code: 'NotFound' } } });
    // A create that was long on its way.
    expect(await send(server, 'PUT', path, headers, podOf('one'))).toMatchObject({
      status: 409,
      body: { error: { code: 'Conflict' } },
    });
    expect(await send(server, 'GET', '/v2/pods', READ)).toMatchObject({ body: { pods: [] } });
  });

  it('says who holds the fence to whom it refuses', async () => {
    await using server = await startTestServer();
    await send(server, 'PUT', '/v2/claim', WRITE);
    const stale = { ...WRITE, 'zonelet-epoch': '2', 'zonelet-holder': 'replica-1' };
    expect(await send(server, 'PUT', '/v2/pods/one', { ...stale, ...JSON_BODY }, podOf('one'))).toMatchObject({
      status: 412,
      body: { error: { code: 'Fenced', current: { epoch: 3, holder: 'replica-0' } } },
    });
  });

  it('lists in pages, and begins anew after a restart', async () => {
    await using server = await startTestServer();
    await using provider = connectTo({ url: server.url });
    const uids = Array.from({ length: 5 }, (_, i) => `u${i}`);
    for (const uid of uids) await provider.create(podOf(uid), operation());
    const seen: string[] = [];
    let from = '';
    do {
      const page = await send(server, 'GET', `/v2/pods?limit=2${from}`, READ);
      seen.push(...page.body.pods.map((pod: { ref: { uid: string } }) => pod.ref.uid));
      from = page.body.continue === undefined ? '' : `&continue=${page.body.continue}`;
      // What is deleted between two pages skips none of the others.
      if (seen.length === 2) await provider.delete(podOf('u0').ref, { gracePeriodSeconds: 0 }, operation());
    } while (from !== '');
    expect(seen).toEqual(uids);
    const page = await send(server, 'GET', '/v2/pods?limit=2', READ);
    await server.restart();
    expect(await send(server, 'GET', `/v2/pods?limit=2&continue=${page.body.continue}`, READ)).toMatchObject({
      status: 410,
      body: { error: { code: 'Expired' } },
    });
  });

  it('tells of itself', async () => {
    await using server = await startTestServer();
    expect((await send(server, 'GET', '/v2/capabilities')).body).toMatchObject({
      protocol: 2,
      zone: 'zone-a',
      runtime: 'simulated',
      capabilities: { fence: 'epoch' },
    });
    expect((await send(server, 'GET', '/v2/zone')).body).toMatchObject({ state: 'Up', capacity: { pods: '100000' } });
    expect((await send(server, 'GET', '/healthz')).body).toEqual({ status: 'ok' });
  });

  it('says NoNew or Down when an operator says so, also after a restart, and takes no new pods then', async () => {
    await using server = await startTestServer();
    await using provider = connectTo({ url: server.url });
    await provider.create(podOf('old'), operation());
    const say = (body: object) => send(server, 'PUT', '/v2/zone', JSON_BODY, body);
    expect(await say({ state: 'NoNew' })).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringMatching(/reason/) } },
    });
    expect(await say({ state: 'Unknown', reason: 'r' })).toMatchObject({ status: 400 });
    expect(await say({ state: 'NoNew', reason: 'new disks' })).toMatchObject({ status: 200, body: { state: 'NoNew' } });
    await server.restart();
    await using after = connectTo({ url: server.url });
    const stop = new AbortController();
    const reports = after.zoneReports(stop.signal)[Symbol.asyncIterator]();
    expect((await reports.next()).value).toMatchObject({
      state: 'NoNew',
      evidence: expect.stringContaining('new disks'),
    });
    expect(await after.create(podOf('new'), operation()).catch(codeOf)).toBe('NoCapacity');
    expect((await after.create(podOf('old'), operation())).outcome).toBe('adopted');
    await say({ state: 'Down', reason: 'no power' });
    expect((await reports.next()).value).toMatchObject({ state: 'Down' });
    expect(await after.create(podOf('new'), operation()).catch(codeOf)).toBe('Unavailable');
    await say({ state: 'Up' });
    expect((await reports.next()).value).toMatchObject({ state: 'Up' });
    expect((await after.create(podOf('new'), operation())).outcome).toBe('created');
    stop.abort();
  });

  it('takes no more pods than it has room for', async () => {
    await using server = await startTestServer({ capacity: { pods: '1' } });
    const headers = { ...WRITE, ...JSON_BODY };
    await send(server, 'PUT', '/v2/pods/one', headers, podOf('one'));
    expect((await send(server, 'GET', '/v2/zone')).body).toMatchObject({ state: 'NoNew', capacity: { pods: '1' } });
    expect(await send(server, 'PUT', '/v2/pods/two', headers, podOf('two'))).toMatchObject({
      status: 507,
      body: { error: { code: 'NoCapacity' } },
    });
    expect((await send(server, 'PUT', '/v2/pods/one', headers, podOf('one'))).body.outcome).toBe('adopted');
    await send(server, 'DELETE', '/v2/pods/one', WRITE);
    expect((await send(server, 'GET', '/v2/zone')).body).toMatchObject({ state: 'Up' });
  });
});

describe('two owners on one backend', () => {
  it('do not see each other, and have a fence each', async () => {
    await using server = await startTestServer();
    await using provider = connectTo({ url: server.url });
    const other = { owner: 'another-cluster/demo' };
    const stop = new AbortController();
    const seen: unknown[] = [];
    const watching = (async () => {
      for await (const event of provider.watch(other.owner, stop.signal)) seen.push(event);
    })();
    await eventually('the watch has begun', () => seen.length >= 2 || undefined);
    await provider.claim?.(operation({ epoch: 9 }));
    await provider.create(podOf('same'), operation({ epoch: 9 }));
    // A cluster that was copied has the same UIDs.
    await provider.create(podOf('same'), operation({ ...other, epoch: 1 }));
    await provider.create(podOf('theirs'), operation({ ...other, epoch: 1 }));
    await provider.delete(podOf('same').ref, { gracePeriodSeconds: 0 }, operation({ ...other, epoch: 1 }));
    expect((await read(provider, 'same'))?.observation.containers[0]?.state.running).toBeDefined();
    expect((await provider.list(OWNER, reading())).pods.map(({ ref }) => ref.uid)).toEqual(['same']);
    expect((await provider.list(other.owner, reading())).pods.map(({ ref }) => ref.uid)).toEqual(['theirs']);
    await eventually('the watch has seen the end', () => JSON.stringify(seen).includes('"gone"') || undefined);
    expect(JSON.stringify(seen)).not.toContain(OWNER);
    stop.abort();
    await watching;
  });
});

describe('what a pod is given', () => {
  const PLAIN = 'of-a-secret';
  const resolved = {
    ...podOf('one', {}, { volumes: [{ name: 'v', secret: { secretName: 's' } }] }),
    volumes: { v: { files: [{ path: 'a/b', content: Buffer.from(PLAIN), mode: 0o400 }] } },
    pullSecrets: [{ registry: 'registry.example', username: 'u', password: PLAIN }],
  };

  it('gets through as it is, and none of it stays in a file of the backend', async () => {
    await using server = await startTestServer();
    const given: unknown[] = [];
    const { runtime } = server.server.backend;
    const put = runtime.putVolumes.bind(runtime);
    runtime.putVolumes = (pod, volumes) => {
      given.push(volumes);
      put(pod, volumes);
    };
    await using provider = connectTo({ url: server.url });
    await provider.create(resolved, operation());
    await provider.refreshVolumes?.(resolved.ref, { v: { files: [] } }, operation());
    expect(given).toEqual([resolved.volumes, { v: { files: [] } }]);
    const kept = await readFile(join(server.folder, 'data', 'state.log'), 'utf8');
    expect(kept).toContain('"pod-one"');
    expect(kept).not.toContain(PLAIN);
    expect(kept).not.toContain(Buffer.from(PLAIN).toString('base64'));
  });

  it('is refreshed for a pod that is there, in volumes that it has, on the word of its leader', async () => {
    await using server = await startTestServer();
    await using provider = connectTo({ url: server.url });
    const refresh = (uid: string, volumes: object, epoch = 1) =>
      provider.refreshVolumes?.(podOf(uid).ref, volumes as never, operation({ epoch })).catch(codeOf);
    expect(await refresh('one', {})).toBe('NotFound');
    await provider.create(resolved, operation());
    expect(await refresh('one', { other: { files: [] } })).toBe('InvalidInput');
    expect(await refresh('one', { v: { files: [] } }, 2)).toBeUndefined();
    expect(await refresh('one', { v: { files: [] } }, 1)).toBe('Fenced');
    expect((await read(provider, 'one'))?.epoch).toBe(2);
  });
});

describe('the journal', () => {
  it('has a line for each mutation that was asked for, in order', async () => {
    await using server = await startTestServer();
    const journalFile = join(server.folder, 'journal');
    await server.restart({ journalFile });
    await using provider = connectTo({ url: server.url });
    const started = Date.now();
    await provider.claim?.(operation({ epoch: 7 }));
    await provider.create(podOf('one'), operation({ epoch: 7 }));
    await provider.create(podOf('one'), operation({ epoch: 7 }));
    await provider.update(podOf('one'), operation({ epoch: 7 }));
    await provider.update(podOf('none'), operation({ epoch: 7 })).catch(() => {});
    await provider.create(podOf('two'), operation({ epoch: 6 })).catch(() => {});
    await provider.delete(podOf('one').ref, { gracePeriodSeconds: 0 }, operation({ epoch: 8 }));
    await provider.claim?.(operation({ epoch: 7 })).catch(() => {});
    await provider.list(OWNER, reading());
    const lines = (await readFile(journalFile, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const one = { t: expect.any(Number), uid: 'one', name: 'default/pod-one' };
    expect(lines).toEqual([
      { t: expect.any(Number), op: 'claim', epoch: 7, outcome: 'accepted' },
      { ...one, op: 'create', epoch: 7, outcome: 'accepted' },
      { ...one, op: 'create', epoch: 7, outcome: 'adopted' },
      { ...one, op: 'update', epoch: 7, outcome: 'accepted' },
      {
        ...one,
        op: 'update',
        uid: 'none',
        name: 'default/pod-none',
        epoch: 7,
        outcome: 'refused',
        reason: expect.stringMatching(/^NotFound: /),
      },
      {
        ...one,
        op: 'create',
        uid: 'two',
        name: 'default/pod-two',
        epoch: 6,
        outcome: 'refused',
        reason: 'Fenced: epoch 6 of replica-0 is refused: the fence is at 7 of replica-0',
      },
      { ...one, op: 'delete', epoch: 8, outcome: 'accepted' },
      { t: expect.any(Number), op: 'claim', epoch: 7, outcome: 'refused', reason: expect.stringMatching(/^Fenced: /) },
    ]);
    for (const { t } of lines) expect(t).toBeGreaterThanOrEqual(started);
  });
});

describe('a wrong request', () => {
  const pod = podOf('one');
  const headers = { ...WRITE, ...JSON_BODY };
  it.each<[string, number, string, RegExp, string, string, Record<string, string>, unknown?]>([
    ['an unknown path', 404, 'Unsupported', /there is no/, 'GET', '/v2/nothing', {}],
    ['another version', 404, 'Unsupported', /there is no/, 'GET', '/v1/pods', READ],
    ['a path that goes on', 404, 'Unsupported', /there is no/, 'GET', '/v2/pods/one/spec/more', READ],
    ['a wrong method', 405, 'Unsupported', /POST is not offered/, 'POST', '/v2/claim', WRITE],
    ['no owner', 400, 'InvalidInput', /zonelet-owner/, 'GET', '/v2/pods', { 'zonelet-zone': 'zone-a' }],
    [
      'another zone',
      400,
      'InvalidInput',
      /zone-a, not of zone-b/,
      'GET',
      '/v2/pods',
      { ...READ, 'zonelet-zone': 'zone-b' },
    ],
    [
      'a mutation for another zone',
      400,
      'InvalidInput',
      /zone-a, not of zone-b/,
      'PUT',
      '/v2/claim',
      { ...WRITE, 'zonelet-zone': 'zone-b' },
    ],
    ['no epoch', 400, 'InvalidInput', /zonelet-epoch/, 'PUT', '/v2/claim', { ...READ, 'zonelet-holder': 'r' }],
    [
      'an epoch that is none',
      400,
      'InvalidInput',
      /zonelet-epoch/,
      'PUT',
      '/v2/claim',
      { ...WRITE, 'zonelet-epoch': '-1' },
    ],
    ['no holder', 400, 'InvalidInput', /zonelet-holder/, 'PUT', '/v2/claim', { ...READ, 'zonelet-epoch': '1' }],
    [
      'a path out of the folder',
      400,
      'InvalidInput',
      /UID/,
      'PUT',
      '/v2/pods/..%2F..%2Fetc',
      headers,
      podOf('../../etc'),
    ],
    ['another UID in the body', 400, 'InvalidInput', /ref\.uid/, 'PUT', '/v2/pods/two', headers, pod],
    ['a body that is no JSON', 400, 'InvalidInput', /no JSON/, 'PUT', '/v2/pods/one', headers, '{"ref":'],
    ['a body that is no object', 400, 'InvalidInput', /object/, 'PUT', '/v2/pods/one', headers, '[]'],
    [
      'a body of another type',
      415,
      'InvalidInput',
      /application\/json/,
      'PUT',
      '/v2/pods/one',
      { ...WRITE, 'content-type': 'text/plain' },
      pod,
    ],
    [
      'no containers',
      400,
      'InvalidInput',
      /containers/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, pod: { spec: { containers: [] } } },
    ],
    [
      'a container whose name leads elsewhere',
      400,
      'InvalidInput',
      /name/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, pod: { spec: { containers: [{ name: '../x' }] } } },
    ],
    ['no hash', 400, 'InvalidInput', /hash/, 'PUT', '/v2/pods/one', headers, { ...pod, hash: undefined }],
    [
      'an environment that is none',
      400,
      'InvalidInput',
      /env\.main/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, env: { main: [{ name: 'A' }] } },
    ],
    [
      'a file outside its volume',
      400,
      'InvalidInput',
      /volumes\.v\.files\[0\]\.path/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, volumes: { v: { files: [{ path: 'a/../../b', content: '', mode: 420 }] } } },
    ],
    [
      'a file with an odd mode',
      400,
      'InvalidInput',
      /volumes\.v\.files\[0\]\.mode/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, volumes: { v: { files: [{ path: 'a', content: '', mode: 0o4755 }] } } },
    ],
    [
      'a file whose content is no base64',
      400,
      'InvalidInput',
      /^volumes\.v\.files\[0\]\.content must be base64$/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, volumes: { v: { files: [{ path: 'a', content: 'secret!', mode: 420 }] } } },
    ],
    [
      'a path that is a file and a folder',
      400,
      'InvalidInput',
      /volumes\.v/,
      'PUT',
      '/v2/pods/one',
      headers,
      {
        ...pod,
        volumes: {
          v: {
            files: [
              { path: 'a', content: '', mode: 420 },
              { path: 'a/b', content: '', mode: 420 },
            ],
          },
        },
      },
    ],
    [
      'a volume with an odd name',
      400,
      'InvalidInput',
      /volumes/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, volumes: { '../v': { files: [] } } },
    ],
    [
      'a pull secret without a password',
      400,
      'InvalidInput',
      /pullSecrets\[0\]/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, pullSecrets: [{ registry: 'r', username: 'u' }] },
    ],
    [
      'a body that is too large',
      413,
      'InvalidInput',
      /larger than/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, more: 'x'.repeat(17_000_000) },
    ],
    [
      'a grace that is none',
      400,
      'InvalidInput',
      /gracePeriodSeconds/,
      'DELETE',
      '/v2/pods/one?gracePeriodSeconds=soon',
      WRITE,
    ],
    ['a flag that is none', 400, 'InvalidInput', /follow/, 'GET', '/v2/pods/one/containers/main/log?follow=1', READ],
    ['the log of an unknown pod', 404, 'NotFound', /no pod one/, 'GET', '/v2/pods/one/containers/main/log', READ],
    [
      'what simulated pods cannot do',
      422,
      'Unsupported',
      /hostNetwork/,
      'PUT',
      '/v2/pods/one',
      headers,
      { ...pod, pod: { spec: { ...pod.pod.spec, hostNetwork: true } } },
    ],
  ])('%s is answered with %i %s', async (_what, status, code, message, method, path, given, body) => {
    await using server = await startTestServer();
    const answer = await send(server, method, path, given, body);
    expect(answer).toMatchObject({ status, body: { error: { code, message: expect.stringMatching(message) } } });
    expect((await send(server, 'GET', '/v2/pods', READ)).body.pods).toEqual([]);
  });
});
