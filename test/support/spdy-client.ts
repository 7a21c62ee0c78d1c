/** The client's end of SPDY/3.1 for tests, as plain as can be: frames out, frames in, with zlib's own compressor. */
import type { Duplex } from 'node:stream';
import { createDeflate, createInflate, constants as zlib } from 'node:zlib';
import { DICTIONARY } from '../../src/kubelet/streams/spdy-dictionary.ts';

export interface ReceivedFrame {
  /** 0 for data. */
  readonly type: number;
  readonly streamId: number;
  readonly fin: boolean;
  readonly body: Buffer;
}

export const SYN_STREAM = 1;
export const SYN_REPLY = 2;
export const RST_STREAM = 3;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 9;

export class SpdyClient {
  readonly frames: ReceivedFrame[] = [];
  readonly transport: Duplex;
  ended = false;
  #deflate = createDeflate({ dictionary: DICTIONARY, flush: zlib.Z_SYNC_FLUSH });
  #rest = Buffer.alloc(0);
  #nextId = 1;
  #wake = (): void => {};

  constructor(transport: Duplex) {
    this.transport = transport;
    transport.on('data', (chunk: Buffer) => this.#received(chunk));
    transport.on('error', () => {});
    for (const event of ['end', 'close']) {
      transport.on(event, () => {
        this.ended = true;
        this.#wake();
      });
    }
  }

  /** Opens a stream with these headers; gives its number. */
  async open(headers: Readonly<Record<string, string>>, options: { fin?: boolean; id?: number } = {}): Promise<number> {
    const id = options.id ?? this.#nextId;
    this.#nextId = id + 2;
    const block = await this.compress(headers);
    const head = Buffer.alloc(10);
    head.writeUInt32BE(id, 0);
    this.control(SYN_STREAM, Buffer.concat([head, block]), options.fin === true ? 1 : 0);
    return id;
  }

  async compress(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const words = [word(Object.keys(headers).length)];
    for (const [name, value] of Object.entries(headers)) {
      for (const one of [name, value]) words.push(word(Buffer.byteLength(one)), Buffer.from(one));
    }
    const parts: Buffer[] = [];
    const collect = (part: Buffer): void => void parts.push(part);
    this.#deflate.on('data', collect);
    await new Promise<void>((resolve) => this.#deflate.write(Buffer.concat(words), () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
    this.#deflate.off('data', collect);
    return Buffer.concat(parts);
  }

  control(type: number, body: Buffer, flags = 0): void {
    const head = Buffer.alloc(8);
    head.writeUInt32BE((0x80030000 | type) >>> 0, 0);
    head[4] = flags;
    head.writeUIntBE(body.length, 5, 3);
    this.transport.write(Buffer.concat([head, body]));
  }

  data(id: number, body: Buffer | string, fin = false): boolean {
    const bytes = Buffer.from(body);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(id, 0);
    head[4] = fin ? 1 : 0;
    head.writeUIntBE(bytes.length, 5, 3);
    return this.transport.write(Buffer.concat([head, bytes]));
  }

  ping(id: number): void {
    this.control(PING, word(id));
  }

  reset(id: number): void {
    this.control(RST_STREAM, Buffer.concat([word(id), word(5)]));
  }

  /** What came on a stream so far. */
  text(id: number): string {
    return this.bytes(id).toString();
  }

  bytes(id: number): Buffer {
    return Buffer.concat(this.frames.filter((one) => one.type === 0 && one.streamId === id).map(({ body }) => body));
  }

  isEnded(id: number): boolean {
    return this.frames.some((one) => one.type === 0 && one.streamId === id && one.fin);
  }

  has(type: number, id?: number): boolean {
    return this.frames.some((one) => one.type === type && (id === undefined || one.streamId === id));
  }

  async until(check: () => boolean): Promise<void> {
    while (!check()) {
      if (this.ended) throw new Error('the connection has ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async closed(): Promise<void> {
    while (!this.ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The header blocks that came, uncompressed one after the other. */
  async replies(): Promise<Buffer> {
    const blocks = this.frames.filter(({ type }) => type === SYN_REPLY).map(({ body }) => body.subarray(4));
    const inflate = createInflate({ dictionary: DICTIONARY, flush: zlib.Z_SYNC_FLUSH });
    const parts: Buffer[] = [];
    inflate.on('data', (part: Buffer) => void parts.push(part));
    await new Promise<void>((resolve, reject) => {
      inflate.on('error', reject);
      inflate.write(Buffer.concat(blocks), () => setImmediate(resolve));
    });
    inflate.close();
    return Buffer.concat(parts);
  }

  #received(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 8) {
      const length = this.#rest.readUIntBE(5, 3);
      if (this.#rest.length < 8 + length) break;
      const first = this.#rest.readUInt32BE(0);
      const body = Buffer.from(this.#rest.subarray(8, 8 + length));
      const isControl = first >= 0x80000000;
      const streamId = isControl ? (body.length >= 4 ? body.readUInt32BE(0) : 0) : first;
      this.frames.push({ type: isControl ? first & 0xffff : 0, streamId, fin: ((this.#rest[4] ?? 0) & 1) === 1, body });
      this.#rest = this.#rest.subarray(8 + length);
    }
    this.#wake();
  }
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
