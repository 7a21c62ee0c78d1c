/**
 * Header blocks of SPDY/3: one zlib stream for each direction of a connection, begun with a dictionary that both sides know.
 * What is sent goes in stored blocks: a compressor would hold 256 KB for each connection to save a few dozen bytes.
 */
import { createInflate, constants as zlib } from 'node:zlib';
import { ZoneletError } from '../../errors.ts';
import { DICTIONARY, DICTIONARY_ADLER32 } from './spdy-dictionary.ts';

export type SpdyHeaders = ReadonlyMap<string, string>;

/** A few hundred bytes are usual; the same compressed bytes can stand for a thousand times as many. */
const MAX_BLOCK_BYTES = 64 * 1024;

/** An empty stored block: Go's decompressor hands out what it has only then. */
const FLUSH = Buffer.from([0, 0, 0, 0xff, 0xff]);

export interface HeaderEncoder {
  /** The next block of the connection. */
  encode(headers: SpdyHeaders): Buffer;
}

export function createHeaderEncoder(): HeaderEncoder {
  let begun = false;
  return {
    encode(headers) {
      const words: Buffer[] = [count(headers.size)];
      for (const [name, value] of headers) {
        for (const text of [name, value]) words.push(count(Buffer.byteLength(text)), Buffer.from(text));
      }
      const plain = Buffer.concat(words);
      if (plain.length > 0xffff) throw new ZoneletError('InvalidInput', 'headers of more than 65535 bytes');
      const stored = Buffer.alloc(5);
      stored.writeUInt16LE(plain.length, 1);
      stored.writeUInt16LE(~plain.length & 0xffff, 3);
      const start = begun ? [] : [Buffer.from([0x78, 0xbb]), count(DICTIONARY_ADLER32)];
      begun = true;
      return Buffer.concat([...start, stored, plain, FLUSH]);
    },
  };
}

export interface HeaderDecoder extends Disposable {
  /** In the order of the blocks, one at a time. Rejects with `InvalidInput`; nothing can be decoded after that. */
  decode(block: Buffer): Promise<SpdyHeaders>;
}

export function createHeaderDecoder(): HeaderDecoder {
  const inflate = createInflate({ dictionary: DICTIONARY, flush: zlib.Z_SYNC_FLUSH, finishFlush: zlib.Z_SYNC_FLUSH });
  let parts: Buffer[] = [];
  let size = 0;
  let failed: ((error: Error) => void) | undefined;
  let broken: Error | undefined;
  const fail = (why: string): void => {
    broken ??= new ZoneletError('InvalidInput', `headers of a stream cannot be read: ${why}`);
    inflate.close();
    failed?.(broken);
  };
  inflate.on('error', (error) => fail(error.message));
  inflate.on('data', (part: Buffer) => {
    size += part.length;
    if (size > MAX_BLOCK_BYTES) fail(`more than ${MAX_BLOCK_BYTES} bytes`);
    else parts.push(part);
  });
  return {
    async decode(block) {
      const plain = await new Promise<Buffer>((resolve, reject) => {
        if (broken !== undefined) return reject(broken);
        failed = reject;
        parts = [];
        size = 0;
        inflate.write(block, () => {
          // What has not been told as an event yet is told now.
          while (inflate.read() !== null);
          resolve(Buffer.concat(parts));
        });
      });
      return parse(plain);
    },
    [Symbol.dispose]() {
      broken ??= new ZoneletError('Aborted', 'the connection is closed');
      inflate.close();
      failed?.(broken);
    },
  };
}

function parse(plain: Buffer): SpdyHeaders {
  let at = 0;
  const word = (): number => {
    if (plain.length < at + 4) throw new ZoneletError('InvalidInput', 'headers of a stream are cut off');
    at += 4;
    return plain.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = word();
    if (plain.length < at + length) throw new ZoneletError('InvalidInput', 'headers of a stream are cut off');
    at += length;
    return plain.toString('utf8', at - length, at);
  };
  const headers = new Map<string, string>();
  for (let left = word(); left > 0; left--) {
    const name = text().toLowerCase();
    // Several values are joined by NUL.
    headers.set(name, text().split('\0')[0] ?? '');
  }
  return headers;
}

function count(value: number): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(value >>> 0);
  return word;
}
