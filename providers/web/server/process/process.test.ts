/** Containers as processes of this machine: what becomes of them, whoever dies. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, kill } from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/clock.ts';
import type { Container } from '../../../../src/kube/types.ts';
import type { LogOptions, Provider } from '../../../../src/provider/contract.ts';
import { connectTo, eventually, logOf, OWNER, operation, podOf, read } from '../../../../test/support/web-client.ts';
import { startTestServer, type TestServer } from '../../../../test/support/web-server.ts';
import { podKey } from '../pod-record.ts';
import { ProcessRun } from './process-run.ts';
import { currentBootId, isAlive } from './process-table.ts';
import { giveUp, parseStat, readCommandPid, readSupervisor, startSupervisor } from './supervisor.ts';

const RUNTIME = { kind: 'process', podAddress: '192.0.2.7', searchPath: env.PATH ?? '/usr/bin:/bin' } as const;
const sh = (script: string, ...args: string[]): Partial<Container> => ({
  command: ['sh', '-c', script, 'sh', ...args],
});
const NEVER = { restartPolicy: 'Never' };

async function onServer(test: (provider: Provider, server: TestServer) => Promise<void>): Promise<void> {
  await using server = await startTestServer({ runtime: RUNTIME });
  await using provider = connectTo({ url: server.url });
  await test(provider, server);
}

const runFolder = (server: TestServer, uid: string, number = 0) =>
  join(server.folder, 'data', 'pods', podKey(OWNER, uid), 'main', String(number));

async function terminated(provider: Provider, uid: string) {
  return await eventually(`${uid} has ended`, async () => {
    const pod = await read(provider, uid);
    return pod?.observation.containers.find(({ name }) => name === 'main')?.state.terminated;
  });
}

/** The process id of the command, once it runs. */
const pidOf = (folder: string) => eventually('the command runs', () => readCommandPid(folder));

function lives(pid: number): boolean {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return stat !== undefined && stat.state !== 'Z';
  } catch {
    return false;
  }
}

