/** How others get at containers that are processes: commands, output, ports, usage. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { Writable } from 'node:stream';
import { type Clock, sleep } from '../../../../src/clock.ts';
import { messageOf, ZoneletError } from '../../../../src/errors.ts';
import type { ContainerStats, ExecResult, StandardStreams } from '../../../../src/provider/contract.ts';
import { drained } from '../../frames.ts';
import type { Run, RunPlan, Runtime } from '../runtime.ts';
import { execute } from './exec.ts';
import { readLog } from './log-reader.ts';
import { entering, hasMounts, isMounted, type MountWay } from './mounts.ts';
import type { ProcessRun } from './process-run.ts';
import { logFile } from './supervisor.ts';

export interface PodAccessOptions {
  find(run: Run): ProcessRun | undefined;
  /** A container's own folder. */
  workOf(run: Run): string;
  readonly searchPath: string;
  readonly mounting: MountWay | undefined;
  /** What makes terminals, if there is something. */
  readonly terminal: string | undefined;
  readonly clock: Clock;
}

/** How soon it is looked again whether the volumes are mounted, in milliseconds. */
const MOUNTING_MS = 20;

type Access = Required<Pick<Runtime, 'exec' | 'attach' | 'portForward' | 'stats' | 'reach'>>;

/** So much of what a probe's or hook's command writes is kept, in bytes: as much as a kubelet. */
const PROBE_OUTPUT = 10 * 1024;

export function environmentOf({ resolved, container }: RunPlan, searchPath: string): Record<string, string> {
  const own = { PATH: searchPath, HOSTNAME: resolved.pod.spec?.hostname ?? resolved.ref.name };
  const given = (resolved.env[container] ?? []).map(({ name, value }) => [name, value] as const);
  return { ...own, ...Object.fromEntries(given) };
}

export function cwdOf({ spec }: RunPlan, work: string): string {
  return spec.workingDir === undefined || spec.workingDir === '' ? work : spec.workingDir;
}

export function createPodAccess(options: PodAccessOptions): Access {
  const { find, workOf, searchPath, mounting, terminal, clock } = options;

  function running(run: RunPlan): ProcessRun {
    const found = find(run);
    if (found === undefined || found.over) {
      throw new ZoneletError('Conflict', `container ${run.container} is not running`);
    }
    return found;
  }

  /** Into the container's own view of the machine, where it has one; that takes a moment to be made. */
  async function wayInto(run: ProcessRun, signal: AbortSignal): Promise<readonly string[]> {
    if (mounting === undefined || !hasMounts(run.folder)) return [];
    while (!isMounted(run.folder) && !signal.aborted) await sleep(clock, MOUNTING_MS, signal);
    const pid = run.commandPid;
    if (pid === undefined) throw new ZoneletError('Conflict', 'the container has just ended');
    return entering(mounting, pid);
  }

  async function exec(
    plan: RunPlan,
    { command, tty }: { readonly command: readonly string[]; readonly tty: boolean },
    streams: StandardStreams,
    signal: AbortSignal,
  ): Promise<ExecResult> {
    if (tty && terminal === undefined) {
      throw new ZoneletError('Unsupported', 'the backend makes terminals with python3, which is not on its PATH');
    }
    const run = running(plan);
    const ending = AbortSignal.any([signal, run.ended]);
    const asked = {
      entering: await wayInto(run, ending),
      command,
      env: { ...(tty ? { TERM: 'xterm' } : {}), ...environmentOf(plan, searchPath) },
      cwd: cwdOf(plan, workOf(plan)),
      ...(tty && terminal !== undefined ? { terminal } : {}),
    };
    const result = await execute(asked, streams, clock, ending);
    if (signal.aborted) throw new ZoneletError('Aborted', 'the command was ended with its caller');
    return result;
  }

  async function portForward(_pod: unknown, port: number, signal: AbortSignal): Promise<Duplex> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    try {
      await once(socket, 'connect', { signal });
    } catch (error) {
      socket.destroy();
      throw new ZoneletError('Unavailable', `nothing listens on port ${port}: ${messageOf(error)}`, { cause: error });
    }
    socket.setNoDelay(true);
    return socket;
  }

  return {
    exec,
    portForward,

    async attach(plan, { stdout }, signal) {
      const run = running(plan);
      const source = { file: logFile(run.folder), times: run.times, ended: () => run.over };
      const reading = { follow: true, timestamps: false, tailLines: 0 };
      for await (const chunk of readLog(source, reading, clock, signal)) {
        if (stdout !== undefined && !stdout.write(chunk) && !(await drained(stdout, signal))) return;
      }
    },

    stats(runs) {
      const time = new Date(clock.now()).toISOString();
      const groups = processGroups();
      return runs.flatMap((plan) => {
        const run = find(plan);
        const usage = run?.group === undefined ? undefined : groups.get(run.group);
        return run === undefined || usage === undefined ? [] : [statsOf(plan, run, usage, time)];
      });
    },

    reach: (planFor) => ({
      dial: (port, signal) => portForward(undefined, port, signal),
      async exec(container, command, signal) {
        const plan = planFor(container);
        if (plan === undefined) throw new ZoneletError('NotFound', `there is no container ${container}`);
        const kept: Buffer[] = [];
        let size = 0;
        const sink = new Writable({
          write(chunk: Buffer, _encoding, done) {
            if (size < PROBE_OUTPUT) kept.push(chunk.subarray(0, PROBE_OUTPUT - size));
            size += chunk.byteLength;
            done();
          },
        });
        const { exitCode } = await exec(plan, { command, tty: false }, { stdout: sink, stderr: sink }, signal);
        return { exitCode, output: Buffer.concat(kept).toString('utf8') };
      },
    }),
  };
}

