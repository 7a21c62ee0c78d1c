/**
 * Cuts a byte stream into lines. It works on bytes, so that a character that is split between two chunks stays whole,
 * and it decodes a line once, when all of it is there.
 */

const NEWLINE = 0x0a;

export interface LineSplitter {
  /** The lines that this chunk completes, in order; empty lines are left out. */
  push(chunk: Uint8Array): string[];
  /** What came after the last newline; empty when the stream ended with one. */
  rest(): string;
}

export function createLineSplitter(): LineSplitter {
  // Pieces of the line under way; joined only when its end is there, so that a long line costs no quadratic copying.
  let pieces: Buffer[] = [];

  function take(last: Buffer): string {
    if (pieces.length === 0) return last.toString('utf8');
    pieces.push(last);
    const line = Buffer.concat(pieces).toString('utf8');
    pieces = [];
    return line;
  }

  return {
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const lines: string[] = [];
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        const line = take(bytes.subarray(start, end));
        if (line !== '') lines.push(line);
        start = end + 1;
      }
      if (start < bytes.length) pieces.push(bytes.subarray(start));
      return lines;
    },
    rest: () => take(Buffer.alloc(0)),
  };
}