describe('a container', () => {
  it('has its command, arguments, environment, folder and address', () =>
    onServer(async (provider) => {
      const script = 'echo "$0 $*"; echo "$GREETING $HOSTNAME"; echo err >&2; pwd';
      const pod = podOf('one', { command: ['sh', '-c', script], args: ['a b', '$c'], workingDir: '/tmp' }, NEVER);
      const greeting = [{ name: 'GREETING', value: 'hello\nworld "€"' }];
      await provider.create({ ...pod, env: { main: greeting } }, operation());
      expect(await terminated(provider, 'one')).toMatchObject({ exitCode: 0, reason: 'Completed' });
      expect(await logOf(provider, 'one')).toBe('a b $c\nhello\nworld "€" pod-one\nerr\n/tmp\n');
      expect((await read(provider, 'one'))?.observation.podIPs).toEqual(['192.0.2.7']);
    }));

  it.each<[string, Partial<Container>, number, string, string]>([
    ['a command that is not there', { command: ['/nowhere/at-all'] }, 127, 'Error', 'not found'],
    ['a folder that is not there', { command: ['true'], workingDir: '/nowhere/at-all' }, 128, 'StartError', ''],
    ['an argument that no process can have', { command: ['echo', 'a\0b'] }, 128, 'StartError', ''],
    ['death by a signal', { command: ['sh', '-c', 'kill -SEGV $$'] }, 139, 'Error', ''],
  ])('ends with %s', (_what, container, exitCode, reason, log) =>
    onServer(async (provider) => {
      await provider.create(podOf('one', container, NEVER), operation());
      expect(await terminated(provider, 'one')).toMatchObject({ exitCode, reason });
      if (log === '') expect(await logOf(provider, 'one')).toBe('');
      else expect(await logOf(provider, 'one')).toContain(log);
    }),
  );

  it('runs after its init containers, in their order', () =>
    onServer(async (provider, { folder }) => {
      const note = (name: string) => ['sh', '-c', `echo ${name} >>${folder}/order`];
      const initContainers = ['first', 'second'].map((name) => ({ name, command: note(name) }));
      await provider.create(podOf('one', { command: note('main') }, { ...NEVER, initContainers }), operation());
      await terminated(provider, 'one');
      expect(readFileSync(join(folder, 'order'), 'utf8')).toBe('first\nsecond\nmain\n');
    }));

  it('can be added to a pod that runs, for debugging', () =>
    onServer(async (provider) => {
      const pod = podOf('one', sh('exec sleep 100000'));
      await provider.create(pod, operation());
      const debug = { name: 'debug', command: ['sh', '-c', 'echo found it; exit 4'] };
      const spec = { containers: [], ...pod.pod.spec, ephemeralContainers: [debug] };
      await provider.update({ ...pod, pod: { ...pod.pod, spec }, hash: 'h2' }, operation());
      const ended = await eventually('it has ended', async () => {
        const { observation } = (await read(provider, 'one')) ?? {};
        return observation?.containers.find(({ name, state }) => name === 'debug' && state.terminated !== undefined);
      });
      expect(ended).toMatchObject({ restartCount: 0, state: { terminated: { exitCode: 4 } } });
      const { observation } = (await read(provider, 'one')) ?? {};
      expect(observation?.containers.find(({ name }) => name === 'main')?.state.running).toBeDefined();
    }));

  it('is looked at over TCP and HTTP, and what is found is told, also by a backend that was restarted', () =>
    onServer(async (provider, server) => {
      const app = createServer((_request, response) => void response.writeHead(status).end());
      let status = 500;
      app.listen(0, '127.0.0.1');
      await once(app, 'listening');
      const { port } = app.address() as AddressInfo;
      const probes = {
        startupProbe: { tcpSocket: { port }, periodSeconds: 1 },
        readinessProbe: { httpGet: { port }, periodSeconds: 1 },
      };
      await provider.create(podOf('one', { ...sh('exec sleep 100000'), ...probes }), operation());
      const main = async (from: Provider) => (await read(from, 'one'))?.observation.containers[0];
      await eventually('it has started', async () => (await main(provider))?.started || undefined);
      const unhealthy = await eventually(
        'it is told of',
        async () => (await read(provider, 'one'))?.observation.events,
      );
      expect(unhealthy.at(-1)).toMatchObject({
        type: 'Warning',
        reason: 'Unhealthy',
        message: 'Readiness probe failed: HTTP probe failed with statuscode: 500',
      });
      expect((await main(provider))?.ready).toBe(false);
      await server.restart();
      await using again = connectTo({ url: server.url });
      status = 200;
      await eventually('it is ready', async () => (await main(again))?.ready || undefined);
      app.close();
    }));

  it('takes everything that it started with it', () =>
    onServer(async (provider, server) => {
      const pidFile = join(server.folder, 'left');
      const script = 'sleep 100000 & echo $! >"$1"; exit 4';
      await provider.create(podOf('one', sh(script, pidFile), NEVER), operation());
      expect(await terminated(provider, 'one')).toMatchObject({ exitCode: 4 });
      const left = Number(readFileSync(pidFile, 'utf8'));
      await eventually('what it left behind has ended', () => !lives(left) || undefined);
    }));

  it('is asked to end alone, and killed with all its processes', () =>
    onServer(async (provider, server) => {
      const pidFile = join(server.folder, 'child');
      const script = `trap '' TERM; (sleep 100000) & echo $! >"$1"; echo ready; wait; wait; while :; do sleep 0.1; done`;
      await provider.create(podOf('one', sh(script, pidFile)), operation());
      await eventually('it ignores SIGTERM', async () => (await logOf(provider, 'one')) === 'ready\n' || undefined);
      const pids = [await pidOf(runFolder(server, 'one')), Number(readFileSync(pidFile, 'utf8'))];
      const { ref } = podOf('one');
      expect((await provider.delete(ref, { gracePeriodSeconds: 600 }, operation())).state).toBe('stopping');
      expect(pids.map(lives)).toEqual([true, true]);
      await provider.delete(ref, { gracePeriodSeconds: 0 }, operation());
      expect(await terminated(provider, 'one')).toMatchObject({ exitCode: 137 });
      await eventually('all have ended', () => !pids.some(lives) || undefined);
      expect((await provider.delete(ref, { gracePeriodSeconds: 0 }, operation())).state).toBe('gone');
      expect(existsSync(runFolder(server, 'one'))).toBe(false);
    }));

  it('whose supervisor was killed has an unknown end, and runs again by its policy', () =>
    onServer(async (provider, server) => {
      await provider.create(podOf('one', sh('exec sleep 100000'), NEVER), operation());
      const command = await pidOf(runFolder(server, 'one'));
      const supervisor = readSupervisor(runFolder(server, 'one'));
      if (typeof supervisor !== 'object') throw new Error('the command runs without a supervisor');
      kill(supervisor.pid, 'SIGKILL');
      expect(await terminated(provider, 'one')).toMatchObject({
        exitCode: 137,
        reason: 'ContainerStatusUnknown',
        message: expect.stringContaining('killed from outside'),
      });
      await eventually('nothing runs unsupervised', () => !lives(command) || undefined);
    }));

  it('that was killed on request while the backend was dying is not taken for an accident', () =>
    onServer(async (provider, server) => {
      await provider.create(podOf('one', sh('exec sleep 100000'), NEVER), operation());
      const command = await pidOf(runFolder(server, 'one'));
      void provider.delete(podOf('one').ref, { gracePeriodSeconds: 0 }, operation()).catch(() => {});
      await eventually('it has ended', () => !lives(command) || undefined);
      await server.restart();
      await using again = connectTo({ url: server.url });
      const end = await terminated(again, 'one');
      expect(end).toMatchObject({ exitCode: 137, reason: 'Error' });
    }));
});

