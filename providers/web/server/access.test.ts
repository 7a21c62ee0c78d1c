/** Who is let in, and on which addresses the backend listens at all. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf } from '../../../src/errors.ts';
import { selfSigned } from '../../../src/kubelet/self-signed.ts';
import { startFaultProxy } from '../../../test/support/fault-proxy.ts';
import { VirtualClock } from '../../../test/support/virtual-clock.ts';
import { connectTo, OWNER, operation, podOf, reading } from '../../../test/support/web-client.ts';
import { startTestServer } from '../../../test/support/web-server.ts';
import { createAuthority } from '../../../test/unit/kubelet/certificate-authority.ts';
import { createAccess } from './access.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-access-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** With any header that a browser might send. */
function get(url: string, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/v2/zone`, { headers }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    request.on('error', reject).end();
  });
}

describe('without a token or a client CA', () => {
  it.each(['127.0.0.1:7101', 'localhost:7101', 'LOCALHOST', '[::1]:7101', '127.8.9.1'])(
    'answers Host %s',
    async (host) => {
      await using server = await startTestServer();
      expect((await get(server.url, { host })).status).toBe(200);
    },
  );

  it.each(['rebound.example:7101', '10.0.0.1:7101', '127.0.0.1.example', 'localhost.example', '0.0.0.0'])(
    'refuses Host %s',
    async (host) => {
      await using server = await startTestServer();
      const { status, body } = await get(server.url, { host });
      expect(status).toBe(403);
      expect(JSON.parse(body).error).toMatchObject({ code: 'Forbidden', message: expect.stringContaining('Host') });
    },
  );

  it.each(['https://page.example', 'null', 'http://127.0.0.1:7101'])('refuses Origin %s', async (origin) => {
    await using server = await startTestServer();
    const { status, body } = await get(server.url, { origin });
    expect(status).toBe(403);
    expect(JSON.parse(body).error).toMatchObject({ code: 'Forbidden', message: expect.stringContaining('Origin') });
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'backend.example'])('does not listen on %s', async (host) => {
    await expect(startTestServer({ host })).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('can be reached by others'),
    });
  });
});

describe('with a token', () => {
  it('lets in whoever has it, also on an address that others reach', async () => {
    const tokenFile = await file('token', 'right-token\n');
    await using server = await startTestServer({ host: '0.0.0.0', access: { tokenFile } });
    const url = `http://127.0.0.1:${server.server.port}`;
    expect((await get(url, {})).status).toBe(401);
    expect((await get(url, { authorization: 'Bearer wrong-token' })).status).toBe(401);
    expect((await get(url, { authorization: 'Bearer right-toke' })).status).toBe(401);
    expect((await get(url, { authorization: 'Basic right-token' })).status).toBe(401);
    expect((await get(url, { authorization: 'Bearer right-token', host: 'backend.example' })).status).toBe(200);

    await using provider = connectTo({ url, tokenFile });
    await provider.create(podOf('one'), operation());
    await using stranger = connectTo({ url, tokenFile: await file('other', 'other-token') });
    expect(await stranger.create(podOf('two'), operation()).catch(codeOf)).toBe('Unauthorized');
    expect(await stranger.get(OWNER, podOf('one').ref, reading()).catch(codeOf)).toBe('Unauthorized');
    await using nobody = connectTo({ url });
    for await (const report of nobody.zoneReports(new AbortController().signal)) {
      expect(report).toMatchObject({ state: 'Unknown', evidence: expect.stringContaining('token') });
      break;
    }
  });

  it('takes a replaced token in both its places', async () => {
    const tokenFile = await file('token', 'old');
    const clock = new VirtualClock();
    const access = createAccess({ tokenFile, clientCertificates: false, clock });
    const check = (token: string) => access.check({ headers: { authorization: `Bearer ${token}` } } as never);
    await file('token', 'new');
    expect(() => check('old')).not.toThrow();
    await clock.advance(10_000);
    expect(() => check('old')).toThrow();
    expect(() => check('new')).not.toThrow();

    await using server = await startTestServer({ access: { tokenFile } });
    await using proxy = await startFaultProxy();
    proxy.target(server.server.port);
    await using provider = connectTo({ url: `http://127.0.0.1:${proxy.port}`, tokenFile });
    expect((await provider.list(OWNER, reading())).pods).toEqual([]);
    await file('token', 'newest');
    await server.restart();
    proxy.target(server.server.port);
    // The first refusal makes it read its file again.
    await provider.list(OWNER, reading()).catch(() => {});
    expect((await provider.list(OWNER, reading())).pods).toEqual([]);
  });

  it.each(['', '\n', 'two tokens'])('does not start with a file that holds %j', async (content) => {
    const tokenFile = await file('token', content);
    await expect(startTestServer({ access: { tokenFile } })).rejects.toMatchObject({ code: 'InvalidInput' });
  });

  it('does not start without the file', async () => {
    const tokenFile = join(folder, 'nowhere');
    await expect(startTestServer({ access: { tokenFile } })).rejects.toMatchObject({ code: 'InvalidInput' });
  });
});

