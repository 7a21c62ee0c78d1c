/** The frame of a long command of this folder: help, one supervised process, an orderly end at Ctrl-C, an exit status. */
import { endGroup, isSupervised, stopSignal, supervise } from './supervise.ts';

export interface LongCommand<Arguments> {
  readonly help: string;
  /** Text: what is wrong with the command line. Undefined: help was asked for. */
  read(args: readonly string[]): Arguments | string | undefined;
  /** Resolves with the exit status. What it throws is said, with its stack, and ends with 1; after Ctrl-C just "stopped". */
  run(args: Arguments, frame: Frame): Promise<number>;
}

export interface Frame {
  /** Aborts when the command is to end early. */
  readonly signal: AbortSignal;
  /** Progress, to stderr. */
  say(line: string): void;
}

/** Runs it and ends the process. */
export async function runCommand<Arguments>(command: LongCommand<Arguments>): Promise<void> {
  const status = await statusOf(command);
  // Whatever was written before is out by then.
  process.stdout.write('', () => {
    if (isSupervised() && !process.connected) endGroup(process.pid);
    process.exit(status);
  });
}

async function statusOf<Arguments>({ help, read, run }: LongCommand<Arguments>): Promise<number> {
  const args = read(process.argv.slice(2));
  if (args === undefined) {
    process.stdout.write(help);
    return 0;
  }
  if (typeof args === 'string') {
    process.stderr.write(`${args}\n\n${help}`);
    return 2;
  }
  if (!isSupervised()) return await supervise();
  const frame: Frame = { signal: stopSignal(), say: (line) => void process.stderr.write(`${line}\n`) };
  try {
    return await run(args, frame);
  } catch (error) {
    frame.say(whatHappened(error, frame.signal));
    return 1;
  }
}

/** For people: where an unexpected error came from, and nothing of one that only says that it was stopped. */
export function whatHappened(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'stopped';
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}
