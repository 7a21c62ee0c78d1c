import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { systemClock } from '../../../src/clock.ts';
import { connect } from '../../../src/kube/connect.ts';
import { loadCredentials } from '../../../src/kube/credentials.ts';
import { resolveKubeconfig } from '../../../src/kube/kubeconfig-resolution.ts';
import { PODS } from '../../../src/kube/resources.ts';
import { selfSigned } from '../../../src/kubelet/self-signed.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { createAuthority } from '../kubelet/certificate-authority.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zonelet-credentials-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

interface Parts {
  readonly cluster?: object;
  readonly user?: object | null;
  readonly context?: object;
  readonly top?: object;
}

/** Writes a kubeconfig; parts of it can be put otherwise. */
async function kubeconfig(name: string, { cluster, user, context, top }: Parts = {}): Promise<string> {
  const file = join(dir, name);
  const text = stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    contexts: [{ name: 'main', context: { cluster: 'c', ...(user === null ? {} : { user: 'u' }), ...context } }],
    clusters: [{ name: 'c', cluster: { server: 'https://api.example:6443', ...cluster } }],
    users: user === null ? [] : [{ name: 'u', user: user ?? { token: 'secret-token' } }],
    ...top,
  });
  await writeFile(file, text);
  return file;
}

const resolveOne = (file: string) => resolveKubeconfig({ files: [file] }, { PATH: process.env.PATH });

// Child processes on a busy machine take their time.
describe('a kubeconfig', { timeout: 60_000 }, () => {
  test('gives server, certificates, names and what to authenticate with', async () => {
    const authority = await createAuthority();
    const { cert, key } = await authority.issue({ CN: 'zonelet' }, Date.UTC(2099, 0, 1));
    await writeFile(join(dir, 'ca.pem'), authority.pem);
    await writeFile(join(dir, 'client.pem'), cert);
    const file = await kubeconfig('certificates', {
      cluster: {
        server: 'https://api.example:6443/',
        'certificate-authority': 'ca.pem',
        'tls-server-name': 'kubernetes',
      },
      user: { 'client-certificate': 'client.pem', 'client-key-data': Buffer.from(key).toString('base64') },
      context: { namespace: 'team' },
    });
    expect(await resolveOne(file)).toEqual({
      server: 'https://api.example:6443',
      namespace: 'team',
      identity: { ca: authority.pem, cert, key, tlsServerName: 'kubernetes' },
      expiresAtMs: Date.UTC(2099, 0, 1),
    });
    const basic = await kubeconfig('basic', {
      cluster: { server: 'http://127.0.0.1:8080', 'insecure-skip-tls-verify': true },
      user: { username: 'me', password: 'pass' },
    });
    expect(await resolveOne(basic)).toEqual({
      server: 'http://127.0.0.1:8080',
      identity: { authorization: `Basic ${Buffer.from('me:pass').toString('base64')}`, insecureSkipTlsVerify: true },
    });
    const exp = Math.floor(Date.UTC(2090, 0, 1) / 1000);
    const jwt = `h.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.s`;
    expect(await resolveOne(await kubeconfig('jwt', { user: { token: jwt } }))).toMatchObject({
      expiresAtMs: exp * 1000,
    });
    const nobody = await kubeconfig('nobody', { user: null, cluster: { 'certificate-authority': 'ca.pem' } });
    expect(await resolveOne(nobody)).toMatchObject({ identity: { ca: authority.pem } });
  });

  test.each<[string, Parts, RegExp]>([
    ['an unknown context', { top: { 'current-context': 'other' } }, /context "other" does not exist/],
    ['no context', { top: { 'current-context': '' } }, /current-context is not set/],
    ['an unknown cluster', { context: { cluster: 'x' } }, /cluster "x" does not exist/],
    ['an unknown user', { context: { user: 'x' } }, /user "x" does not exist/],
    ['a cluster without a server', { cluster: { server: undefined } }, /server is missing/],
    ['a server that is no URL', { cluster: { server: 'localhost:6443' } }, /"localhost:6443" is no http\(s\) URL/],
    ['a file that is not there', { user: { 'client-certificate': 'gone.pem' } }, /gone\.pem/],
    ['a proxy', { cluster: { 'proxy-url': 'http://proxy' } }, /proxy-url is not supported/],
    ['impersonation', { user: { as: 'someone' } }, /impersonation/],
    [
      'a plugin that does not exist',
      { user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: '/no/such' } } },
      /plugin \/no\/such: .*ENOENT/,
    ],
  ])('with %s is a mistake that names the file', async (what, parts, message) => {
    const file = await kubeconfig(what.replaceAll(' ', '-'), parts);
    const result = await resolveOne(file);
    expect(result).toEqual({ mistake: expect.stringMatching(message) });
    expect(JSON.stringify(result)).toContain(file);
  });

  test('that is no YAML, or no kubeconfig, is a mistake that names the file', async () => {
    const file = join(dir, 'broken');
    for (const text of ['a: [', '', '- 1']) {
      await writeFile(file, text);
      expect(await resolveOne(file)).toEqual({ mistake: expect.stringContaining(file) });
    }
  });

  test('of several files the first wins, name by name; missing ones do not count', async () => {
    const first = await kubeconfig('first', { user: { token: 'one' }, top: { clusters: [], contexts: [] } });
    const second = await kubeconfig('second', { user: { token: 'two' }, top: { 'current-context': 'other' } });
    const result = await resolveKubeconfig({ files: [join(dir, 'missing'), first, second] }, {});
    expect(result).toMatchObject({ server: 'https://api.example:6443', identity: { authorization: 'Bearer one' } });
    expect(await resolveKubeconfig({ files: [join(dir, 'a'), join(dir, 'b')] }, {})).toEqual({
      mistake: expect.stringContaining('$KUBECONFIG'),
    });
  });

  test('a plugin that refuses is told as it says it; one that gives nothing, too', async () => {
    const exec = (script: string) => ({
      user: {
        exec: { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: ['-e', script] },
      },
    });
    const refusing = await kubeconfig('refusing', exec('console.error("please log in"); process.exit(1)'));
    expect(await resolveOne(refusing)).toEqual({ refusal: expect.stringContaining('please log in') });
    const empty = await kubeconfig('empty', exec('console.log(JSON.stringify({ status: {} }))'));
    expect(await resolveOne(empty)).toEqual({ refusal: expect.stringContaining('neither a token nor a certificate') });
  });
});

