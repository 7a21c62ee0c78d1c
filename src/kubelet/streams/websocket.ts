/**
 * The server's end of a WebSocket (RFC 6455). Own code, because the sub-protocol of tunnelled port-forwards,
 * `SPDY/3.1+portforward.k8s.io`, is no token, which libraries insist on, and because messages of any size are passed on in
 * the parts that they come in.
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { hasCode, ZoneletError } from '../../errors.ts';
import { type Backlog, createBacklog } from './backlog.ts';
import { type ClientConnection, endThenDestroy, roomIn } from './client-connection.ts';
import { createOutlet } from './outlet.ts';

export interface WebSocketOptions {
  readonly transport: Duplex;
  readonly clock: Clock;
  /** A part of a message, in order. An empty message is one empty part. */
  readonly onPart: (part: MessagePart) => void;
  /** Told of every piece of data, either way. */
  readonly onData?: () => void;
}

export interface MessagePart {
  readonly payload: Buffer;
  readonly first: boolean;
  readonly last: boolean;
}

export interface WebSocketConnection extends ClientConnection {
  /** Counts what came and was not read yet. */
  readonly backlog: Backlog;
  /** One message; calls back when more may come. */
  send(parts: readonly Buffer[], kind: 'binary' | 'text', done: () => void): void;
}

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const CLOSE_NORMAL = 1000;
const CLOSE_PROTOCOL_ERROR = 1002;

/** What the client's key must be answered with. */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

export function createWebSocket(options: WebSocketOptions): WebSocketConnection {
  const { transport, clock, onPart } = options;
  const onData = options.onData ?? ((): void => {});
  const gone = new AbortController();
  const backlog = createBacklog();
  const outlet = createOutlet(transport);
  const parser = new WebSocketParser();
  let closing = false;
  transport.on('error', () => {});
  transport.once('close', () => backlog.close());

  function close(status: number): void {
    if (closing) return;
    closing = true;
    backlog.close();
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(status);
    outlet.urgent(Buffer.concat([header(CLOSE, 2), payload]));
    endThenDestroy(transport, clock);
  }

  function take(event: ParsedEvent): void {
    if (event.type === 'part') {
      if (event.payload.length > 0) onData();
      onPart(event);
    } else if (event.opcode === PING) outlet.urgent(Buffer.concat([header(PONG, event.payload.length), event.payload]));
    else if (event.opcode === CLOSE) {
      gone.abort();
      close(CLOSE_NORMAL);
    }
  }

  async function run(): Promise<void> {
    try {
      for await (const chunk of transport.iterator({ destroyOnReturn: false })) {
        if (closing) continue;
        for (const event of parser.push(chunk as Buffer)) {
          take(event);
          if (closing) break;
        }
        await roomIn(backlog, clock, () => outlet.urgent(header(PING, 0)));
      }
    } catch (error) {
      if (hasCode(error, 'InvalidInput')) close(CLOSE_PROTOCOL_ERROR);
    }
    gone.abort();
    if (closing) transport.resume();
    else transport.destroy();
  }

  void run();
  return {
    gone: gone.signal,
    backlog,
    send(parts, kind, done) {
      onData();
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      outlet.send([header(kind === 'text' ? TEXT : BINARY, length), ...parts], done);
    },
    close: () => close(CLOSE_NORMAL),
  };
}

function header(opcode: number, length: number): Buffer {
  const first = 0x80 | opcode;
  if (length < 126) return Buffer.from([first, length]);
  if (length <= 0xffff) return Buffer.from([first, 126, length >>> 8, length & 0xff]);
  const long = Buffer.alloc(10);
  long[0] = first;
  long[1] = 127;
  long.writeBigUInt64BE(BigInt(length), 2);
  return long;
}

type ParsedEvent =
  | ({ readonly type: 'part' } & MessagePart)
  | { readonly type: 'control'; readonly opcode: number; readonly payload: Buffer };

interface OpenFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly mask: Buffer;
  left: number;
  /** Of its payload that were read: where in the mask they go on. */
  read: number;
}

/** Frames of a client; keeps a header or a control frame at most. */
export class WebSocketParser {
  #rest: Buffer = Buffer.alloc(0);
  #frame: OpenFrame | undefined;
  /** A message is not at its end. */
  #inMessage = false;
  /** No part of it was handed on yet. */
  #atStart = false;

  /** Throws `InvalidInput` for what no client may send. */
  *push(chunk: Buffer): Generator<ParsedEvent, void, void> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    try {
      for (;;) {
        if (this.#frame === undefined) {
          const length = headerLength(bytes);
          if (length === undefined) return;
          this.#frame = this.#begin(bytes.subarray(0, length));
          bytes = bytes.subarray(length);
        }
        const frame = this.#frame;
        const isControl = frame.opcode >= CLOSE;
        if (frame.left > 0 && (bytes.length === 0 || (isControl && bytes.length < frame.left))) return;
        const payload = unmasked(bytes.subarray(0, frame.left), frame);
        bytes = bytes.subarray(payload.length);
        frame.left -= payload.length;
        frame.read += payload.length;
        if (frame.left === 0) this.#frame = undefined;
        if (isControl) {
          yield { type: 'control', opcode: frame.opcode, payload };
          continue;
        }
        const first = this.#atStart;
        const last = frame.left === 0 && frame.fin;
        this.#atStart = false;
        if (last) this.#inMessage = false;
        if (payload.length > 0 || first || last) yield { type: 'part', payload, first, last };
      }
    } finally {
      this.#rest = Buffer.from(bytes);
    }
  }

  #begin(bytes: Buffer): OpenFrame {
    const [first = 0, second = 0] = bytes;
    const fin = (first & 0x80) !== 0;
    const opcode = first & 0x0f;
    if ((first & 0x70) !== 0) throw broken('a reserved bit is set');
    if ((second & 0x80) === 0) throw broken('a frame is not masked');
    const short = second & 0x7f;
    const left = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
    if (left > Number.MAX_SAFE_INTEGER) throw broken('a frame is too long');
    if (opcode >= CLOSE) {
      if (opcode > PONG || !fin || left > 125) throw broken('a control frame is malformed');
    } else {
      if (opcode > BINARY) throw broken(`opcode ${opcode}`);
      if ((opcode === CONTINUATION) !== this.#inMessage) throw broken('a message begins or goes on at the wrong place');
      if (opcode !== CONTINUATION) this.#atStart = true;
      this.#inMessage = true;
    }
    return { opcode, fin, mask: Buffer.from(bytes.subarray(bytes.length - 4)), left, read: 0 };
  }
}

/** Undefined: it is not all there yet. */
function headerLength(bytes: Buffer): number | undefined {
  const short = (bytes[1] ?? 0) & 0x7f;
  const masked = ((bytes[1] ?? 0) & 0x80) !== 0;
  const length = 2 + (short === 127 ? 8 : short === 126 ? 2 : 0) + (masked ? 4 : 0);
  return bytes.length < Math.max(2, length) ? undefined : length;
}

function unmasked(bytes: Buffer, { mask, read }: OpenFrame): Buffer {
  const plain = Buffer.allocUnsafe(bytes.length);
  for (let i = 0; i < bytes.length; i++) plain[i] = (bytes[i] ?? 0) ^ (mask[(read + i) & 3] ?? 0);
  return plain;
}

function broken(what: string): ZoneletError {
  return new ZoneletError('InvalidInput', `this is no WebSocket: ${what}`);
}
