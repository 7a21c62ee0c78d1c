/**
 * Ends the process when its event loop was blocked for so long that its terms have run out: a process in that state
 * answers no probe in time, tells nobody, and what it does when it wakes up is not worth waiting for.
 *
 * A thread of its own asks the main thread for a sign of life and counts how often none came. It counts its own short
 * sleeps instead of reading a clock, so that a process that was stopped as a whole (SIGSTOP, a suspended machine) loses
 * at most one of them: that one steps down by itself and lives on.
 */
import { Worker } from 'node:worker_threads';

export interface WatchdogOptions {
  /** How long the event loop may be blocked, in milliseconds: the lease duration. */
  readonly blockedForMs: number;
}

/** The sign of life may be missing for all but one of these. */
const SLICES = 8;

interface ThreadData {
  readonly cells: Int32Array;
  readonly sliceMs: number;
  readonly slices: number;
  readonly blockedForMs: number;
}

/** Never keeps the process alive. Dispose it to stop watching. */
export function startWatchdog({ blockedForMs }: WatchdogOptions): Disposable {
  const cells = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const workerData: ThreadData = { cells, sliceMs: blockedForMs / SLICES, slices: SLICES, blockedForMs };
  // The text of the function rather than a file: a module of its own would cost the thread the loader, and from a
  // checkout the type stripper, 12 MB of memory.
  const worker = new Worker(`(${watch.toString()})(require)`, {
    eval: true,
    workerData,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
  });
  worker.on('message', () => Atomics.add(cells, 0, 1));
  worker.unref();
  return {
    [Symbol.dispose]() {
      void worker.terminate();
    },
  };
}

/** Runs in the thread. Uses nothing from outside itself. */
function watch(require: NodeJS.Require): void {
  const { parentPort, workerData } = require('node:worker_threads') as typeof import('node:worker_threads');
  const { writeSync } = require('node:fs') as typeof import('node:fs');
  const { cells, sliceMs, slices, blockedForMs } = workerData as ThreadData;
  let last = -1;
  let missing = 0;
  for (;;) {
    const signs = Atomics.load(cells, 0);
    if (signs === last) missing++;
    else {
      missing = 0;
      last = signs;
      parentPort?.postMessage(null);
    }
    if (missing > slices) {
      const message = `the event loop was blocked for ${blockedForMs} ms, longer than a lease lasts: ending`;
      writeSync(2, `${JSON.stringify({ level: 60, msg: message })}\n`);
      process.kill(process.pid, 'SIGKILL');
    }
    // Nobody writes there: a sleep.
    Atomics.wait(cells, 1, 0, sliceMs);
  }
}
