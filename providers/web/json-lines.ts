/** A byte stream cut into the JSON objects of its lines. */
import { ZoneletError } from '../../src/errors.ts';

/** One line holds one pod; more than this is no line of this protocol, in characters. */
const LONGEST_LINE = 16 * 1024 * 1024;

export interface JsonLines {
  /** The objects that this chunk completes, in order. Throws `Internal` for a line that is none. */
  push(chunk: Uint8Array): unknown[];
}

export function createJsonLines(): JsonLines {
  const decoder = new TextDecoder();
  let pieces: string[] = [];
  let length = 0;
  return {
    push(chunk) {
      const parts = decoder.decode(chunk, { stream: true }).split('\n');
      const found: unknown[] = [];
      for (const [i, part] of parts.entries()) {
        pieces.push(part);
        length += part.length;
        if (length > LONGEST_LINE) throw new ZoneletError('Internal', 'the backend sent a line without end');
        if (i === parts.length - 1) break;
        const line = pieces.join('');
        pieces = [];
        length = 0;
        if (line.trim() !== '') found.push(parse(line));
      }
      return found;
    },
  };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new ZoneletError('Internal', 'the backend sent a line that is no JSON', { cause: error });
  }
}
