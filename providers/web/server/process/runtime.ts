/**
 * Runs each container's command as a process of this machine. Nothing keeps such a process from anything that the
 * backend's own user may do: no image, no file system of its own, no limits, the machine's network.
 */
import { mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { availableParallelism, platform, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Clock, Random, Timer } from '../../../../src/clock.ts';
import { messageOf, ZoneletError } from '../../../../src/errors.ts';
import type { RunListener } from '../../../../src/lifecycle/life.ts';
import type { Logger } from '../../../../src/log.ts';
import { BASE_CAPABILITIES, CONTENT_VOLUMES } from '../../support.ts';
import type { Run, RunPlan, Runtime } from '../runtime.ts';
import { findTerminal } from './exec.ts';
import { readLog } from './log-reader.ts';
import { LogTimes } from './log-times.ts';
import { findMountWay, mountsOf, noteMounts, withMounts } from './mounts.ts';
import { createPodAccess, cwdOf, environmentOf } from './pod-access.ts';
import { ProcessRun } from './process-run.ts';
import { giveUp, logFile, readExit, readSupervisor, setAside, startSupervisor } from './supervisor.ts';
import { unsupportedByProcesses } from './support.ts';
import { volumeFolder, writeVolume } from './volumes.ts';

export interface ProcessRuntimeOptions {
  /** What pods report as theirs: all of them have the machine's. */
  readonly podAddress: string;
  /** Where commands are looked for: `PATH`. */
  readonly searchPath: string;
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How often it is looked at files and processes, in milliseconds: as late may an end or a line be noticed. */
const POLL_MS = 100;
/** As many as a kubelet's default. */
const MAX_PODS = 110;

/** Throws `InvalidInput` on a machine without Linux's /proc. */
export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const { podAddress, searchPath, clock, random, log } = options;
  if (platform() !== 'linux') {
    throw new ZoneletError('InvalidInput', 'runtime process needs Linux: it finds processes again in /proc');
  }
  mkdirSync(join(options.dataFolder, 'pods'), { recursive: true, mode: 0o700 });
  // As it is called for a process that sees another root, too.
  const root = realpathSync(join(options.dataFolder, 'pods'));
  const mounting = findMountWay(join(realpathSync(options.dataFolder), 'mount-probe'));
  const noMounts = typeof mounting === 'string' ? undefined : mounting.reason;
  if (noMounts !== undefined) log.warn({ reason: noMounts }, 'pods with volume mounts are refused');
  const runs = new Map<string, ProcessRun>();
  let poll: Timer | undefined;
  let closed = false;

  const folderOf = ({ pod, container, number }: Run): string => join(root, pod, container, String(number));
  const workOf = ({ pod, container }: Run): string => join(root, pod, container, 'work');
  const runOf = (run: Run): ProcessRun | undefined => runs.get(folderOf(run));

  function watch(run: ProcessRun): void {
    runs.set(run.folder, run);
    run.poll();
    settle(run);
    schedule();
  }

  function settle(run: ProcessRun): void {
    if (run.over) runs.delete(run.folder);
  }

  function schedule(): void {
    if (closed || poll !== undefined || runs.size === 0) return;
    poll = clock.setTimer(POLL_MS, () => {
      poll = undefined;
      for (const run of [...runs.values()]) {
        run.poll();
        settle(run);
      }
      schedule();
    });
  }

  function begin(plan: RunPlan, listener: RunListener): void {
    const { resolved, spec } = plan;
    const folder = folderOf(plan);
    const work = workOf(plan);
    const failed = (error: unknown): void =>
      listener.ended({ exitCode: 128, finishedAtMs: clock.now(), reason: 'StartError', message: messageOf(error) });
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      mkdirSync(work, { recursive: true, mode: 0o700 });
      forgetRuns(dirname(folder), plan.number);
      const command = [...(spec.command ?? []), ...(spec.args ?? [])];
      const mounts = typeof mounting === 'string' ? mountsOf(resolved.pod, spec, join(root, plan.pod)) : [];
      if (mounts.length > 0) noteMounts(folder);
      const child = startSupervisor({
        folder,
        command: typeof mounting === 'string' ? withMounts(mounting, folder, mounts, command) : command,
        env: environmentOf(plan, searchPath),
        cwd: cwdOf(plan, work),
      });
      child.unref();
      if (child.pid === undefined) {
        child.once('error', failed);
        return;
      }
      child.once('error', (error) => log.error({ error: messageOf(error) }, 'a supervisor cannot be signalled'));
      const run = new ProcessRun(folder, listener, clock, child);
      watch(run);
      // Sooner than the next look; a run found after a restart of the backend is no child and has to wait for that.
      child.once('exit', () => {
        if (closed) return;
        run.poll();
        settle(run);
      });
    } catch (error) {
      failed(error);
    }
  }

  /** The logs of the run before this one stay. */
  function forgetRuns(folder: string, number: number): void {
    for (const name of readdirSync(folder)) {
      if (/^\d+$/.test(name) ? Number(name) < number - 1 : name.includes('.given-up-'))
        removeFolder(join(folder, name));
    }
  }

  function removeFolder(folder: string): void {
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      // Nothing depends on it; it is tried again at the next start.
      log.warn({ folder, error: messageOf(error) }, 'cannot remove what a pod left behind');
    }
  }

  const terminal = findTerminal(searchPath);
  const access = createPodAccess({
    find: runOf,
    workOf,
    searchPath,
    mounting: typeof mounting === 'string' ? mounting : undefined,
    terminal,
    clock,
  });

  return {
    kind: 'process',
    capacity: {
      cpu: String(availableParallelism()),
      memory: `${Math.floor(totalmem() / 2 ** 20)}Mi`,
      pods: String(MAX_PODS),
    },
    capabilities: {
      ...BASE_CAPABILITIES,
      exec: true,
      attach: true,
      portForward: true,
      stats: true,
      probes: true,
      lifecycleHooks: true,
      update: [...BASE_CAPABILITIES.update, 'ephemeralContainers'],
      podIPsInEnvironment: true,
      volumes: noMounts === undefined ? ['emptyDir', ...CONTENT_VOLUMES] : [],
    },
    notice:
      "process: containers run as processes of this machine WITHOUT ISOLATION, with all rights of this backend's user; they go on running when the backend ends",
    unsupported: (pod) => unsupportedByProcesses(pod, noMounts),
    takeAddress: () => podAddress,
    releaseAddress() {},

    putVolumes(pod, volumes) {
      for (const [name, content] of Object.entries(volumes)) writeVolume(volumeFolder(join(root, pod), name), content);
    },

    keep(pods) {
      const known = new Set(pods.map(({ pod }) => pod));
      for (const name of readdirSync(root)) if (!known.has(name)) removeFolder(join(root, name));
    },

    start: begin,

    resume(plan, listener) {
      const folder = folderOf(plan);
      const found = readSupervisor(folder);
      if (found === 'given-up' || (found === 'absent' && giveUp(folder))) {
        if (readSupervisor(folder) === 'given-up') setAside(folder, `given-up-${random.uuid()}`);
        return 'never';
      }
      watch(new ProcessRun(folder, listener, clock));
      return 'found';
    },

    stop: (run) => runOf(run)?.stop(),
    kill: (run) => runOf(run)?.kill(),
    forget: (pod) => removeFolder(join(root, pod)),

    log(run, reading, signal) {
      const folder = folderOf(run);
      const live = runs.get(folder);
      const source = {
        file: logFile(folder),
        times: live?.times ?? new LogTimes(folder),
        ended: () => (live === undefined ? readExit(folder) !== undefined || !runs.has(folder) : live.over),
      };
      return readLog(source, reading, clock, signal);
    },

    ...access,

    async [Symbol.asyncDispose]() {
      closed = true;
      poll?.cancel();
    },
  };
}
