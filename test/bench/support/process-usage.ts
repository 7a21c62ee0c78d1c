/** What a process uses, as the kernel has it. Linux only: benchmarks run where the real control plane does. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Resident set, in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kiB = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kiB === undefined) throw new Error(`process ${pid} has no resident set: it has ended`);
  return Number(kiB) / 1024;
}

let ticksPerSecond: number | undefined;

/** CPU seconds that the process and its threads have used, in user and system mode. */
export async function cpuSeconds(pid: number): Promise<number> {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold anything; after it come state and numbers, of which utime is the 12th and stime the 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
