/**
 * What can be run in a simulated container: a handful of commands that are known here by name. There is no shell and no
 * file; what is not known says so and ends with 127, as a command that is not there does.
 */
import type { Writable } from 'node:stream';
import { type Clock, sleep } from '../../src/clock.ts';
import { ZoneletError } from '../../src/errors.ts';
import type { ExecOptions, ExecResult, StandardStreams } from '../../src/provider/contract.ts';

export interface CommandPlace {
  /** The pod's name. */
  readonly hostname: string;
  readonly clock: Clock;
}

type Command = (
  argv: readonly string[],
  streams: StandardStreams,
  place: CommandPlace,
  signal: AbortSignal,
) => Promise<number>;

const COMMANDS: Readonly<Record<string, Command>> = {
  async cat([file], { stdin, stdout, stderr }) {
    if (file !== undefined && file !== '-') return await complain(stderr, `cat: ${file}: there are no files here`, 1);
    for await (const chunk of stdin ?? []) await write(stdout, chunk as Buffer);
    return 0;
  },
  async echo(words, { stdout }) {
    await write(stdout, `${words.join(' ')}\n`);
    return 0;
  },
  async exit([code = '0'], { stderr }) {
    if (!/^\d{1,3}$/.test(code) || Number(code) > 255) return await complain(stderr, `exit: ${code}: no exit code`, 2);
    return Number(code);
  },
  async hostname(_, { stdout }, { hostname }) {
    await write(stdout, `${hostname}\n`);
    return 0;
  },
  async sleep([seconds = ''], { stderr }, { clock }, signal) {
    if (!/^\d+(\.\d+)?$/.test(seconds)) return await complain(stderr, `sleep: ${seconds}: no number of seconds`, 1);
    await sleep(clock, Number(seconds) * 1000, signal);
    return 0;
  },
  /** `stty size`: the terminal's size as it is, then at each change, until the input ends. */
  async stty([what], { stdin, stdout, stderr, resizes }) {
    if (what !== 'size') return await complain(stderr ?? stdout, 'stty: only "stty size" is simulated', 1);
    if (resizes === undefined) return await complain(stderr, 'stty: this is no terminal', 1);
    stdin?.resume();
    for await (const { width, height } of resizes) {
      await write(stdout, `${height} ${width}\r\n`);
      if (stdin === undefined || stdin.readableEnded) break;
    }
    return 0;
  },
};

const KNOWN = Object.keys(COMMANDS).sort().join(', ');

export async function runCommand(
  { command }: ExecOptions,
  streams: StandardStreams,
  place: CommandPlace,
  signal: AbortSignal,
): Promise<ExecResult> {
  const [path = '', ...argv] = command;
  const name = path.replace(/^.*\//, '');
  const run = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (run === undefined) {
    const why = `${path}: not found: a simulated container has only ${KNOWN}`;
    return { exitCode: await complain(streams.stderr ?? streams.stdout, why, 127) };
  }
  const exitCode = await run(argv, streams, place, signal);
  if (signal.aborted) throw new ZoneletError('Aborted', `${path} was let go of`);
  return { exitCode };
}

async function complain(stream: Writable | undefined, text: string, code: number): Promise<number> {
  await write(stream, `${text}\n`);
  return code;
}

/** Waits for a stream that is full. */
export async function write(stream: Writable | undefined, data: Uint8Array | string): Promise<void> {
  if (stream === undefined || stream.destroyed) return;
  if (stream.write(data)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}
