/** A command's environment without a process: what it writes is kept. */
import { Readable } from 'node:stream';
import type { Environment, StopSignal } from '../../../src/commands/environment.ts';

export interface TestEnvironment extends Environment {
  readonly out: string[];
  readonly err: string[];
  signal(signal: StopSignal): void;
}

export function testEnvironment(args: readonly string[], changes: Partial<Environment> = {}): TestEnvironment {
  const out: string[] = [];
  const err: string[] = [];
  const handlers = new Set<(signal: StopSignal) => void>();
  const writer = (lines: string[]) => ({ write: (text: string | Uint8Array) => lines.push(String(text)) > 0 });
  return {
    args,
    env: {},
    cwd: '/',
    stdin: Readable.from([]),
    stdout: writer(out),
    stderr: writer(err),
    self: [process.execPath],
    pid: 1,
    hostname: 'host',
    arch: 'amd64',
    onStopSignal(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    exit(status): never {
      throw new Error(`exit ${status}`);
    },
    ...changes,
    out,
    err,
    signal: (signal) => {
      for (const handler of handlers) handler(signal);
    },
  };
}
