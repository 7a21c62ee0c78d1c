/** What the provider makes of a backend that misbehaves, or of something else at its address. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../src/errors.ts';
import { silentLogger } from '../../src/log.ts';
import type { Provider, WatchEvent, ZoneReport } from '../../src/provider/contract.ts';
import { seededRandom, VirtualClock } from '../../test/support/virtual-clock.ts';
import { connectTo, eventually, OWNER, operation, podOf, reading } from '../../test/support/web-client.ts';
import { createJsonLines } from './json-lines.ts';
import { parseOptions } from './options.ts';
import { createWebProvider } from './provider.ts';

/** Nothing listens there, and nothing that picks a free port ever will. */
const NOBODY = 'http://127.0.0.1:1';

interface FakeBackend extends AsyncDisposable {
  readonly url: string;
  readonly requests: IncomingMessage[];
}

async function fakeBackend(answer: (response: ServerResponse, request: IncomingMessage) => void): Promise<FakeBackend> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    // It is asked for this before the first mutation, and has no such page.
    if (request.url?.endsWith('/v2/capabilities') === true) {
      return json(response, 404, { error: { code: 'Unsupported', message: 'no such page' } });
    }
    requests.push(request);
    request.resume().on('end', () => answer(response, request));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const create = (provider: Provider) => provider.create(podOf('one'), operation());
const get = (provider: Provider) => provider.get(OWNER, podOf('one').ref, reading());

describe('an answer that is none of success', () => {
  const said = (code: string) => ({ error: { code, message: 'text that says Fenced, NotFound and anything' } });
  it.each<[number, unknown, string, string]>([
    [400, said('InvalidInput'), 'InvalidInput', 'InvalidInput'],
    [401, said('Unauthorized'), 'Unauthorized', 'Unauthorized'],
    [403, said('Forbidden'), 'Forbidden', 'Forbidden'],
    [404, said('NotFound'), 'NotFound', 'absent'],
    [409, said('Conflict'), 'Conflict', 'Conflict'],
    [409, said('Fenced'), 'Fenced', 'Fenced'],
    [412, said('Fenced'), 'Fenced', 'Fenced'],
    [422, said('Unsupported'), 'Unsupported', 'Unsupported'],
    [429, said('Throttled'), 'Throttled', 'Throttled'],
    [500, said('Internal'), 'Ambiguous', 'Internal'],
    [503, said('Unavailable'), 'Unavailable', 'Unavailable'],
    [503, said('Aborted'), 'Unavailable', 'Unavailable'],
    [507, said('NoCapacity'), 'NoCapacity', 'NoCapacity'],
    // Without a code it is no word of the backend's: a pod is not absent and a term not over because a proxy says so.
    [404, 'no such page', 'Unavailable', 'Unavailable'],
    [404, said('SomethingElse'), 'Unavailable', 'Unavailable'],
    [412, {}, 'Unavailable', 'Unavailable'],
    [302, 'elsewhere', 'Unavailable', 'Unavailable'],
    [429, 'slow down', 'Throttled', 'Throttled'],
    [502, 'bad gateway', 'Ambiguous', 'Unavailable'],
    [503, 'try later', 'Ambiguous', 'Unavailable'],
    [504, 'gateway timeout', 'Ambiguous', 'Unavailable'],
    [200, 'no JSON', 'Ambiguous', 'Unavailable'],
  ])('%i %j: a create fails with %s, a get with %s', async (status, body, ofCreate, ofGet) => {
    await using backend = await fakeBackend((response) => {
      if (typeof body === 'string') response.writeHead(status).end(body);
      else json(response, status, body);
    });
    await using provider = connectTo({ url: backend.url });
    expect(await create(provider).catch(codeOf)).toBe(ofCreate);
    expect(await get(provider).then((pod) => pod ?? 'absent', codeOf)).toBe(ofGet);
    expect(backend.requests, 'neither is tried again here').toHaveLength(2);
  });

  it('says which fence refused it', async () => {
    const current = { epoch: 9, holder: 'replica-1' };
    await using backend = await fakeBackend((response) =>
      json(response, 412, { error: { code: 'Fenced', message: 'too late', current } }),
    );
    await using provider = connectTo({ url: backend.url });
    await expect(create(provider)).rejects.toMatchObject({ code: 'Fenced', current });
  });

  it('says when to come back', async () => {
    await using backend = await fakeBackend((response) => response.writeHead(429, { 'retry-after': '3' }).end());
    await using provider = connectTo({ url: backend.url });
    await expect(create(provider)).rejects.toMatchObject({ code: 'Throttled', retryAfterMs: 3000 });
  });
});

