/** A container's output with the options of `kubectl logs`; both outputs in one, as they were written. */
import { ZoneletError } from '../../src/errors.ts';
import type { LogOptions } from '../../src/provider/contract.ts';
import type { Engine } from './engine.ts';
import { createFrames } from './frames.ts';
import type { RunState } from './pod-state.ts';

const OPEN_MS = 10_000;

export async function openLog(
  engine: Engine,
  { id, tty }: RunState,
  options: LogOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true' });
  if (options.follow) query.set('follow', 'true');
  if (options.timestamps) query.set('timestamps', 'true');
  if (options.tailLines !== undefined) query.set('tail', String(options.tailLines));
  if (options.sinceTimeMs !== undefined) query.set('since', (options.sinceTimeMs / 1000).toFixed(3));
  const path = `/containers/${id}/logs?${query.toString()}`;
  const stream = await engine.stream({ method: 'GET', path, signal, timeoutMs: OPEN_MS });
  return bytesOf(stream, tty, options.limitBytes ?? Number.POSITIVE_INFINITY, signal);
}

async function* bytesOf(
  stream: AsyncIterable<Buffer> & { destroy(): unknown },
  tty: boolean,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const frames = createFrames(tty);
  let left = limit;
  try {
    for await (const chunk of stream) {
      for (const { bytes } of frames.push(chunk)) {
        if (left <= 0) return;
        yield bytes.length <= left ? bytes : bytes.subarray(0, left);
        left -= bytes.length;
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    throw new ZoneletError('Unavailable', 'the log of the engine broke off', { cause: error });
  } finally {
    stream.destroy();
  }
}
