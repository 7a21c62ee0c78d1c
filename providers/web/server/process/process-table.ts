/** Which processes there are, and signals that never reach a stranger who got a process id again. */
import { readFileSync } from 'node:fs';
import { kill } from 'node:process';
import { type ProcessStat, parseStat, type Supervisor } from './supervisor.ts';

let bootId: string | undefined;

/** True while this very process lives. One that has ended and was not waited for is dead. */
export function isAlive({ pid, startTime, bootId: its }: Supervisor): boolean {
  if (its !== currentBootId()) return false;
  const stat = statOf(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Sends SIGTERM to the command that this supervisor runs. False when `pid` is not that command (any more). */
export function askToEnd(supervisor: Supervisor, pid: number): boolean {
  return isCommand(supervisor, pid) && signal(pid, 'SIGTERM');
}

/** True while `pid` is the command that this supervisor runs. */
export function isCommand(supervisor: Supervisor, pid: number): boolean {
  return isAlive(supervisor) && statOf(pid)?.parent === supervisor.pid;
}

/**
 * Kills the supervisor's whole group. Also when the supervisor itself is dead and others of its group live: while they
 * do, the kernel gives its number to nobody.
 */
export function killGroup(supervisor: Supervisor): void {
  if (supervisor.bootId !== currentBootId()) return;
  const stat = statOf(supervisor.pid);
  // The number was given away, so the group had ended.
  if (stat !== undefined && stat.startTime !== supervisor.startTime) return;
  signal(-supervisor.pid, 'SIGKILL');
}

/** For a group whose leader is our own child: its number stays its own until we have seen it end. */
export function killOwnGroup(pid: number): void {
  signal(-pid, 'SIGKILL');
}

export function currentBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // It ended between our looking and our reading: ENOENT or ESRCH.
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return kill(pid, name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
