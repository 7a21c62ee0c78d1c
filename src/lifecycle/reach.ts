/**
 * How probes and hooks get at a running container, whatever it runs on. Both reject when nothing can be done; a signal
 * that aborts ends what was begun. The signal may outlive the call by far: what was hung on it is taken off again.
 */
import type { Duplex } from 'node:stream';

export interface Reach {
  /** A connection to a TCP port of the pod. */
  dial(port: number, signal: AbortSignal): Promise<Duplex>;
  /** Runs a command in the container. `output`: stdout and stderr together, as far as anybody wants to read. */
  exec(
    container: string,
    command: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly exitCode: number; readonly output: string }>;
}