describe('a connection that fails', () => {
  it('before anything was sent leaves nothing in doubt', async () => {
    await using provider = connectTo({ url: NOBODY });
    expect(await create(provider).catch(codeOf)).toBe('Unavailable');
  });

  it('in the middle leaves a mutation in doubt, and a read is asked again', async () => {
    let broken = 0;
    await using backend = await fakeBackend((response) => {
      if (broken++ < 2) response.destroy();
      else json(response, 200, { pod: { handle: 'here' } });
    });
    await using provider = connectTo({ url: backend.url });
    expect(await create(provider).catch(codeOf)).toBe('Ambiguous');
    expect(backend.requests).toHaveLength(1);
    expect(await get(provider)).toEqual({ handle: 'here' });
  });

  it('in the middle of an answer leaves a mutation in doubt too', async () => {
    await using backend = await fakeBackend((response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"outcome":', () => response.destroy());
    });
    await using provider = connectTo({ url: backend.url });
    expect(await create(provider).catch(codeOf)).toBe('Ambiguous');
    expect(await get(provider).catch(codeOf)).toBe('Unavailable');
  });
});

describe('a list', () => {
  const pod = (uid: string) => ({ ...podOf(uid), owner: OWNER, zone: 'zone-a' });

  it('puts its pages together, and is complete only if each is', async () => {
    await using backend = await fakeBackend((response, { url }) => {
      if (url === '/v2/pods') json(response, 200, { pods: [pod('a')], complete: false, continue: 'x y' });
      else json(response, 200, { pods: [pod('a'), pod('b')], complete: true });
    });
    await using provider = connectTo({ url: `${backend.url}/` });
    const { pods, complete } = await provider.list(OWNER, reading());
    expect(pods.map(({ ref }) => ref.uid)).toEqual(['a', 'b']);
    expect(complete).toBe(false);
    expect(backend.requests.map(({ url }) => url)).toEqual(['/v2/pods', '/v2/pods?continue=x%20y']);
  });

  it('that says nothing of it is not complete; one without pods is an error', async () => {
    const answers: unknown[] = [{ pods: [] }, { complete: true }];
    await using backend = await fakeBackend((response) => json(response, 200, answers.shift()));
    await using provider = connectTo({ url: backend.url });
    expect(await provider.list(OWNER, reading())).toEqual({ pods: [], complete: false });
    expect(await provider.list(OWNER, reading()).catch(codeOf)).toBe('Internal');
  });

  it('that changed under it fails', async () => {
    await using backend = await fakeBackend((response, { url }) => {
      if (url === '/v2/pods') json(response, 200, { pods: [pod('a')], complete: true, continue: 'x' });
      else json(response, 410, { error: { code: 'Expired', message: '' } });
    });
    await using provider = connectTo({ url: backend.url });
    expect(await provider.list(OWNER, reading()).catch(codeOf)).toBe('Expired');
  });
});

describe('what is sent', () => {
  it('says whose word it is, and how long the caller waits', async () => {
    await using backend = await fakeBackend((response) => json(response, 200, { state: 'gone' }));
    await using provider = connectTo({ url: `${backend.url}/zones/a` });
    const asked = operation({ owner: 'ü/demo', epoch: 12, holder: 'replica 0', attempt: 2, timeoutMs: 5000 });
    await provider.claim?.(asked);
    await provider.delete(podOf('one').ref, { gracePeriodSeconds: 1.2 }, asked);
    const { method, url, headers } = backend.requests[1] as IncomingMessage;
    expect(`${method} ${url}`).toBe('DELETE /zones/a/v2/pods/one?gracePeriodSeconds=2');
    expect(headers).toMatchObject({
      'zonelet-owner': '%C3%BC/demo',
      'zonelet-zone': 'zone-a',
      'zonelet-epoch': '12',
      'zonelet-holder': 'replica%200',
      'zonelet-deadline': '5000',
      'zonelet-attempt': '2',
    });
  });
});

