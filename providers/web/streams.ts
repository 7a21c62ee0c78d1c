/** The client's end of exec, attach and port-forward: frames on one connection to and from a caller's streams. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../src/clock.ts';
import { type ErrorCode, messageOf, ZoneletError } from '../../src/errors.ts';
import type { StandardStreams } from '../../src/provider/contract.ts';
import { CHANNEL, createFrames, drained, type Frame, sendFrame } from './frames.ts';
import { HEARTBEAT_INTERVAL_MS, STATUS_OF } from './protocol.ts';

/** Three heartbeats lost: the connection is dead, whatever TCP thinks of it. In milliseconds. */
const STALL_MS = 3 * HEARTBEAT_INTERVAL_MS;

/** Until the backend has told the end. Throws `Aborted` when the signal aborts, `Unavailable` when it broke off before. */
export async function carryStreams(
  socket: Socket,
  streams: StandardStreams,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly exitCode?: number }> {
  const { stdin, stdout, stderr, resizes } = streams;
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  const over = new AbortController();
  const stopInput = stdin === undefined ? (): void => {} : sendInput(socket, stdin);
  if (resizes !== undefined) void sendResizes(socket, resizes, over.signal);
  try {
    if (signal.aborted) throw new ZoneletError('Aborted', 'the stream was aborted');
    for await (const { channel, payload } of framesOf(socket, clock)) {
      if (channel === CHANNEL.end) return endOf(payload);
      const to = channel === CHANNEL.output ? stdout : channel === CHANNEL.error ? stderr : undefined;
      if (to === undefined || payload.byteLength === 0) continue;
      if (!to.destroyed && !to.write(payload)) await drained(to, signal);
    }
    throw new ZoneletError('Unavailable', 'the backend broke the stream off');
  } catch (error) {
    if (signal.aborted) throw new ZoneletError('Aborted', 'the stream was aborted', { cause: error });
    throw error;
  } finally {
    over.abort();
    stopInput();
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

/** A port of the pod as a stream. Either end can be ended by itself. */
export function portStream(socket: Socket, clock: Clock, signal: AbortSignal): Duplex {
  const frames = framesOf(socket, clock);
  let reading = false;
  let ended = false;
  const stop = (): void => void duplex.destroy(new ZoneletError('Aborted', 'the forwarding was aborted'));

  /** Hands on frames until there is no room any more. */
  async function pull(): Promise<void> {
    if (reading) return;
    reading = true;
    try {
      for (;;) {
        const { value, done } = await frames.next();
        if (done === true) throw new ZoneletError('Unavailable', 'the backend broke the forwarding off');
        const { channel, payload } = value;
        if (channel === CHANNEL.end) {
          endOf(payload);
          if (!ended) duplex.push(null);
          ended = true;
          return;
        }
        if (channel !== CHANNEL.output || ended) continue;
        if (payload.byteLength === 0) {
          ended = true;
          duplex.push(null);
        } else if (!duplex.push(payload)) return;
      }
    } catch (error) {
      duplex.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    } finally {
      reading = false;
    }
  }

  const duplex: Duplex = new Duplex({
    allowHalfOpen: true,
    read: () => void pull(),
    write(chunk: Buffer, _encoding, done) {
      if (sendFrame(socket, CHANNEL.input, chunk)) done();
      else void drained(socket, signal).then(() => done());
    },
    final(done) {
      sendFrame(socket, CHANNEL.input);
      done();
    },
    destroy(error, done) {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      done(error);
    },
  });
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  return duplex;
}

/** Ends with the connection. Throws when nothing came for so long that it must be dead; a slow reader's own time does not count. */
async function* framesOf(socket: Socket, clock: Clock): AsyncGenerator<Frame, void, void> {
  const frames = createFrames();
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    const stalled = Promise.withResolvers<never>();
    const timer: Timer = clock.setTimer(STALL_MS, () =>
      stalled.reject(new ZoneletError('Unavailable', `the backend was silent for ${STALL_MS / 1000} s`)),
    );
    let next: IteratorResult<Buffer>;
    try {
      next = await Promise.race([chunks.next(), stalled.promise]);
    } catch (error) {
      socket.destroy();
      if (error instanceof ZoneletError) throw error;
      throw new ZoneletError('Unavailable', `the stream broke off: ${messageOf(error)}`, { cause: error });
    } finally {
      timer.cancel();
    }
    if (next.done === true) return;
    yield* frames.push(next.value);
  }
}

/** Until it is stopped; then the rest of the input stays with its owner. */
function sendInput(socket: Socket, stdin: NonNullable<StandardStreams['stdin']>): () => void {
  const onData = (chunk: Buffer | string): void => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (bytes.byteLength === 0 || socket.destroyed || sendFrame(socket, CHANNEL.input, bytes)) return;
    stdin.pause();
    socket.once('drain', () => stdin.resume());
  };
  const onEnd = (): void => {
    if (!socket.destroyed) sendFrame(socket, CHANNEL.input);
  };
  stdin.on('data', onData);
  stdin.once('end', onEnd);
  // Its owner hears of it too; for the process it is the end of its input.
  stdin.once('error', onEnd);
  if (stdin.readableEnded) onEnd();
  return () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
    stdin.off('error', onEnd);
    stdin.pause();
  };
}

async function sendResizes(
  socket: Socket,
  resizes: NonNullable<StandardStreams['resizes']>,
  over: AbortSignal,
): Promise<void> {
  try {
    for await (const { width, height } of resizes) {
      if (over.aborted || socket.destroyed) return;
      sendFrame(socket, CHANNEL.resize, JSON.stringify({ width, height }));
    }
  } catch {
    // A terminal that tells no more sizes keeps the one that it has.
  }
}

function endOf(payload: Buffer): { readonly exitCode?: number } {
  let end: unknown;
  try {
    end = JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw new ZoneletError('Unavailable', 'the backend ended the stream with something that is no JSON', {
      cause: error,
    });
  }
  const { error, exitCode } = record(end);
  if (error !== undefined) {
    const { code, message } = record(error);
    const known = typeof code === 'string' && Object.hasOwn(STATUS_OF, code) ? (code as ErrorCode) : 'Unavailable';
    throw new ZoneletError(
      known === 'Aborted' ? 'Unavailable' : known,
      typeof message === 'string' ? message.slice(0, 2000) : 'the backend ended the stream with an error',
    );
  }
  return typeof exitCode === 'number' && Number.isInteger(exitCode) ? { exitCode } : {};
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
