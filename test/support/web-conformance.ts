/** The conformance suite's backend for the provider `web`: the reference server behind a proxy that has faults. */
import { glob, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createWebProvider } from '../../providers/web/provider.ts';
import { killGroup } from '../../providers/web/server/process/process-table.ts';
import { giveUp, readSupervisor } from '../../providers/web/server/process/supervisor.ts';
import type { RuntimeOptions } from '../../providers/web/server/runtimes.ts';
import { type BackendServerOptions, startBackendServer } from '../../providers/web/server/server.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { silentLogger } from '../../src/log.ts';
import type { ConformanceBackend, PodWish, SuiteCommands } from '../../src/provider/conformance/suite.ts';
import type { PodRef, Provider } from '../../src/provider/contract.ts';
import { startFaultProxy } from './fault-proxy.ts';

export interface WebConformance {
  readonly runtime: RuntimeOptions;
  pod(wish: PodWish): ReturnType<ConformanceBackend['pod']>;
  readonly shell?: NonNullable<ConformanceBackend['shell']>;
  /** Makes the container `main` of the pod end; `folder` is the backend's. */
  exit?(folder: string, ref: PodRef, code: number): Promise<void>;
  readonly commands?: SuiteCommands;
  /** What the suite gets as a provider. */
  wrap?(provider: Provider): Provider;
}

export async function startWebConformance(how: WebConformance): Promise<ConformanceBackend> {
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-web-'));
  const proxy = await startFaultProxy();
  const options: BackendServerOptions = {
    zone: 'zone-a',
    host: '127.0.0.1',
    port: 0,
    runtime: how.runtime,
    dataFolder: folder,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  };
  let server = await startBackendServer(options);
  proxy.target(server.port);
  const restart = async (change: Partial<BackendServerOptions> = {}): Promise<void> => {
    await server[Symbol.asyncDispose]();
    server = await startBackendServer({ ...options, ...change });
    proxy.target(server.port);
  };
  const { exit, wrap = (provider: Provider) => provider } = how;
  return {
    zone: 'zone-a',
    clock: systemClock,
    connect: () =>
      wrap(
        createWebProvider(
          { url: `http://127.0.0.1:${proxy.port}` },
          { zone: 'zone-a', clock: systemClock, random: systemRandom, log: silentLogger },
        ),
      ),
    pod: how.pod,
    ...(how.shell === undefined ? {} : { shell: how.shell }),
    restart: () => restart(),
    loseNextReply: () => proxy.loseNextReply(),
    hang: (on) => proxy.hang(on),
    unreachable: (on) => proxy.cut(on),
    noNewPods: (on) => restart(on ? { capacity: { pods: '0' } } : {}),
    ...(how.commands === undefined ? {} : { commands: how.commands }),
    ...(exit === undefined ? {} : { exit: (_owner, ref, code) => exit(folder, ref, code) }),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await endProcesses(folder);
      await rm(folder, { recursive: true, maxRetries: 5 });
    },
  };
}

/** Kills every process that a backend on this folder left running. */
export async function endProcesses(folder: string): Promise<void> {
  for await (const log of glob('pods/*/*/*/log', { cwd: folder })) {
    const run = dirname(join(folder, log));
    // One that has not said who it is yet never begins.
    if (giveUp(run)) continue;
    const supervisor = readSupervisor(run);
    if (typeof supervisor === 'object') killGroup(supervisor);
  }
}
