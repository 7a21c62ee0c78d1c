/** The sizes of a client's terminal: a stream of JSON objects. Only the newest counts, so only that one is kept. */
import type { TerminalSize } from '../../provider/streams.ts';
import type { ChannelStream } from './channel-stream.ts';

/** Of one object; a real one takes 30 bytes. */
const MAX_OBJECT_BYTES = 1024;
/** What a terminal's size is kept in. */
const MAX_CELLS = 0xffff;

/** Ends when the client ends the stream or is gone, and never throws. */
export async function* resizesOf(stream: ChannelStream): AsyncGenerator<TerminalSize, void, void> {
  let newest: TerminalSize | undefined;
  let ended = false;
  let text = '';
  let woken = (): void => {};
  const end = (): void => {
    ended = true;
    woken();
  };
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    const until = text.lastIndexOf('}') + 1;
    for (const [object] of text.slice(0, until).matchAll(/\{[^{}]*\}/g)) newest = sizeOf(object) ?? newest;
    text = text.slice(until).slice(0, MAX_OBJECT_BYTES);
    woken();
  });
  stream.once('end', end).once('close', end);
  if (stream.destroyed) end();
  try {
    for (;;) {
      const size = newest;
      newest = undefined;
      if (size !== undefined) yield size;
      else if (ended) return;
      else {
        await new Promise<void>((resolve) => {
          woken = resolve;
        });
      }
    }
  } finally {
    stream.destroy();
  }
}

/** Undefined for what is no size: a client that goes must not shrink the terminal to nothing. */
function sizeOf(text: string): TerminalSize | undefined {
  try {
    const { Width: width, Height: height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    return isCells(width) && isCells(height) ? { width, height } : undefined;
  } catch {
    return undefined;
  }
}

function isCells(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= MAX_CELLS;
}
