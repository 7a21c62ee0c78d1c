/** A further command in a container that runs: as one of its own would be, with its environment, folder and volumes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { constants as machine } from 'node:os';
import { delimiter, join } from 'node:path';
import { kill } from 'node:process';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Clock, sleep } from '../../../../src/clock.ts';
import { messageOf, ZoneletError } from '../../../../src/errors.ts';
import type { ExecResult, StandardStreams } from '../../../../src/provider/contract.ts';

export interface ExecPlan {
  /** Put before the command, to get to where the container is. */
  readonly entering: readonly string[];
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Runs the command on a terminal; `undefined` for none. */
  readonly terminal?: string;
}

/** `$0`: the folder. What cannot be run says so on stderr, with 126 or 127. */
const SCRIPT = 'cd "$0" || exit 126; exec "$@"';

/**
 * Node has no pseudo-terminals without a native module; Python has them. It copies between its own streams and the
 * terminal, reads sizes from file 3, a line each, and ends as the command ended.
 */
const TERMINAL = `
import fcntl, os, pty, select, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.close(3)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        os.write(2, ("%s: %s\\r\\n" % (sys.argv[1], error.strerror)).encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
def write(to, data):
    while data:
        data = data[os.write(to, data):]
sizes, readers = b"", [0, 3, terminal]
while True:
    ready = select.select(readers, [], [])[0]
    if 3 in ready:
        data = os.read(3, 4096)
        if not data:
            readers.remove(3)
        sizes += data
        while b"\\n" in sizes:
            line, sizes = sizes.split(b"\\n", 1)
            width, height = map(int, line.split())
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    if 0 in ready:
        data = os.read(0, 65536)
        if data:
            write(terminal, data)
        else:
            readers.remove(0)
            write(terminal, b"\\x04")
    if terminal in ready:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        if not data:
            break
        write(1, data)
status = os.waitpid(pid, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

/** A command that has ended and whose output is still held open: so long it has to be silent, in milliseconds. */
const SILENCE_MS = 1000;

/** Where Python is, if it is. */
export function findTerminal(searchPath: string): string | undefined {
  for (const folder of searchPath.split(delimiter)) {
    const path = join(folder, 'python3');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/** Kills it and its group when the signal aborts. */
export async function execute(
  { entering, command, env, cwd, terminal }: ExecPlan,
  { stdin, stdout, stderr, resizes }: StandardStreams,
  clock: Clock,
  signal: AbortSignal,
): Promise<ExecResult> {
  const onTerminal = terminal === undefined ? [] : [terminal, '-c', TERMINAL];
  const [file = '', ...args] = [...entering, '/bin/sh', '-c', SCRIPT, cwd, ...onTerminal, ...command];
  const pipe = (wanted: unknown) => (wanted === undefined ? 'ignore' : 'pipe');
  const child = spawn(file, args, {
    cwd: '/',
    env,
    detached: true,
    stdio: [pipe(stdin), pipe(stdout), pipe(stderr), ...(terminal === undefined ? [] : (['pipe'] as const))],
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new ZoneletError('InvalidInput', `cannot run the command: ${messageOf(error)}`, { cause: error });
  }
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const end = (): void => endGroup(child);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    if (stdin !== undefined && child.stdin !== null) feed(stdin, child.stdin);
    const sizes = child.stdio[3] as Writable | null | undefined;
    if (sizes) void sendSizes(sizes, resizes);
    const outputs = Promise.all([copy(child.stdout, stdout, signal), copy(child.stderr, stderr, signal)]);
    const [code, by] = await exit;
    await drain(outputs, [child.stdout, child.stderr], [stdout, stderr], clock);
    return { exitCode: code ?? 128 + (by === null ? 0 : machine.signals[by]) };
  } finally {
    signal.removeEventListener('abort', end);
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  }
}

/** Until the process takes no more. */
function feed(from: Readable, to: Writable): void {
  // It has ended, or closed its input: nobody reads what still comes.
  to.on('error', () => from.resume());
  from.on('error', () => to.end());
  from.pipe(to);
}

async function copy(from: Readable | null, to: Writable | undefined, signal: AbortSignal): Promise<void> {
  if (from === null || to === undefined) return;
  from.pipe(to, { end: false });
  try {
    await finished(from, { signal });
  } catch {
    // Broken off with the process.
  }
  // Not before all of it was taken.
  if (to.writableNeedDrain && !to.destroyed && !signal.aborted) await once(to, 'drain', { signal }).catch(() => {});
}

/** What the command left behind may hold its output open: it is not waited for once it is silent. */
async function drain(
  outputs: Promise<unknown>,
  from: readonly (Readable | null)[],
  to: readonly (Writable | undefined)[],
  clock: Clock,
): Promise<void> {
  let heard = true;
  const onData = (): void => {
    heard = true;
  };
  for (const stream of from) stream?.on('data', onData);
  let open = true;
  const all = outputs.then(() => {
    open = false;
  });
  while (open && (heard || to.some((stream) => stream?.writableNeedDrain))) {
    heard = false;
    await Promise.race([all, sleep(clock, SILENCE_MS)]);
  }
}

async function sendSizes(to: Writable, sizes: StandardStreams['resizes']): Promise<void> {
  to.on('error', () => {});
  try {
    for await (const { width, height } of sizes ?? []) to.write(`${width} ${height}\n`);
  } catch {
    // A terminal that tells no more sizes keeps the one that it has.
  } finally {
    to.end();
  }
}

/** Its number is its own as long as it was not seen to end. */
function endGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
