/** A child process of the demo: its output goes to a file, its end is known, and it can be killed as an operator would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { ZoneletError } from '../../errors.ts';

export interface ChildOptions {
  /** For people: `replica-0`, `backend zone-a`. */
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Its stdout and stderr are appended here. */
  readonly logFile: string;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly running: boolean;
  /** Exit status or the name of the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Sends a signal; resolves once it is sent, not once it worked. */
  kill(signal: NodeJS.Signals): void;
}

export function startChild(options: ChildOptions): Child {
  const [program, ...args] = options.command;
  if (program === undefined) throw new ZoneletError('Internal', `no program for ${options.name}`);
  const log = openSync(options.logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn(program, args, { cwd: options.cwd, env: { ...options.env }, stdio: ['ignore', log, log] });
  } finally {
    closeSync(log);
  }
  let running = true;
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('error', () => {
      running = false;
      resolve(127);
    });
    child.once('exit', (code, signal) => {
      running = false;
      resolve(code ?? signal ?? 1);
    });
  });
  return {
    name: options.name,
    pid: child.pid ?? -1,
    logFile: options.logFile,
    get running() {
      return running;
    },
    exited,
    kill: (signal) => void child.kill(signal),
  };
}

/** The last lines that a child wrote: what its failure says. */
export function lastLines(child: Child, count: number): string {
  return readFileSync(child.logFile, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}
