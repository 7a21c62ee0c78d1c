/** Volumes of pods that are processes: what is seen from inside, and when it changes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Container, Pod } from '../../../../src/kube/types.ts';
import type { Provider, ResolvedPod, VolumeContent } from '../../../../src/provider/contract.ts';
import { connectTo, eventually, logOf, operation, podOf, read } from '../../../../test/support/web-client.ts';
import { startTestServer, type TestServer } from '../../../../test/support/web-server.ts';
import { findMountWay } from './mounts.ts';
import { writeVolume } from './volumes.ts';

const RUNTIME = { kind: 'process', podAddress: '127.0.0.1', searchPath: env.PATH ?? '/usr/bin:/bin' } as const;

const content = (files: Record<string, string>, mode = 0o644): VolumeContent => ({
  files: Object.entries(files).map(([path, text]) => ({ path, content: Buffer.from(text), mode })),
});

describe('a volume with content', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'zonelet-volume-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('has its files with their modes, and changes as a whole', () => {
    const volume = join(folder, 'v');
    writeVolume(volume, content({ 'one.conf': '1', 'deep/er/two': '2' }, 0o440));
    expect(readFileSync(join(volume, 'one.conf'), 'utf8')).toBe('1');
    expect(statSync(join(volume, 'deep/er/two')).mode & 0o777).toBe(0o440);
    writeVolume(volume, content({ 'one.conf': 'changed', three: '3' }));
    expect(readFileSync(join(volume, 'one.conf'), 'utf8')).toBe('changed');
    expect(readdirSync(volume).filter((name) => !name.startsWith('..'))).toEqual(['one.conf', 'three']);
    expect(readdirSync(volume), 'nothing old is left').toHaveLength(4);
  });

  it('stays untouched when the same comes again', () => {
    const volume = join(folder, 'v');
    writeVolume(volume, content({ a: '1' }));
    const there = readdirSync(volume);
    writeVolume(volume, content({ a: '1' }));
    expect(readdirSync(volume)).toEqual(there);
    writeVolume(volume, content({ a: '1' }, 0o600));
    expect(readdirSync(volume)).not.toEqual(there);
  });
});

const probe = mkdtempSync(join(tmpdir(), 'zonelet-mounts-'));
const way = findMountWay(join(probe, 'probe'));
rmSync(probe, { recursive: true });

describe.skipIf(typeof way !== 'string')('a process with volume mounts', () => {
  async function onServer(test: (provider: Provider, server: TestServer) => Promise<void>): Promise<void> {
    await using server = await startTestServer({ runtime: RUNTIME });
    await using provider = connectTo({ url: server.url });
    await test(provider, server);
  }

  function pod(script: string, mounts: Container['volumeMounts'], volumes: NonNullable<Pod['spec']>['volumes']) {
    const container = { command: ['sh', '-c', script], ...(mounts === undefined ? {} : { volumeMounts: mounts }) };
    return podOf('one', container, { restartPolicy: 'Never', ...(volumes === undefined ? {} : { volumes }) });
  }

  async function outputOf(provider: Provider, resolved: ResolvedPod): Promise<string> {
    await provider.create(resolved, operation());
    await eventually('it has ended', async () => {
      const containers = (await read(provider, 'one'))?.observation.containers;
      return containers?.find(({ name }) => name === 'main')?.state.terminated;
    });
    return await logOf(provider, 'one');
  }

  it('sees them at their paths, whether the machine has those or not, and nobody else does', () =>
    onServer(async (provider) => {
      const script =
        'cat /zonelet-test/deep/config/a /etc/zonelet-test.conf; ls -d /etc/passwd; cat /zonelet-file; pwd';
      const mounts = [
        { name: 'config', mountPath: '/zonelet-test/deep/config' },
        { name: 'config', mountPath: '/etc/zonelet-test.conf', subPath: 'b' },
        { name: 'config', mountPath: '/zonelet-file', subPath: 'deep/c' },
      ];
      const resolved = {
        ...pod(script, mounts, [{ name: 'config', configMap: { name: 'c' } }]),
        volumes: { config: content({ a: 'A\n', b: 'B\n', 'deep/c': 'C\n' }) },
      };
      const output = await outputOf(provider, resolved);
      expect(output).toMatch(/^A\nB\n\/etc\/passwd\nC\n\/.*\/work\n$/);
      expect(existsSync('/zonelet-test')).toBe(false);
      expect(existsSync('/etc/zonelet-test.conf')).toBe(false);
    }));

  it('cannot write into what Kubernetes gives, and can into an emptyDir that its containers share', () =>
    onServer(async (provider) => {
      const shared = { name: 'shared', mountPath: '/zonelet-shared' };
      const main = 'cat /zonelet-shared/from-init; echo x >/zonelet-config/a || echo refused';
      const resolved = pod(
        main,
        [shared, { name: 'config', mountPath: '/zonelet-config' }],
        [
          { name: 'shared', emptyDir: {} },
          { name: 'config', configMap: { name: 'c' } },
        ],
      );
      const init = {
        name: 'init',
        command: ['sh', '-c', 'echo hello >/zonelet-shared/from-init'],
        volumeMounts: [shared],
      };
      const spec = { containers: [], ...resolved.pod.spec, initContainers: [init] };
      const output = await outputOf(provider, {
        ...resolved,
        pod: { ...resolved.pod, spec },
        volumes: { config: content({ a: 'A' }) },
      });
      expect(output).toContain('hello\n');
      expect(output).toContain('refused\n');
    }));

  it('sees a refresh, also after the backend was started again', () =>
    onServer(async (provider, server) => {
      const script =
        'for want in 1 2 3; do until [ "$(cat /zonelet-config/a)" = "$want" ]; do sleep 0.05; done; echo saw $want; done';
      const resolved = {
        ...pod(
          script,
          [{ name: 'config', mountPath: '/zonelet-config' }],
          [{ name: 'config', secret: { secretName: 's' } }],
        ),
        volumes: { config: content({ a: '1' }, 0o400) },
      };
      await provider.create(resolved, operation());
      const saw = (text: string) =>
        eventually(`it ${text}`, async () => (await logOf(provider, 'one')).includes(text) || undefined);
      await saw('saw 1');
      await provider.refreshVolumes?.(resolved.ref, { config: content({ a: '2' }, 0o400) }, operation());
      await saw('saw 2');
      await server.restart();
      await using after = connectTo({ url: server.url });
      await after.refreshVolumes?.(resolved.ref, { config: content({ a: '3' }, 0o400) }, operation());
      await eventually('it saw 3', async () => (await logOf(after, 'one')).includes('saw 3') || undefined);
    }));

  it('does not begin without the content of one', () =>
    onServer(async (provider) => {
      const resolved = pod(
        'true',
        [{ name: 'config', mountPath: '/c' }],
        [{ name: 'config', configMap: { name: 'c' } }],
      );
      await provider.create(resolved, operation());
      const ended = await eventually('it has ended', async () => {
        return (await read(provider, 'one'))?.observation.containers[0]?.state.terminated;
      });
      expect(ended).toMatchObject({ exitCode: 128, reason: 'StartError', message: expect.stringContaining('config') });
    }));
});
