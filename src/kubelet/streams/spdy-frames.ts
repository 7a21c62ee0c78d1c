/**
 * SPDY/3.1 on the wire, as far as Kubernetes uses it: frames out, and a parser that keeps no more than one control frame.
 * Source: the SPDY Protocol, draft 3.1 (2.2 Framing, 2.6 Control frames).
 */
import { ZoneletError } from '../../errors.ts';

export type SpdyFrame =
  /** A part of a data frame, as it came; `fin` with its last one. */
  | { readonly type: 'data'; readonly streamId: number; readonly fin: boolean; readonly payload: Buffer }
  | { readonly type: 'syn-stream'; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  /** SYN_REPLY and HEADERS: nothing in them matters here, but the decompressor must have seen them. */
  | { readonly type: 'headers'; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: 'rst-stream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway' };

export const RST_STATUS = {
  PROTOCOL_ERROR: 1,
  INVALID_STREAM: 2,
  REFUSED_STREAM: 3,
  CANCEL: 5,
  STREAM_ALREADY_CLOSED: 9,
} as const;

export const GOAWAY_STATUS = { OK: 0, PROTOCOL_ERROR: 1 } as const;

const VERSION = 3;
const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const HEADERS = 8;
const WINDOW_UPDATE = 9;
/** By type: bytes of a control frame before its header block, or in all. */
const LEAST_BYTES: Readonly<Record<number, number>> = {
  [SYN_STREAM]: 10,
  [SYN_REPLY]: 4,
  [RST_STREAM]: 8,
  [PING]: 4,
  [GOAWAY]: 8,
  [HEADERS]: 4,
};
const FIN = 1;
/** Of a control frame. The headers of Kubernetes' streams take less than 200 bytes. */
const MAX_CONTROL_BYTES = 16 * 1024;

export class SpdyParser {
  #rest: Buffer = Buffer.alloc(0);
  /** What is left of the data frame that is being read. */
  #data: { readonly streamId: number; readonly fin: boolean; left: number } | undefined;

  /** The frames that this chunk completes. Throws `InvalidInput` when this is no SPDY/3. */
  *push(chunk: Buffer): Generator<SpdyFrame, void, void> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    try {
      for (;;) {
        if (this.#data !== undefined) {
          const { streamId, fin, left } = this.#data;
          if (left > 0 && bytes.length === 0) return;
          const payload = bytes.subarray(0, left);
          bytes = bytes.subarray(payload.length);
          this.#data.left -= payload.length;
          const last = this.#data.left === 0;
          if (last) this.#data = undefined;
          yield { type: 'data', streamId, fin: fin && last, payload };
          continue;
        }
        if (bytes.length < 8) return;
        const first = bytes.readUInt32BE(0);
        const length = bytes.readUIntBE(5, 3);
        if (first < 0x80000000) {
          this.#data = { streamId: first, fin: ((bytes[4] ?? 0) & FIN) !== 0, left: length };
          bytes = bytes.subarray(8);
          continue;
        }
        if (length > MAX_CONTROL_BYTES) throw broken(`a control frame of ${length} bytes`);
        if (((first >>> 16) & 0x7fff) !== VERSION) throw broken(`version ${(first >>> 16) & 0x7fff}`);
        if (bytes.length < 8 + length) return;
        const frame = controlFrame(first & 0xffff, bytes[4] ?? 0, bytes.subarray(8, 8 + length));
        bytes = bytes.subarray(8 + length);
        if (frame !== undefined) yield frame;
      }
    } finally {
      // A copy: the chunk that it came in may be large.
      this.#rest = Buffer.from(bytes);
    }
  }
}

function controlFrame(type: number, flags: number, body: Buffer): SpdyFrame | undefined {
  const least = LEAST_BYTES[type];
  // SETTINGS, WINDOW_UPDATE and what is not known: nothing here depends on them.
  if (least === undefined) return undefined;
  if (body.length < least) throw broken(`a control frame of type ${type} with ${body.length} bytes`);
  const word = body.readUInt32BE(0) & 0x7fffffff;
  const fin = (flags & FIN) !== 0;
  switch (type) {
    case SYN_STREAM:
      return { type: 'syn-stream', streamId: word, fin, block: body.subarray(10) };
    case RST_STREAM:
      return { type: 'rst-stream', streamId: word, status: body.readUInt32BE(4) };
    case PING:
      return { type: 'ping', id: body.readUInt32BE(0) };
    case GOAWAY:
      return { type: 'goaway' };
    default:
      return { type: 'headers', streamId: word, fin, block: body.subarray(4) };
  }
}

function broken(what: string): ZoneletError {
  return new ZoneletError('InvalidInput', `this is no SPDY/3.1: ${what}`);
}

/** What comes before `length` bytes of data. */
export function dataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(streamId, 0);
  header[4] = fin ? FIN : 0;
  header.writeUIntBE(length, 5, 3);
  return header;
}

export function synReply(streamId: number, block: Buffer): Buffer {
  return Buffer.concat([control(SYN_REPLY, 4 + block.length, [streamId]), block]);
}

export function rstStream(streamId: number, status: number): Buffer {
  return control(RST_STREAM, 8, [streamId, status]);
}

export function ping(id: number): Buffer {
  return control(PING, 4, [id]);
}

export function goAway(lastStreamId: number, status: number): Buffer {
  return control(GOAWAY, 8, [lastStreamId, status]);
}

export function windowUpdate(streamId: number, bytes: number): Buffer {
  return control(WINDOW_UPDATE, 8, [streamId, bytes]);
}

function control(type: number, length: number, words: readonly number[]): Buffer {
  const frame = Buffer.alloc(8 + 4 * words.length);
  frame.writeUInt32BE((0x80000000 | (VERSION << 16) | type) >>> 0, 0);
  frame.writeUIntBE(length, 5, 3);
  for (const [i, word] of words.entries()) frame.writeUInt32BE(word >>> 0, 8 + 4 * i);
  return frame;
}