describe('with a client CA', () => {
  async function certificates() {
    const now = Date.now();
    const { certificate, key } = await selfSigned({
      commonName: 'backend',
      dnsNames: ['localhost'],
      addresses: ['127.0.0.1'],
      notBeforeMs: now - 60_000,
      notAfterMs: now + 3_600_000,
    });
    const authority = await createAuthority('replicas');
    const own = await authority.issue({ CN: 'replica-0' });
    const foreign = await (await createAuthority('others')).issue({ CN: 'replica-0' });
    return {
      tls: { cert: certificate, key },
      clientCa: authority.pem,
      caFile: await file('ca.pem', certificate),
      own: { certFile: await file('own.crt', own.cert), keyFile: await file('own.key', own.key) },
      foreign: { certFile: await file('foreign.crt', foreign.cert), keyFile: await file('foreign.key', foreign.key) },
    };
  }

  it('lets in certificates of that CA only', async () => {
    const { tls, clientCa, caFile, own, foreign } = await certificates();
    await using server = await startTestServer({ host: '0.0.0.0', access: { tls, clientCa } });
    const url = `https://127.0.0.1:${server.server.port}`;
    await using provider = connectTo({ url, caFile, ...own });
    expect((await provider.create(podOf('one'), operation())).outcome).toBe('created');
    for (const options of [{ caFile }, { caFile, ...foreign }]) {
      await using stranger = connectTo({ url, ...options });
      expect(await stranger.list(OWNER, reading()).catch(codeOf)).toBe('Unavailable');
    }
    // And a backend whose certificate nobody vouches for gets nothing, so that nothing was sent.
    await using careful = connectTo({ url, ...own });
    expect(await careful.create(podOf('two'), operation()).catch(codeOf)).toBe('Unavailable');
  });

  it('takes the token instead where there is one', async () => {
    const { tls, clientCa, caFile, own, foreign } = await certificates();
    const tokenFile = await file('token', 'right');
    await using server = await startTestServer({ access: { tls, clientCa, tokenFile } });
    const { url } = server;
    for (const [options, outcome] of [
      [{ caFile, ...own }, 'good'],
      [{ caFile, tokenFile }, 'good'],
      [{ caFile, ...foreign }, 'Unauthorized'],
      [{ caFile }, 'Unauthorized'],
    ] as const) {
      await using provider = connectTo({ url, ...options });
      expect(await provider.list(OWNER, reading()).then(() => 'good', codeOf)).toBe(outcome);
    }
  });

  it('needs a certificate of its own', async () => {
    const { clientCa } = await certificates();
    await expect(startTestServer({ access: { clientCa } })).rejects.toMatchObject({ code: 'InvalidInput' });
  });
});
