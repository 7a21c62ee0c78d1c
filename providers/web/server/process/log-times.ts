/**
 * When a log's lines were written. A process writes into its log file itself, so that it needs nobody else to live; the
 * backend looks at the file's size and time again and again and keeps both: lines up to that size were written by then.
 */
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { logFile } from './supervisor.ts';

/** The log had this many bytes at this time (milliseconds since the epoch). */
export interface LogMark {
  readonly size: number;
  readonly timeMs: number;
}

const MARK_BYTES = 16;

/** The marks of one run's log, on disk beside it. */
export class LogTimes {
  readonly #folder: string;
  readonly #marks: LogMark[];

  constructor(folder: string) {
    this.#folder = folder;
    this.#marks = readMarks(join(folder, 'times'));
  }

  /** Looks at the log now. True when it has grown. */
  look(): boolean {
    const stat = statSync(logFile(this.#folder), { throwIfNoEntry: false });
    const last = this.#marks.at(-1);
    if (stat === undefined || stat.size <= (last?.size ?? 0)) return false;
    const mark = { size: stat.size, timeMs: Math.max(last?.timeMs ?? 0, Math.floor(stat.mtimeMs)) };
    const bytes = Buffer.alloc(MARK_BYTES);
    bytes.writeDoubleLE(mark.size, 0);
    bytes.writeDoubleLE(mark.timeMs, 8);
    appendFileSync(join(this.#folder, 'times'), bytes, { mode: 0o600 });
    this.#marks.push(mark);
    return true;
  }

  /** Bytes that have a time. */
  get size(): number {
    return this.#marks.at(-1)?.size ?? 0;
  }

  /** When the byte at this place was written. */
  at(offset: number): number {
    return this.#marks[this.#firstAfter(offset)]?.timeMs ?? this.#marks.at(-1)?.timeMs ?? 0;
  }

  /** Where what was written at or after this time begins. */
  offsetSince(timeMs: number): number {
    const first = this.#marks.findIndex((mark) => mark.timeMs >= timeMs);
    return first < 0 ? this.size : (this.#marks[first - 1]?.size ?? 0);
  }

  /** Index of the first mark beyond this place. */
  #firstAfter(offset: number): number {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#marks[middle]?.size ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Half a mark at the end is what a killed backend was writing. */
function readMarks(file: string): LogMark[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const marks: LogMark[] = [];
  for (let at = 0; at + MARK_BYTES <= bytes.length; at += MARK_BYTES) {
    marks.push({ size: bytes.readDoubleLE(at), timeMs: bytes.readDoubleLE(at + 8) });
  }
  return marks;
}
