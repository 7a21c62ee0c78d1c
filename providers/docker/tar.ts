/** The little of tar (POSIX ustar with pax records) that the engine's archive API needs. */
import { Buffer } from 'node:buffer';

export interface TarEntry {
  /** Relative, with `/`. */
  readonly path: string;
  /** A folder has neither. */
  readonly content?: Uint8Array;
  readonly linkTo?: string;
  readonly mode: number;
  readonly gid?: number;
}

const BLOCK = 512;

export function tar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const link = entry.linkTo ?? '';
    const records = [
      ...(Buffer.byteLength(entry.path) > 100 ? [record('path', entry.path)] : []),
      ...(Buffer.byteLength(link) > 100 ? [record('linkpath', link)] : []),
    ];
    if (records.length > 0) {
      const pax = Buffer.concat(records);
      parts.push(header({ path: 'pax', mode: 0o644 }, 'x', pax.length), padded(pax));
    }
    const content = Buffer.from(entry.content ?? []);
    const type = entry.linkTo !== undefined ? '2' : entry.content === undefined ? '5' : '0';
    parts.push(header(entry, type, content.length), padded(content));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header({ path, linkTo = '', mode, gid = 0 }: TarEntry, type: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void =>
    void block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  block.write(path.slice(0, 100), 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write(linkTo.slice(0, 100), 157, 100);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function record(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function padded(content: Buffer): Buffer {
  const over = content.length % BLOCK;
  return over === 0 ? content : Buffer.concat([content, Buffer.alloc(BLOCK - over)]);
}

/** The content of the one file that an archive holds, up to `limit` bytes; `undefined` when there is none. */
export function fileIn(archive: Buffer, limit: number): Buffer | undefined {
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 135), 8) || 0;
    const type = archive.toString('latin1', at + 156, at + 157);
    if (type === '0' || type === '\0') {
      return archive[at] === 0 ? undefined : archive.subarray(at + BLOCK, at + BLOCK + Math.min(size, limit));
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return undefined;
}
