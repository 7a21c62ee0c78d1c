/** What a command gets of the process it runs in, so that no command touches `process` and tests can run any of them. */
import type { ReadStream, WriteStream } from 'node:tty';

export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

/** Where a command writes. A terminal says so, and how wide it is. */
export type Output = Pick<NodeJS.WritableStream, 'write'> &
  Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'on' | 'off'>>;

/** Where a command reads keys from. */
export type Input = NodeJS.ReadableStream & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>;

export interface Environment {
  /** The arguments after `zonelet`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; relative paths on the command line are relative to it. */
  readonly cwd: string;
  readonly stdin: Input;
  /** The result of a command. */
  readonly stdout: Output;
  /** Logs and complaints. */
  readonly stderr: Output;
  /** The program and its first arguments with which this command runs again: `[node, main.ts]`. */
  readonly self: readonly string[];
  readonly pid: number;
  readonly hostname: string;
  /** `kubernetes.io/arch` of this machine: `amd64`, `arm64`, ... */
  readonly arch: string;
  /** Calls `handler` at every SIGTERM, SIGINT and SIGHUP, which then no longer end the process. Returns how to undo it. */
  onStopSignal(handler: (signal: StopSignal) => void): () => void;
  /** Ends the process at once, without waiting for anything: for a second signal only. */
  exit(status: number): never;
}
