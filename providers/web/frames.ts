/**
 * What goes over an upgraded connection, in both directions: frames of one byte that names the channel, four bytes that
 * say how long the payload is (big-endian), and the payload.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { ZoneletError } from '../../src/errors.ts';

export const CHANNEL = {
  /** To the backend: input. An empty frame is its end. */
  input: 0,
  /** From the backend: output, or what comes from the port. An empty frame is its end. */
  output: 1,
  error: 2,
  /** From the backend, JSON, the last frame: `StreamEnd`. */
  end: 3,
  /** To the backend, JSON: the terminal's size, `{"width": 80, "height": 24}`. */
  resize: 4,
  /** Empty, ignored: says that the other end is there. */
  heartbeat: 5,
} as const;

/** No payload is longer; a longer one breaks the connection. */
export const LONGEST_PAYLOAD = 1024 * 1024;

const HEAD_BYTES = 5;

export interface Frame {
  readonly channel: number;
  readonly payload: Buffer;
}

/** Hands it over whole; false when the other side does not keep up. Splits what is too long. */
export function sendFrame(to: Writable, channel: number, payload: Uint8Array | string = ''): boolean {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  let at = 0;
  do {
    const part = bytes.subarray(at, at + LONGEST_PAYLOAD);
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    head.writeUInt8(channel, 0);
    head.writeUInt32BE(part.byteLength, 1);
    to.cork();
    to.write(head);
    if (part.byteLength > 0) to.write(part);
    to.uncork();
    at += part.byteLength;
  } while (at < bytes.byteLength);
  return !to.writableNeedDrain;
}

/** Whole frames, however they were cut on the way. Pushed chunks are not copied more than once. */
export function createFrames(): { push(chunk: Buffer): readonly Frame[] } {
  let kept: Buffer[] = [];
  let size = 0;
  let wanted = HEAD_BYTES;
  return {
    push(chunk) {
      kept.push(chunk);
      size += chunk.byteLength;
      if (size < wanted) return [];
      const bytes = kept.length === 1 ? chunk : Buffer.concat(kept, size);
      const frames: Frame[] = [];
      let at = 0;
      wanted = HEAD_BYTES;
      while (bytes.byteLength - at >= HEAD_BYTES) {
        const length = bytes.readUInt32BE(at + 1);
        if (length > LONGEST_PAYLOAD) throw new ZoneletError('InvalidInput', `a frame of ${length} bytes is too long`);
        if (bytes.byteLength - at < HEAD_BYTES + length) {
          wanted = HEAD_BYTES + length;
          break;
        }
        const start = at + HEAD_BYTES;
        frames.push({ channel: bytes.readUInt8(at), payload: bytes.subarray(start, start + length) });
        at = start + length;
      }
      kept = at < bytes.byteLength ? [bytes.subarray(at)] : [];
      size = bytes.byteLength - at;
      return frames;
    },
  };
}

/** Waits until there is room again. False when it closes instead, or the signal aborts. */
export async function drained(stream: Writable, signal: AbortSignal): Promise<boolean> {
  if (stream.destroyed || signal.aborted) return false;
  if (!stream.writableNeedDrain) return true;
  const closed = new AbortController();
  const onClose = (): void => closed.abort();
  stream.once('close', onClose);
  try {
    await once(stream, 'drain', { signal: AbortSignal.any([closed.signal, signal]) });
    return true;
  } catch {
    return false;
  } finally {
    stream.off('close', onClose);
  }
}
