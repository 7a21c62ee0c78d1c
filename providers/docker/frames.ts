/** The engine's framing of two outputs on one connection: a type, a length, the bytes. With a terminal there is none. */

export interface Frame {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

export interface Frames {
  /** What this chunk brings, in order; a frame may come in pieces. */
  push(chunk: Buffer): Frame[];
}

const HEADER = 8;

export function createFrames(raw: boolean): Frames {
  let header = Buffer.alloc(0);
  let left = 0;
  let stream: Frame['stream'] = 'stdout';
  return {
    push(chunk) {
      if (raw) return chunk.length === 0 ? [] : [{ stream: 'stdout', bytes: chunk }];
      const found: Frame[] = [];
      let rest = chunk;
      while (rest.length > 0) {
        if (left > 0) {
          const bytes = rest.subarray(0, left);
          found.push({ stream, bytes });
          left -= bytes.length;
          rest = rest.subarray(bytes.length);
          continue;
        }
        const missing = HEADER - header.length;
        header = Buffer.concat([header, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (header.length < HEADER) break;
        stream = header[0] === 2 ? 'stderr' : 'stdout';
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
      }
      return found;
    },
  };
}