describe('credentials', { timeout: 60_000 }, () => {
  test('of a plugin are fetched by a child, with what plugins need, and again before they run out and after a 401', async () => {
    const counter = join(dir, 'counter');
    const plugin = join(dir, 'plugin.cjs');
    await writeFile(
      plugin,
      `const fs = require('node:fs');
       const count = fs.existsSync(${JSON.stringify(counter)}) ? Number(fs.readFileSync(${JSON.stringify(counter)})) + 1 : 1;
       fs.writeFileSync(${JSON.stringify(counter)}, String(count));
       const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
       const status = { token: [count, info.spec.interactive, info.spec.cluster.server, process.env.FROM_FILE, process.env.FROM_PARENT].join(' ') };
       if (count === 1) status.expirationTimestamp = '2026-01-01T01:00:00Z';
       console.log(JSON.stringify({ apiVersion: info.apiVersion, kind: 'ExecCredential', status }));`,
    );
    const command = join(dir, 'plugin');
    await writeFile(command, `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} ${JSON.stringify(plugin)}\n`);
    await chmod(command, 0o755);
    const file = await kubeconfig('exec', {
      user: {
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          // Relative to the file, as kubectl reads it.
          command: './plugin',
          env: [{ name: 'FROM_FILE', value: 'file' }],
          provideClusterInfo: true,
        },
      },
    });
    const lines: string[] = [];
    const note = (fields: object, message: string): void => void lines.push(JSON.stringify([fields, message]));
    const log: Logger = { ...silentLogger, debug: note, info: note, warn: note };
    const clock = new VirtualClock(Date.UTC(2026, 0, 1));
    const { identity, server, namespace, source } = await loadCredentials({
      kubeconfig: file,
      env: { PATH: process.env.PATH, FROM_PARENT: 'parent' },
      clock,
      log,
    });
    expect({ server, namespace, source }).toEqual({
      server: 'https://api.example:6443',
      namespace: undefined,
      source: file,
    });
    const token = async (): Promise<string | undefined> => (await identity.get()).authorization;
    expect(await token()).toBe('Bearer 1 false https://api.example:6443 file parent');
    await clock.advance(61 * 60_000);
    expect(await token()).toMatch(/^Bearer 2 /);
    await clock.advance(60_000);
    identity.refused(await identity.get());
    expect(await token()).toMatch(/^Bearer 3 /);
    expect(lines.join('\n')).not.toContain('https://api.example:6443 file');
  });

  test('with a token in a file are read again each minute, without a child', async () => {
    await writeFile(join(dir, 'token-file'), 'one\n');
    const file = await kubeconfig('token', { user: { tokenFile: 'token-file' } });
    const clock = new VirtualClock();
    const { identity } = await loadCredentials({ kubeconfig: file, env: {}, clock, log: silentLogger });
    expect(await identity.get()).toEqual({ authorization: 'Bearer one' });
    await writeFile(join(dir, 'token-file'), 'two\n');
    await rm(file);
    await clock.advance(60_000);
    // Fetched beside the old one; here it is waited for.
    while ((await identity.get()).authorization !== 'Bearer two')
      await new Promise((resolve) => setTimeout(resolve, 2));
  });

  test('of a pod come from its ServiceAccount, and are read again each minute', async () => {
    const directory = join(dir, 'serviceaccount');
    await mkdir(directory);
    for (const [name, text] of [
      ['token', 'one\n'],
      ['ca.crt', 'PEM\n'],
      ['namespace', 'zonelet-system\n'],
    ] as const) {
      await writeFile(join(directory, name), text);
    }
    const clock = new VirtualClock();
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443', KUBECONFIG: '/nowhere' };
    const options = { env, clock, log: silentLogger, serviceAccountDirectory: directory };
    const { server, namespace, source, identity } = await loadCredentials(options);
    expect({ server, namespace, source }).toEqual({
      server: 'https://[fd00::1]:443',
      namespace: 'zonelet-system',
      source: 'in-cluster',
    });
    expect(await identity.get()).toEqual({ authorization: 'Bearer one', ca: 'PEM' });
    await writeFile(join(directory, 'token'), 'two\n');
    await clock.advance(59_000);
    expect((await identity.get()).authorization).toBe('Bearer one');
    await clock.advance(1_000);
    while ((await identity.get()).authorization !== 'Bearer two')
      await new Promise((resolve) => setTimeout(resolve, 2));
  });

  test('that are nowhere, or in a file that is not there, are a mistake in the input', async () => {
    const serviceAccountDirectory = join(dir, 'none');
    const base = { clock: systemClock, log: silentLogger, serviceAccountDirectory };
    await expect(loadCredentials({ ...base, env: { HOME: dir } })).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining(join(dir, '.kube', 'config')),
    });
    const missing = join(dir, 'not-there');
    await expect(loadCredentials({ ...base, kubeconfig: missing, env: {} })).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining(missing),
    });
  });

  test('lead to a client that speaks to that server', async () => {
    const serving = await selfSigned({
      commonName: 'api',
      dnsNames: ['api.example'],
      addresses: [],
      notBeforeMs: Date.now() - 3_600_000,
      notAfterMs: Date.now() + 3_600_000,
    });
    const server = createServer({ cert: serving.certificate, key: serving.key }, (req, res) => {
      const known = req.headers.authorization === 'Bearer secret-token' && req.url === '/api/v1/namespaces/ns/pods/p';
      res.writeHead(known ? 200 : 401).end(JSON.stringify({ metadata: { name: 'p' } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const file = await kubeconfig('whole', {
        cluster: {
          server: `https://127.0.0.1:${port}`,
          'certificate-authority-data': Buffer.from(serving.certificate).toString('base64'),
          'tls-server-name': 'api.example',
        },
      });
      await mkdir(join(dir, '.kube'));
      await writeFile(join(dir, '.kube', 'config'), 'apiVersion: v1');
      await using connection = await connect({ env: { HOME: dir, KUBECONFIG: file }, clock: systemClock });
      expect(connection.namespace).toBeUndefined();
      expect(connection.server).toBe(`https://127.0.0.1:${port}`);
      expect((await connection.client.get(PODS, { namespace: 'ns', name: 'p' })).metadata?.name).toBe('p');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