describe('a log', () => {
  const options: LogOptions = { follow: false, previous: false, timestamps: true };

  it('has the times at which its lines were written, also of those written without a backend', () =>
    onServer(async (provider, server) => {
      const go = join(server.folder, 'go');
      const before = systemClock.now();
      await provider.create(
        podOf('one', sh(`echo one; until [ -e ${go} ]; do sleep 0.05; done; echo two`), NEVER),
        operation(),
      );
      await eventually('it has written', async () => (await logOf(provider, 'one')) === 'one\n' || undefined);
      const between = systemClock.now();
      await new Promise((resolve) => setTimeout(resolve, 50));
      writeFileSync(go, '');
      await terminated(provider, 'one');
      await server.restart();
      await using again = connectTo({ url: server.url });
      const lines = (await logOf(again, 'one', true)).trimEnd().split('\n');
      const times = lines.map((line) => Date.parse(line.split(' ')[0] ?? ''));
      expect(lines.map((line) => line.split(' ')[1])).toEqual(['one', 'two']);
      expect(times[0]).toBeGreaterThanOrEqual(before - 1000);
      expect(times[0]).toBeLessThanOrEqual(between);
      expect(times[1]).toBeGreaterThan(between);
      const stream = await again.logs?.(
        OWNER,
        podOf('one').ref,
        'main',
        { ...options, sinceTimeMs: between + 1 },
        new AbortController().signal,
      );
      const chunks = [];
      for await (const chunk of stream ?? []) chunks.push(chunk);
      expect(Buffer.concat(chunks).toString()).toBe(`${lines[1]}\n`);
    }));

  it('of many lines is read from its end, and followed without a gap', () =>
    onServer(async (provider, server) => {
      const go = join(server.folder, 'go');
      const script = `seq 1 50000; until [ -e ${go} ]; do sleep 0.05; done; seq 50001 60000`;
      await provider.create(podOf('one', sh(script), NEVER), operation());
      await eventually(
        'the first part is there',
        async () => (await logOf(provider, 'one')).endsWith('\n50000\n') || undefined,
      );
      const signal = new AbortController().signal;
      const reading = { follow: true, previous: false, timestamps: false, tailLines: 30_000 };
      const stream = await provider.logs?.(OWNER, podOf('one').ref, 'main', reading, signal);
      let text = '';
      for await (const chunk of stream ?? []) {
        if (text === '') writeFileSync(go, '');
        text += Buffer.from(chunk).toString('latin1');
      }
      expect(text).toBe(Array.from({ length: 40_000 }, (_, i) => `${i + 20_001}\n`).join(''));
    }));
});

