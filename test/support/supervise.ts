/**
 * Leftover processes of a benchmark or of chaos that was killed would take the CPU from the next one. So these run in a
 * process group of their own, and whichever of the two processes ends, the other one ends that whole group.
 */
import { spawn } from 'node:child_process';

const MARK = 'ZONELET_TEST_GROUP';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** An orderly end: replicas give their zones up, the control plane stops. */
const GRACE_MS = 30_000;

/** True in the process that is to do the work. */
export function isSupervised(): boolean {
  return process.env[MARK] !== undefined;
}

/** Runs this program again in a group of its own; resolves with its exit status once the group is gone. */
export async function supervise(): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [MARK]: '1' },
  });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
  if (child.pid !== undefined) endGroup(child.pid);
  return status;
}

/** A signal that aborts when the work is to end: a stop signal came, or the supervisor is gone. A second signal ends at once. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const end = (): void => {
    if (stop.signal.aborted) endGroup(process.pid);
    stop.abort(new Error('stopped'));
    setTimeout(() => endGroup(process.pid), GRACE_MS).unref();
  };
  for (const signal of SIGNALS) process.on(signal, end);
  process.once('disconnect', end);
  return stop.signal;
}

/** Ends what is left of the group, this process included when it leads it. */
export function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nothing was left of it.
  }
}
