/** A run's log, read with the options of `kubectl logs`. */
import { type FileHandle, open } from 'node:fs/promises';
import { type Clock, sleep } from '../../../../src/clock.ts';
import type { LogOptions } from '../../../../src/provider/contract.ts';
import type { LogTimes } from './log-times.ts';

export interface LogSource {
  readonly file: string;
  readonly times: LogTimes;
  /** True once nothing more will be written. */
  ended(): boolean;
}

const BLOCK = 64 * 1024;
const NEWLINE = 10;
/** How soon a follower sees what was written, in milliseconds. */
const FOLLOW_MS = 100;

export async function* readLog(
  source: LogSource,
  options: Omit<LogOptions, 'previous'>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const file = await openWhenThere(source, options.follow, clock, signal);
  if (file === undefined) return;
  try {
    source.times.look();
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    let offset = await startOf(file, source.times, options);
    const prefix = options.timestamps ? createPrefixer(source.times, offset) : undefined;
    while (!signal.aborted && left > 0) {
      // Asked before looking: what was written before the end is then seen.
      const ended = source.ended();
      source.times.look();
      while (offset < source.times.size && left > 0 && !signal.aborted) {
        const raw = await readBlock(file, offset, Math.min(BLOCK, source.times.size - offset));
        // Somebody has cut the file off.
        if (raw.byteLength === 0) return;
        const chunk = prefix === undefined ? raw : prefix(raw, offset);
        offset += raw.byteLength;
        yield chunk.subarray(0, Math.min(left, chunk.byteLength));
        left -= chunk.byteLength;
      }
      if (!options.follow || ended) return;
      await sleep(clock, FOLLOW_MS, signal);
    }
  } finally {
    await file.close();
  }
}

/** A run that has not begun has no file yet. */
async function openWhenThere(
  source: LogSource,
  follow: boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<FileHandle | undefined> {
  while (!signal.aborted) {
    const ended = source.ended();
    try {
      return await open(source.file, 'r');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    if (!follow || ended) return undefined;
    await sleep(clock, FOLLOW_MS, signal);
  }
  return undefined;
}

async function startOf(file: FileHandle, times: LogTimes, options: Omit<LogOptions, 'previous'>): Promise<number> {
  const { tailLines, sinceTimeMs } = options;
  let start = 0;
  if (sinceTimeMs !== undefined) start = await lineFrom(file, times.offsetSince(sinceTimeMs), times.size);
  if (tailLines !== undefined) start = Math.max(start, await lastLines(file, times.size, tailLines));
  return start;
}

/** Where the first line begins at or after this place. */
async function lineFrom(file: FileHandle, offset: number, size: number): Promise<number> {
  if (offset === 0) return 0;
  // With the byte before: a newline there means that a line begins right here.
  for (let at = offset - 1; at < size; ) {
    const block = await readBlock(file, at, Math.min(BLOCK, size - at));
    if (block.byteLength === 0) return size;
    const end = block.indexOf(NEWLINE);
    if (end >= 0) return at + end + 1;
    at += block.byteLength;
  }
  return size;
}

/** Where the last so many lines begin. A line without its newline counts. */
async function lastLines(file: FileHandle, size: number, lines: number): Promise<number> {
  if (lines === 0) return size;
  let missing = lines;
  // The newline at the very end ends the last line and begins none.
  for (let end = size - 1; end > 0; ) {
    const start = Math.max(0, end - BLOCK);
    const block = await readBlock(file, start, end - start);
    for (let i = block.lastIndexOf(NEWLINE); i >= 0; i = i === 0 ? -1 : block.lastIndexOf(NEWLINE, i - 1)) {
      missing--;
      if (missing === 0) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

async function readBlock(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

/** Puts the time before each line that begins in a block. */
function createPrefixer(times: LogTimes, first: number): (block: Buffer, offset: number) => Buffer {
  let lineStart = first;
  return (block, offset) => {
    const pieces: Buffer[] = [];
    let at = 0;
    while (at < block.byteLength) {
      if (offset + at === lineStart) pieces.push(Buffer.from(`${nanoseconds(times.at(lineStart))} `));
      const newline = block.indexOf(NEWLINE, at);
      const end = newline < 0 ? block.byteLength : newline + 1;
      pieces.push(block.subarray(at, end));
      if (newline >= 0) lineStart = offset + end;
      at = end;
    }
    return Buffer.concat(pieces);
  };
}

function nanoseconds(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('Z', '000000Z');
}