interface Usage {
  ticks: number;
  rssKiB: number;
  anonKiB: number;
  faults: number;
  majorFaults: number;
}

/** Highest so far of each run: a process that ended unseen takes its share along, and a counter never falls. */
const highest = new WeakMap<ProcessRun, number>();

/** USER_HZ, the same on every architecture of Linux that Node runs on. */
const NANOSECONDS_PER_TICK = 10_000_000;

function statsOf(plan: RunPlan, run: ProcessRun, usage: Usage, time: string): ContainerStats {
  const ticks = Math.max(usage.ticks, highest.get(run) ?? 0);
  highest.set(run, ticks);
  return {
    name: plan.container,
    time,
    ...(plan.startedAtMs === undefined ? {} : { startTime: new Date(plan.startedAtMs).toISOString() }),
    cpu: { usageCoreNanoSeconds: ticks * NANOSECONDS_PER_TICK },
    memory: {
      usageBytes: usage.rssKiB * 1024,
      workingSetBytes: usage.rssKiB * 1024,
      rssBytes: usage.anonKiB * 1024,
      pageFaults: usage.faults,
      majorPageFaults: usage.majorFaults,
    },
  };
}

/** What every process group of the machine uses, with what its members' ended children used (proc_pid_stat(5)). */
function processGroups(): ReadonlyMap<number, Usage> {
  const groups = new Map<number, Usage>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    let stat: string;
    let status: string;
    try {
      stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      status = readFileSync(`/proc/${name}/status`, 'utf8');
    } catch {
      // It has just ended.
      continue;
    }
    // From field 3 on: those before the last bracket are the number and a name that may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3] ?? 0);
    const usage = groups.get(field(5)) ?? { ticks: 0, rssKiB: 0, anonKiB: 0, faults: 0, majorFaults: 0 };
    usage.ticks += field(14) + field(15) + field(16) + field(17);
    usage.faults += field(10) + field(11);
    usage.majorFaults += field(12) + field(13);
    usage.rssKiB += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    usage.anonKiB += Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    groups.set(field(5), usage);
  }
  return groups;
}