describe('a stream', () => {
  function virtual(url: string) {
    const clock = new VirtualClock();
    return {
      clock,
      provider: createWebProvider({ url }, { zone: 'zone-a', clock, random: seededRandom(1), log: silentLogger }),
    };
  }

  /** Lets virtual and real time pass until it has come to pass. */
  async function passing(clock: VirtualClock, what: string, check: () => boolean): Promise<void> {
    await eventually(what, async () => {
      if (check()) return true;
      await clock.advance(100);
      return undefined;
    });
  }

  it('that falls silent is opened again; a heartbeat is no silence and no event', async () => {
    const open: ServerResponse[] = [];
    await using backend = await fakeBackend((response) => {
      response.writeHead(200).write('{"type":"sync-start"}\n{"type":"sync-end","complete":true}\n');
      open.push(response);
    });
    const { clock, provider } = virtual(backend.url);
    await using _provider = provider;
    const stop = new AbortController();
    const events: WatchEvent[] = [];
    const watching = (async () => {
      for await (const event of provider.watch(OWNER, stop.signal)) events.push(event);
    })();
    await eventually('the snapshot is there', () => events.length === 2 || undefined);
    await clock.advance(14_000);
    open[0]?.write('{"type":"heartbeat"}\n{"type":"gone","ref":{"uid":"u"}}\n');
    await eventually('the event is there', () => events.length === 3 || undefined);
    await clock.advance(14_000);
    expect(backend.requests).toHaveLength(1);
    await passing(clock, 'it was opened again', () => events.length === 5);
    expect(events.map(({ type }) => type)).toEqual(['sync-start', 'sync-end', 'gone', 'sync-start', 'sync-end']);
    stop.abort();
    await watching;
  });

  it('that cannot be read as JSON lines begins anew', async () => {
    let times = 0;
    await using backend = await fakeBackend((response) => {
      response.writeHead(200).write(times++ === 0 ? '{"type":\n' : '{"type":"sync-start"}\n');
    });
    const { clock, provider } = virtual(backend.url);
    await using _provider = provider;
    const stop = new AbortController();
    const events: WatchEvent[] = [];
    const watching = (async () => {
      for await (const event of provider.watch(OWNER, stop.signal)) events.push(event);
    })();
    await passing(clock, 'the second try is there', () => events.length > 0);
    expect(events).toEqual([{ type: 'sync-start' }]);
    stop.abort();
    await watching;
  });

  it('of reports says Unknown, with the reason, again and again while there is no backend', async () => {
    const { clock, provider } = virtual(NOBODY);
    await using _provider = provider;
    const reports: ZoneReport[] = [];
    const stop = new AbortController();
    const reporting = (async () => {
      for await (const report of provider.zoneReports(stop.signal)) reports.push(report);
    })();
    await passing(clock, 'there are many', () => reports.length >= 10);
    for (const report of reports) {
      expect(report).toEqual({ state: 'Unknown', evidence: expect.stringContaining('ECONNREFUSED') });
    }
    stop.abort();
    await reporting;
  });

  it('of a log that breaks off fails, and does not look like the end', async () => {
    await using backend = await fakeBackend((response) => {
      response.writeHead(200).write('half', () => setImmediate(() => response.destroy()));
    });
    await using provider = connectTo({ url: backend.url });
    const options = { follow: true, previous: false, timestamps: false };
    const stream = await provider.logs?.(OWNER, podOf('one').ref, 'main', options, new AbortController().signal);
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream ?? []) text += Buffer.from(chunk).toString();
    })();
    expect(await reading.catch(codeOf)).toBe('Unavailable');
    expect(text).toBe('half');
  });
});

describe('JSON lines', () => {
  it('are cut at newlines only, wherever the bytes are', () => {
    const objects = [{ a: 'ä€𝄞\u2028\u2029\r' }, { b: [] }, { c: 'x'.repeat(1000) }];
    const bytes = Buffer.from(objects.map((object) => `${JSON.stringify(object)}\n`).join('\n'));
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const lines = createJsonLines();
      const found: unknown[] = [];
      for (let at = 0; at < bytes.length; at += size) found.push(...lines.push(bytes.subarray(at, at + size)));
      expect(found).toEqual(objects);
    }
  });

  it('have an end', () => {
    const lines = createJsonLines();
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    expect(() => {
      for (let i = 0; i < 32; i++) lines.push(chunk);
    }).toThrow(expect.objectContaining({ code: 'Internal' }));
  });
});

describe('the options', () => {
  const problems = (raw: object) => {
    const parsed = parseOptions({ kind: 'web', ...raw });
    return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
  };

  it('are taken when they go together', () => {
    const files = { tokenFile: '/t', caFile: '/ca', certFile: '/crt', keyFile: '/key' };
    expect(parseOptions({ kind: 'web', url: 'https://backend:7101/zone-a', ...files })).toEqual({
      ok: true,
      options: { url: 'https://backend:7101/zone-a', ...files },
    });
  });

  it.each<[object, RegExp]>([
    [{}, /^url: missing/],
    [{ url: 'backend:7101' }, /^url: must be an http/],
    [{ url: 'ftp://backend' }, /^url: must be an http/],
    [{ url: 7101 }, /^url: must be an http/],
    [{ url: 'http://user:secret@backend' }, /^url: must hold no user/],
    [{ url: 'http://backend?zone=a' }, /^url: must have no query/],
    [{ url: 'http://backend', timeout: 3 }, /^timeout: unknown option/],
    [{ url: 'http://backend', tokenFile: 3 }, /^tokenFile: must be the path/],
    [{ url: 'https://backend', certFile: '/c' }, /^certFile: needs keyFile/],
    [{ url: 'https://backend', keyFile: '/k' }, /^keyFile: needs certFile/],
    [{ url: 'http://backend', caFile: '/ca' }, /^caFile: has a meaning only with an https url/],
  ])('%j are refused', (raw, message) => {
    expect(problems(raw)).toEqual([expect.stringMatching(message)]);
  });

  it('have all their problems named at once', () => {
    expect(problems({ url: '', certFile: '', colour: 'red' })).toHaveLength(3);
  });

  it('name files that are read only when they are needed', async () => {
    const provider = connectTo({ url: 'https://backend.invalid', tokenFile: '/nowhere/token' });
    await using _provider = provider;
    expect(await create(provider).catch(codeOf)).toBe('Unavailable');
  });
});
