/** A Docker daemon of its own for tests: own data, own address, own network; nothing of the machine's daemon is touched. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEngine, type Engine } from '../../providers/docker/engine.ts';
import { tar } from '../../providers/docker/tar.ts';
import { systemClock } from '../../src/clock.ts';

export const BUSYBOX = '/bin/busybox';
export const NETWORK = 'zonelet';
export const SUITE_IMAGE = 'registry.example/suite:1';
export const OTHER_SUITE_IMAGE = 'registry.example/suite:2';

export interface Dockerd extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly engine: Engine;
  /** Its containers run on. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Why no daemon can be had here; `undefined` when one can. */
export function noDockerd(): string | undefined {
  if (getuid?.() !== 0) return 'only root can run dockerd';
  if (spawnSync('dockerd', ['--version']).status !== 0) return 'no dockerd here';
  if (!existsSync(BUSYBOX)) return `no ${BUSYBOX} here to make images of`;
  // A linked one would need its libraries in the image.
  const linked = spawnSync('ldd', [BUSYBOX], { encoding: 'utf8' });
  return linked.status === 0 ? `${BUSYBOX} is not static` : undefined;
}

/** `subnet` is its own among all daemons that run at the same time: the machine routes to it. */
export async function startDockerd(subnet: string): Promise<Dockerd> {
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-dockerd-'));
  const port = await freePort();
  const url = `tcp://127.0.0.1:${port}`;
  const engine = createEngine({ name: 'test', url, maxPods: 1000 }, systemClock);
  const request = { signal: new AbortController().signal, timeoutMs: 30_000 };
  let daemon: ChildProcess | undefined;

  async function start(): Promise<void> {
    const log = await open(join(folder, 'log'), 'a');
    daemon = spawn(
      'dockerd',
      [
        ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')],
        ['--host', url, '--host', `unix://${join(folder, 'socket')}`, '--tls=false'],
        [
          '--bridge=none',
          '--iptables=false',
          '--ip6tables=false',
          '--live-restore',
          '--config-file',
          join(folder, 'daemon.json'),
        ],
      ].flat(),
      { stdio: ['ignore', log.fd, log.fd], detached: true },
    );
    const { exitCode } = daemon;
    await log.close();
    for (let tries = 0; tries < 600; tries++) {
      if (exitCode !== null || daemon.exitCode !== null) break;
      const answers = await engine.status({ method: 'GET', path: '/_ping', ...request }).catch(() => 0);
      if (answers === 200) return;
      await sleep(100);
    }
    throw new Error(`dockerd did not start: ${(await readFile(join(folder, 'log'), 'utf8')).slice(-2000)}`);
  }

  async function stop(): Promise<void> {
    const ending = daemon;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const ended = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill('SIGTERM');
    const timer = setTimeout(() => ending.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  }

  await writeFile(join(folder, 'daemon.json'), '{}');
  await start();
  const layer = tar([
    ...['bin', 'tmp', 'etc'].map((path) => ({ path, mode: path === 'tmp' ? 0o777 : 0o755 })),
    { path: 'bin/busybox', content: await readFile(BUSYBOX), mode: 0o755 },
    ...['sh', 'cat', 'echo', 'env', 'false', 'head', 'hostname', 'id', 'kill', 'ls', 'mkfifo', 'nc', 'printf']
      .concat(['readlink', 'seq', 'sleep', 'stat', 'touch', 'tr', 'true', 'tty', 'stty', 'wc'])
      .map((name) => ({ path: `bin/${name}`, linkTo: 'busybox', mode: 0o777 })),
  ]);
  for (const image of [SUITE_IMAGE, OTHER_SUITE_IMAGE]) {
    const [repo = '', tag = ''] = image.split(':');
    const path = `/images/create?fromSrc=-&repo=${encodeURIComponent(repo)}&tag=${tag}`;
    await engine.bytes({ method: 'POST', path, body: layer, ...request });
  }
  const body = { Name: NETWORK, Driver: 'bridge', CheckDuplicate: true, IPAM: { Config: [{ Subnet: subnet }] } };
  await engine.status({ method: 'POST', path: '/networks/create', body, ...request });

  return {
    port,
    url,
    engine,
    start,
    stop,
    async [Symbol.asyncDispose]() {
      if (daemon?.exitCode === null) {
        await removeAll(engine);
        await engine.status({ method: 'DELETE', path: `/networks/${NETWORK}`, ...request }).catch(() => undefined);
      }
      engine[Symbol.dispose]();
      await stop();
      await unmountAll(folder);
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** A daemon that restores live leaves its folders mounted. */
async function unmountAll(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const mount of mounts.reverse()) if (mount.startsWith(`${folder}/`)) spawnSync('umount', ['-l', mount]);
}

/** Containers and volumes, also those that still run. */
export async function removeAll(engine: Engine): Promise<void> {
  const request = { signal: new AbortController().signal, timeoutMs: 30_000 };
  const containers = await engine.json<{ Id: string }[]>({
    method: 'GET',
    path: '/containers/json?all=true',
    ...request,
  });
  await Promise.all(
    containers.map(({ Id }) =>
      engine
        .status({ method: 'DELETE', path: `/containers/${Id}?force=true&v=true`, ...request })
        .catch(() => undefined),
    ),
  );
  const { Volumes } = await engine.json<{ Volumes: { Name: string }[] | null }>({
    method: 'GET',
    path: '/volumes',
    ...request,
  });
  for (const { Name } of Volumes ?? []) {
    await engine.status({ method: 'DELETE', path: `/volumes/${Name}?force=true`, ...request }).catch(() => undefined);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