describe('what a process cannot have', () => {
  const valid = { command: ['true'] };
  it.each<[string, Partial<Container>, object]>([
    ['spec.containers[0].command', { args: ['x'] }, {}],
    [
      'spec.containers[0].volumeMounts[0].mountPath',
      { ...valid, volumeMounts: [{ name: 'data', mountPath: '/' }] },
      { volumes: [{ name: 'data', emptyDir: {} }] },
    ],
    [
      'spec.containers[0].volumeMounts[1].mountPath',
      {
        ...valid,
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'data', mountPath: '/data/more' },
        ],
      },
      { volumes: [{ name: 'data', emptyDir: {} }] },
    ],
    [
      'spec.containers[0].volumeMounts[0].subPath',
      { ...valid, volumeMounts: [{ name: 'data', mountPath: '/data', subPath: '../x' }] },
      { volumes: [{ name: 'data', emptyDir: {} }] },
    ],
    ['spec.volumes[0].emptyDir.medium', valid, { volumes: [{ name: 'data', emptyDir: { medium: 'Memory' } }] }],
    ['spec.containers[0].tty', { ...valid, tty: true }, {}],
    ['spec.containers[0].securityContext.runAsUser', { ...valid, securityContext: { runAsUser: 1000 } }, {}],
    ['spec.securityContext.runAsGroup', valid, { securityContext: { runAsGroup: 1000 } }],
    ['spec.initContainers[0].command', valid, { initContainers: [{ name: 'i' }] }],
  ])('is refused with the name of the field: %s', (path, container, spec) =>
    onServer(async (provider) => {
      const refused = provider.create(podOf('one', container, spec), operation());
      await expect(refused).rejects.toMatchObject({
        code: 'Unsupported',
        message: expect.stringContaining(`${path}: `),
      });
      expect(await read(provider, 'one')).toBeUndefined();
    }),
  );

  it('does not include the automatic token volume', () =>
    onServer(async (provider) => {
      const name = 'kube-api-access-x7k2p';
      const mount = { name, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true };
      const pod = podOf('one', { ...valid, volumeMounts: [mount] }, { ...NEVER, volumes: [{ name, projected: {} }] });
      await provider.create(pod, operation());
      expect(await terminated(provider, 'one')).toMatchObject({ exitCode: 0 });
    }));
});

describe('a supervisor', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'zonelet-run-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const start = (script: string) =>
    startSupervisor({ folder, command: ['/bin/sh', '-c', script], env: { PATH: RUNTIME.searchPath }, cwd: folder });

  it('runs nothing once its run was given up', async () => {
    expect(giveUp(folder)).toBe(true);
    expect(readSupervisor(folder)).toBe('given-up');
    await once(start('echo ran >ran'), 'exit');
    expect(existsSync(join(folder, 'ran'))).toBe(false);
    expect(existsSync(join(folder, 'exit'))).toBe(false);
  });

  it('cannot be given up once it runs', async () => {
    const child = start('exit 3');
    await eventually('it has said who it is', () => typeof readSupervisor(folder) === 'object' || undefined);
    expect(giveUp(folder)).toBe(false);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(readFileSync(join(folder, 'exit'), 'utf8')).toBe('3\n');
  });

  it('whose number a stranger got is dead, and the stranger is left alone', async () => {
    const stranger = spawn('sleep', ['100000'], { detached: true, stdio: 'ignore' });
    try {
      const stat = readFileSync(`/proc/${stranger.pid}/stat`, 'utf8').trim().split(' ');
      // As the supervisor of an hour ago had it.
      stat[21] = String(Number(stat[21]) - 360_000);
      writeFileSync(join(folder, 'supervisor'), `${stat.join(' ')}\n${currentBootId()}\n`);
      writeFileSync(join(folder, 'pid'), `${stranger.pid}\n`);
      const found = readSupervisor(folder);
      if (typeof found !== 'object') throw new Error('the file cannot be read');
      expect(isAlive(found)).toBe(false);
      const ends: unknown[] = [];
      const run = new ProcessRun(folder, { ended: (end) => void ends.push(end) }, systemClock);
      run.stop();
      run.kill();
      run.poll();
      expect(ends).toMatchObject([{ exitCode: 137 }]);
      expect(lives(stranger.pid ?? 0)).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('of before the machine was restarted is dead', () => {
    const own = readFileSync('/proc/self/stat', 'utf8');
    writeFileSync(join(folder, 'supervisor'), `${own.trim()}\n00000000-0000-4000-8000-000000000000\n`);
    const found = readSupervisor(folder);
    expect(typeof found === 'object' && isAlive(found)).toBe(false);
  });
});
