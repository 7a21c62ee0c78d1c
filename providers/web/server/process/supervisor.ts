/**
 * The supervisor of one run: a small shell process that outlives the backend. It runs the container's command, writes
 * down how it ended, and ends whatever the command left behind. What it has to tell is in files of the run's folder:
 *
 * - `supervisor`: its own /proc stat line and the machine's boot id. Made exclusively, before anything is run: whoever
 *   makes it first, the supervisor or a backend that gave the run up, decides whether it takes place.
 * - `pid`: the process id of the command.
 * - `exit`: the exit code as a shell has it, 128 + signal for a signal. Whole once it ends with a newline.
 * - `log`: what the command wrote.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * `$1`: the run's folder; the rest: the command. The command is in the supervisor's group (and session, see `detached`),
 * so that one signal ends all of it. The supervisor's own words ("Killed") do not belong into the log.
 */
const SCRIPT = `
dir=$1; shift
read -r stat </proc/$$/stat
read -r boot </proc/sys/kernel/random/boot_id
exec 3>&2 2>/dev/null
set -C
printf '%s\\n%s\\n' "$stat" "$boot" >"$dir/supervisor" || exit 0
set +C
trap : HUP INT QUIT TERM
/bin/sh -c 'exec 2>&3 3>&-; echo $$ >"$0"; exec "$@"' "$dir/pid" "$@"
echo $? >"$dir/exit"
kill -KILL 0
`;

const GIVEN_UP = 'given up';

export interface SupervisedCommand {
  readonly folder: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** Starts a supervisor in a session of its own. `pid` is undefined when that failed; the child's `error` says why. */
export function startSupervisor({ folder, command, env, cwd }: SupervisedCommand): ChildProcess {
  const log = openSync(logFile(folder), 'a', 0o600);
  try {
    return spawn('/bin/sh', ['-c', SCRIPT, 'zonelet-container', folder, ...command], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}

export interface Supervisor {
  readonly pid: number;
  /** Since boot, in clock ticks: with the boot id, no other process ever has the same. */
  readonly startTime: string;
  readonly bootId: string;
}

/** `absent`: it has not begun; `given-up`: it never will; `unreadable`: it is just being written. */
export function readSupervisor(folder: string): Supervisor | 'absent' | 'given-up' | 'unreadable' {
  const text = readText(join(folder, 'supervisor'));
  if (text === undefined) return 'absent';
  if (text.startsWith(GIVEN_UP)) return 'given-up';
  const [stat = '', bootId, end] = text.split('\n');
  const { pid, startTime } = parseStat(stat) ?? {};
  if (pid === undefined || startTime === undefined || bootId === undefined || end === undefined) return 'unreadable';
  return { pid, startTime, bootId };
}

/** From then on this run never begins. False when it has begun already. */
export function giveUp(folder: string): boolean {
  try {
    writeFileSync(join(folder, 'supervisor'), `${GIVEN_UP}\n`, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EEXIST' || error.code === 'ENOENT')) {
      return error.code === 'ENOENT';
    }
    throw error;
  }
}

/** Out of the way of another try. A supervisor that comes late finds no folder and ends. */
export function setAside(folder: string, suffix: string): void {
  renameSync(folder, `${folder}.${suffix}`);
}

export interface SupervisedExit {
  readonly exitCode: number;
  readonly atMs: number;
}

export function readExit(folder: string): SupervisedExit | undefined {
  const file = join(folder, 'exit');
  const text = readText(file);
  if (text === undefined || !/^\d+\n$/.test(text)) return undefined;
  return { exitCode: Number(text), atMs: statSync(file).mtimeMs };
}

/** The process id of the command, once it is there. */
export function readCommandPid(folder: string): number | undefined {
  const text = readText(join(folder, 'pid'));
  return text !== undefined && /^\d+\n$/.test(text) ? Number(text) : undefined;
}

export function logFile(folder: string): string {
  return join(folder, 'log');
}

/** The fields after the name, which may hold anything, begin behind its last bracket (proc_pid_stat(5)). */
export function parseStat(stat: string): ProcessStat | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const pid = Number.parseInt(stat, 10);
  const [state, parent] = fields;
  const startTime = fields[19];
  if (!Number.isSafeInteger(pid) || state === undefined || startTime === undefined) return undefined;
  return { pid, state, parent: Number(parent), startTime };
}

export interface ProcessStat {
  readonly pid: number;
  /** `Z`: it has ended and nobody has asked how. */
  readonly state: string;
  readonly parent: number;
  readonly startTime: string;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
