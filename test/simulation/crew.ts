/** Worker processes, one for each core, that share the seeds among them. */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Done, Job } from './worker.ts';

export interface CrewOptions {
  /** @defaultValue one for each core */
  readonly workers?: number;
  /** Name of a deliberate fault in the product (`mutations.ts`). @defaultValue the product as it is */
  readonly mutation?: string;
}

/** Has every job done; `each` is told of them in the order in which they end, and may say that it has seen enough. */
export async function workOff(
  jobs: Iterable<Job>,
  each: (done: Done) => boolean,
  { workers = availableParallelism(), mutation }: CrewOptions = {},
): Promise<void> {
  const left = jobs[Symbol.iterator]();
  let enough = false;
  const crew: ChildProcess[] = [];
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(`${import.meta.dirname}/worker.ts`, {
        env: { ...process.env, ...(mutation === undefined ? {} : { SIMULATION_MUTATION: mutation }) },
        // A world's garbage is short-lived, and errors are thrown by the thousand: a quarter of the time.
        execArgv: [
          '--max-semi-space-size=64',
          '--stack-trace-limit=0',
          ...(mutation === undefined ? [] : ['--import', `${import.meta.dirname}/mutate.ts`]),
        ],
      });
      crew.push(child);
      const next = (): void => {
        const job = enough ? undefined : left.next();
        if (job === undefined || job.done === true) child.disconnect();
        else child.send(job.value);
      };
      child.on('message', (done: Done) => {
        if (!enough && each(done)) enough = true;
        next();
      });
      child.on('error', reject);
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
      next();
    });
  try {
    await Promise.all(Array.from({ length: workers }, run));
  } finally {
    for (const child of crew) child.kill();
  }
}
