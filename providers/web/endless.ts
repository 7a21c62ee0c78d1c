/** A stream of JSON lines that is opened again whenever it breaks, ends, or is silent for longer than a heartbeat allows. */
import { type Clock, type Random, sleep } from '../../src/clock.ts';
import { messageOf, ZoneletError } from '../../src/errors.ts';
import { createJsonLines } from './json-lines.ts';
import { HEARTBEAT_INTERVAL_MS } from './protocol.ts';

/** Three heartbeats lost: the connection is dead, whatever TCP thinks of it. In milliseconds. */
const STALL_MS = 3 * HEARTBEAT_INTERVAL_MS;
/** Before the first try again; doubled each time up to the longest, begun anew once something came. In milliseconds. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

export type EndlessItem =
  | { readonly type: 'line'; readonly value: unknown }
  /** It broke off, or could not be opened; it will be opened again. */
  | { readonly type: 'broken'; readonly reason: string };

export interface EndlessOptions {
  readonly open: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
}

/** Ends with its signal only; never throws. */
export async function* endlessLines({
  open,
  signal,
  clock,
  random,
}: EndlessOptions): AsyncGenerator<EndlessItem, void, void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const stop = (): void => attempt.abort();
    signal.addEventListener('abort', stop, { once: true });
    let reason = 'the stream ended';
    try {
      const lines = createJsonLines();
      const chunks = (await open(attempt.signal))[Symbol.asyncIterator]();
      for (;;) {
        const chunk = await next(chunks, clock);
        if (signal.aborted) return;
        if (chunk.done === true) break;
        for (const value of lines.push(chunk.value)) {
          pauseMs = FIRST_PAUSE_MS;
          yield { type: 'line', value };
          if (signal.aborted) return;
        }
      }
    } catch (error) {
      reason = messageOf(error);
    } finally {
      signal.removeEventListener('abort', stop);
      attempt.abort();
    }
    if (signal.aborted) return;
    yield { type: 'broken', reason };
    // Spread, so that the replicas do not come back to a restarted backend all at once.
    await sleep(clock, pauseMs * (0.5 + random.next() / 2), signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** The time runs only while we wait: a reader that is slow itself is no fault of the backend's. */
async function next(chunks: AsyncIterator<Uint8Array>, clock: Clock): Promise<IteratorResult<Uint8Array>> {
  const stalled = Promise.withResolvers<never>();
  const timer = clock.setTimer(STALL_MS, () => {
    stalled.reject(new ZoneletError('Unavailable', `the backend was silent for ${STALL_MS / 1000} s`));
  });
  try {
    return await Promise.race([chunks.next(), stalled.promise]);
  } finally {
    timer.cancel();
  }
}
