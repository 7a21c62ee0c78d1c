/** A client's streams joined to an engine's connection: commands in a container, and a container's own process. */
import { once } from 'node:events';
import type { Duplex, Writable } from 'node:stream';
import { type Clock, sleep } from '../../src/clock.ts';
import { ZoneletError } from '../../src/errors.ts';
import type { ExecOptions, ExecResult, StandardStreams, TerminalSize } from '../../src/provider/contract.ts';
import type { Engine } from './engine.ts';
import { createFrames } from './frames.ts';

const CALL_MS = 10_000;
/** The engine tells of a command's end on the connection a little before it knows the exit code. */
/** The engine writes why a command could not be started where its output would have been. */
const NOT_STARTED = Buffer.from('OCI runtime exec failed: ');
const CODE_TRIES = 200;
const CODE_PAUSE_MS = 25;

export async function exec(
  engine: Engine,
  container: string,
  { command, tty }: ExecOptions,
  streams: StandardStreams,
  clock: Clock,
  signal: AbortSignal,
): Promise<ExecResult> {
  const body = {
    Cmd: command,
    Tty: tty,
    AttachStdin: streams.stdin !== undefined,
    AttachStdout: true,
    AttachStderr: !tty,
  };
  const call = { signal, timeoutMs: CALL_MS } as const;
  const { Id } = await engine.json<{ Id: string }>({
    method: 'POST',
    path: `/containers/${container}/exec`,
    body,
    ...call,
  });
  const starting = { method: 'POST', path: `/exec/${Id}/start`, body: { Detach: false, Tty: tty }, ...call } as const;
  const socket = await engine.takeOver(starting);
  const resize = resizing(engine, `/exec/${Id}/resize`, streams.resizes, signal);
  try {
    await join(socket, tty, streams, signal, NOT_STARTED);
  } finally {
    resize();
  }
  for (let tries = 0; tries < CODE_TRIES; tries++) {
    const path = `/exec/${Id}/json`;
    const state = await engine.json<{ Running: boolean; ExitCode: number | null }>({ method: 'GET', path, ...call });
    if (!state.Running && state.ExitCode !== null) return { exitCode: state.ExitCode };
    await sleep(clock, CODE_PAUSE_MS, signal);
    if (signal.aborted) break;
  }
  throw new ZoneletError(signal.aborted ? 'Aborted' : 'Unavailable', 'the engine did not tell how the command ended');
}

export async function attach(
  engine: Engine,
  container: string,
  tty: boolean,
  streams: StandardStreams,
  signal: AbortSignal,
): Promise<void> {
  const stdin = streams.stdin === undefined ? '' : '&stdin=true';
  const path = `/containers/${container}/attach?stream=true&stdout=true&stderr=true${stdin}`;
  const socket = await engine.takeOver({ method: 'POST', path, signal, timeoutMs: CALL_MS });
  const resize = resizing(engine, `/containers/${container}/resize`, streams.resizes, signal);
  try {
    await join(socket, tty, streams, signal);
  } finally {
    resize();
  }
}

/** What a command in a container wrote, and how it ended; for commands of our own. */
export async function run(
  engine: Engine,
  container: string,
  command: readonly string[],
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly exitCode: number; readonly output: string }> {
  const { Writable: Sink } = await import('node:stream');
  let output = '';
  const sink = new Sink({
    write(chunk: Buffer, _encoding, done) {
      output += chunk.toString();
      done();
    },
  });
  const { exitCode } = await exec(
    engine,
    container,
    { command, tty: false },
    { stdout: sink, stderr: sink },
    clock,
    signal,
  );
  return { exitCode, output };
}

async function join(
  socket: Duplex,
  raw: boolean,
  { stdin, stdout, stderr }: StandardStreams,
  signal: AbortSignal,
  /** How output begins that is an error of the engine's. */
  complaint?: Buffer,
): Promise<void> {
  const frames = createFrames(raw);
  let first = true;
  const end = (): void => void socket.destroy();
  socket.on('error', () => undefined);
  stdin?.pipe(socket, { end: false });
  // The process's input ends; its output goes on.
  const finish = (): void => void socket.end();
  stdin?.once('end', finish);
  stdin?.once('error', end);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      for (const { stream, bytes } of frames.push(chunk)) {
        const complains = first && complaint?.equals(bytes.subarray(0, complaint.length)) === true;
        first = false;
        const to = stream === 'stderr' || (complains && stderr !== undefined) ? stderr : stdout;
        if (to !== undefined) await write(to, bytes, signal);
      }
    }
  } catch (error) {
    if (signal.aborted) throw new ZoneletError('Aborted', 'the client is gone', { cause: error });
    throw new ZoneletError('Unavailable', 'the connection to the engine broke off', { cause: error });
  } finally {
    stdin?.unpipe(socket);
    stdin?.off('end', finish);
    stdin?.off('error', end);
    socket.destroy();
  }
  if (signal.aborted) throw new ZoneletError('Aborted', 'the client is gone');
}

async function write(to: Writable, bytes: Buffer, signal: AbortSignal): Promise<void> {
  if (to.destroyed || to.writableEnded || to.write(bytes)) return;
  const gone = new AbortController();
  const close = (): void => gone.abort();
  to.once('close', close);
  try {
    await once(to, 'drain', { signal: AbortSignal.any([signal, gone.signal]) });
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    to.off('close', close);
  }
}

/** Hands each size on until the client's end or the returned function is called. */
function resizing(
  engine: Engine,
  path: string,
  sizes: AsyncIterable<TerminalSize> | undefined,
  signal: AbortSignal,
): () => void {
  let over = false;
  void (async () => {
    for await (const { width, height } of sizes ?? []) {
      if (over) return;
      const request = { method: 'POST', path: `${path}?h=${height}&w=${width}`, signal, timeoutMs: CALL_MS } as const;
      // A process that has just ended has no terminal; there is nothing to tell anybody.
      await engine.bytes(request).catch(() => undefined);
    }
  })().catch(() => undefined);
  return () => {
    over = true;
  };
}
