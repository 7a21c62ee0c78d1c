#!/usr/bin/env node
/**
 * The `zonelet` command: the only file that touches `process`. It hands everything of the process to the command that
 * was asked for, and ends with its status. It must parse on a Node that is too old for the rest, so that such a Node
 * gets a plain sentence and no syntax error: nothing is imported before the version was looked at.
 */
import type { Environment, StopSignal } from './commands/environment.ts';

const NEEDED = 24;
/** Kubernetes names architectures as Go does. */
const GO_ARCH: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: 'amd64',
  ia32: '386',
  loong64: 'loong64',
};
const STOP_SIGNALS: readonly StopSignal[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * How glibc keeps what a replica frees: one arena, whose end is given back from 128 KiB on, instead of one for each
 * thread that keeps what a burst of pods has left behind. It reads this when a process begins, and never again.
 */
const ALLOCATOR: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  process.stderr.write(
    `zonelet needs Node ${NEEDED} or newer; this is ${process.version} (${process.execPath}).\n` +
      'Install a newer one from https://nodejs.org, or run "npx --package=node@24 --package=zonelet zonelet".\n',
  );
  process.exitCode = 1;
} else {
  if (process.argv[2] === 'run') startAgainSmall();
  void main();
}

/** The same process, pid and open files from its beginning again, some 40 ms later, where the settings are not made yet. */
function startAgainSmall(): void {
  if (process.platform !== 'linux' || typeof process.execve !== 'function') return;
  if (Object.keys(ALLOCATOR).some((name) => process.env[name] !== undefined)) return;
  const args = [process.argv0, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, args, { ...process.env, ...ALLOCATOR } as Record<string, string>);
}

async function main(): Promise<void> {
  // A reader that went away (`zonelet status | head`) is no failure of the command.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const [{ runCommandLine }, { hostname }] = await Promise.all([
    import('./commands/command-line.ts'),
    import('node:os'),
  ]);
  const environment: Environment = {
    args: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    pid: process.pid,
    hostname: hostname(),
    arch: GO_ARCH[process.arch] ?? process.arch,
    onStopSignal(handler) {
      for (const signal of STOP_SIGNALS) process.on(signal, handler);
      return () => {
        for (const signal of STOP_SIGNALS) process.off(signal, handler);
      };
    },
    exit: (status) => process.exit(status),
  };
  const status = await runCommandLine(environment);
  // Whatever was written to a pipe is flushed first; connections that idle must not keep a finished command alive.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(status)));
}
