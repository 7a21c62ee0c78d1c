/** Connections that carry frames: exec, attach and port-forward, from the request to the last frame. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, Readable, Writable } from 'node:stream';
import type { Clock, Timer } from '../../../src/clock.ts';
import { codeOf, messageOf, ZoneletError } from '../../../src/errors.ts';
import type { StandardStreams, TerminalSize } from '../../../src/provider/contract.ts';
import { CHANNEL, createFrames, drained, type Frame, sendFrame } from '../frames.ts';
import { HEARTBEAT_INTERVAL_MS, STREAM_PROTOCOL, type StreamEnd } from '../protocol.ts';
import { answerError } from './answer.ts';
import type { Backend } from './backend.ts';
import { Refused } from './refusals.ts';
import { checkUid, flag, ownerOf, targetOf } from './request.ts';

export interface UpgradeContext {
  readonly backend: Backend;
  readonly clock: Clock;
  /** Throws what keeps the caller out. */
  readonly admit: (request: IncomingMessage) => void;
  /** Aborts when the server stops. */
  readonly stop: AbortSignal;
}

/** What a connection does once it is agreed to. Throws before that what the request is refused with. */
type Stream = (link: Link) => Promise<StreamEnd>;

export async function serveUpgrade(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  { backend, clock, admit, stop }: UpgradeContext,
): Promise<void> {
  const gone = new AbortController();
  socket.on('error', () => gone.abort());
  socket.once('close', () => gone.abort());
  const signal = AbortSignal.any([stop, gone.signal]);
  const destroy = (): void => void socket.destroy();
  stop.addEventListener('abort', destroy, { once: true });
  socket.once('close', () => stop.removeEventListener('abort', destroy));
  try {
    admit(request);
    if (request.headers.upgrade?.toLowerCase() !== STREAM_PROTOCOL) {
      throw new ZoneletError('InvalidInput', `the only protocol to upgrade to is ${STREAM_PROTOCOL}`);
    }
    const stream = await streamOf(request, backend, signal);
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n\r\n`);
    if (head.byteLength > 0) socket.unshift(head);
    const link = new Link(socket, clock, signal);
    const end = await stream(link).catch(
      (error: unknown): StreamEnd => ({
        error: {
          code: codeOf(error),
          message: error instanceof ZoneletError ? messageOf(error) : 'the backend failed',
        },
      }),
    );
    link.end(end);
  } catch (error) {
    if (socket.destroyed) return;
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.destroySoon());
    answerError(response, error);
  }
}

async function streamOf(request: IncomingMessage, backend: Backend, signal: AbortSignal): Promise<Stream> {
  const { segments, query } = targetOf(request);
  const [version, resource, uid = '', sub, name, action, ...more] = segments;
  if (request.method !== 'GET') throw new Refused(405, 'Unsupported', 'a stream is opened with GET');
  if (version !== 'v2' || resource !== 'pods' || more.length > 0) throw unknown(request);
  checkUid(uid);
  const owner = ownerOf(request, backend.zone);
  const given = { stdin: flag(query, 'stdin'), stdout: flag(query, 'stdout'), stderr: flag(query, 'stderr') };
  if (sub === 'containers' && name !== undefined && action === 'exec') {
    const command = query.getAll('command');
    if (command.length === 0) throw new ZoneletError('InvalidInput', 'the parameter command is missing');
    const tty = flag(query, 'tty');
    const run = backend.exec(owner, uid, name, { command, tty });
    return async (link) => await run(link.streams({ ...given, tty }), signal);
  }
  if (sub === 'containers' && name !== undefined && action === 'attach') {
    const run = backend.attach(owner, uid, name);
    return async (link) => {
      await run(link.streams({ ...given, tty: false }), signal);
      return {};
    };
  }
  if (sub === 'portforward' && name === undefined) {
    const port = Number(query.get('port'));
    if (!/^\d{1,5}$/.test(query.get('port') ?? '') || port < 1 || port > 65_535) {
      throw new ZoneletError('InvalidInput', 'the parameter port must be a number from 1 to 65535');
    }
    const remote = await backend.portForward(owner, uid, port, signal);
    return async (link) => {
      await link.join(remote);
      return {};
    };
  }
  throw unknown(request);
}

function unknown(request: IncomingMessage): Refused {
  return new Refused(404, 'Unsupported', `there is no ${request.url?.split('?')[0]} here`);
}

/** The backend's end of a connection. */
class Link {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #beat: Timer | undefined;

  constructor(socket: Socket, clock: Clock, signal: AbortSignal) {
    this.#socket = socket;
    this.#clock = clock;
    this.#signal = signal;
    this.#arm();
  }

  /** The caller's standard streams; frames are read no faster than the input is taken. */
  streams(given: Readonly<Record<'stdin' | 'stdout' | 'stderr' | 'tty', boolean>>): StandardStreams {
    const stdin = given.stdin ? new Readable({ read: () => void this.#socket.resume() }) : undefined;
    const sizes = given.tty ? createSizes() : undefined;
    void this.#read(({ channel, payload }) => {
      if (channel === CHANNEL.input && stdin !== undefined && !stdin.readableEnded && !stdin.destroyed) {
        return stdin.push(payload.byteLength === 0 ? null : payload) || payload.byteLength === 0;
      }
      if (channel === CHANNEL.resize) sizes?.put(payload);
      return true;
    }).finally(() => {
      sizes?.end();
      // No more comes: for whoever reads it the input has ended, and the signal says why.
      if (stdin !== undefined && !stdin.destroyed && !stdin.readableEnded) stdin.push(null);
    });
    return {
      ...(stdin === undefined ? {} : { stdin }),
      ...(given.stdout ? { stdout: this.#sink(CHANNEL.output) } : {}),
      ...(given.stderr && !given.tty ? { stderr: this.#sink(CHANNEL.error) } : {}),
      ...(sizes === undefined ? {} : { resizes: sizes.stream }),
    };
  }

  /** Until both directions have ended. */
  async join(remote: Duplex): Promise<void> {
    const closed = Promise.withResolvers<void>();
    remote.once('close', () => closed.resolve());
    remote.on('error', () => {});
    const abort = (): void => void remote.destroy();
    this.#signal.addEventListener('abort', abort, { once: true });
    remote.on('drain', () => this.#socket.resume());
    void this.#read(({ channel, payload }) => {
      if (channel !== CHANNEL.input || remote.writableEnded || remote.destroyed) return true;
      if (payload.byteLength > 0) return remote.write(payload);
      remote.end();
      return true;
    }).finally(abort);
    try {
      for await (const chunk of remote.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if (!this.#send(CHANNEL.output, chunk)) await drained(this.#socket, this.#signal);
      }
      this.#send(CHANNEL.output, '');
      if (!remote.destroyed) await closed.promise;
    } catch (error) {
      throw new ZoneletError('Unavailable', `the connection to the port broke off: ${messageOf(error)}`);
    } finally {
      this.#signal.removeEventListener('abort', abort);
      remote.destroy();
    }
  }

  /** The last frame, then the end of the connection. */
  end(end: StreamEnd): void {
    this.#beat?.cancel();
    if (this.#socket.destroyed) return;
    sendFrame(this.#socket, CHANNEL.end, JSON.stringify(end));
    // What the caller still sends is read and dropped, or the kernel would reset the connection under the last frame.
    this.#socket.resume();
    this.#socket.end();
    const timer = this.#clock.setTimer(HEARTBEAT_INTERVAL_MS, () => this.#socket.destroy());
    this.#socket.once('close', () => timer.cancel());
  }

  /** Reads frames until the connection ends. `take` answers false when it has no room: then somebody resumes the socket. */
  #read(take: (frame: Frame) => boolean): Promise<void> {
    const frames = createFrames();
    const socket = this.#socket;
    return new Promise((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        try {
          let room = true;
          for (const frame of frames.push(chunk)) room = take(frame) && room;
          if (!room) socket.pause();
        } catch {
          // Not what was agreed on.
          socket.destroy();
        }
      });
      // A caller has no half of a connection: with its end everything ends.
      socket.once('end', () => socket.destroy());
      socket.once('close', () => resolve());
    });
  }

  #sink(channel: number): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (this.#socket.destroyed) return done();
        if (this.#send(channel, chunk)) return done();
        void drained(this.#socket, this.#signal).then(() => done());
      },
    });
  }

  #send(channel: number, payload: Uint8Array | string): boolean {
    if (this.#socket.destroyed) return true;
    this.#arm();
    return sendFrame(this.#socket, channel, payload);
  }

  /** A caller that is gone is noticed when something is sent to it. */
  #arm(): void {
    this.#beat?.cancel();
    this.#beat = this.#clock.setTimer(HEARTBEAT_INTERVAL_MS, () => {
      if (this.#socket.destroyed || this.#signal.aborted) return;
      if (!this.#socket.writableNeedDrain) sendFrame(this.#socket, CHANNEL.heartbeat);
      this.#arm();
    });
  }
}

/** The newest size counts; those before it that nobody took are dropped. */
function createSizes() {
  let newest: TerminalSize | undefined;
  let ended = false;
  let wake = (): void => {};
  async function* stream(): AsyncGenerator<TerminalSize, void, void> {
    for (;;) {
      if (newest !== undefined) {
        const size = newest;
        newest = undefined;
        yield size;
      } else if (ended) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  return {
    stream: stream(),
    put(payload: Buffer) {
      const { width, height } = JSON.parse(payload.toString('utf8')) as { width?: unknown; height?: unknown };
      const good = (value: unknown): value is number =>
        Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
      if (!good(width) || !good(height)) return;
      newest = { width, height };
      wake();
    },
    end() {
      ended = true;
      wake();
    },
  };
}
