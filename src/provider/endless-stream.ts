/**
 * Keeps the contract's promise about `watch` and `zoneReports` for providers that break it: the stream neither throws
 * nor ends before its signal aborts, and it never holds its reader up once the signal has.
 */
import { type Clock, sleep } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

/** Pause before a stream that ended or failed is opened again: doubled each time, begun anew once something came. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

export interface EndlessStream<T> {
  readonly what: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  open(signal: AbortSignal): AsyncIterable<T>;
  /** After this long without anything, `silent` is asked for something to say. */
  readonly silenceMs?: number;
  silent?(): T;
  /** What to say when the stream broke. */
  broken?(reason: string): T;
}

export async function* endlessStream<T>(stream: EndlessStream<T>): AsyncGenerator<T, void, void> {
  const { clock, signal, what, log } = stream;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    const inner = new AbortController();
    const stop = (): void => inner.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    let iterator: AsyncIterator<T> | undefined;
    let reason = 'it ended';
    try {
      iterator = stream.open(inner.signal)[Symbol.asyncIterator]();
      let next = iterator.next();
      for (;;) {
        const step = await nextStep(next, clock, signal, stream.silenceMs);
        if (step === 'aborted') return;
        if (step === 'silent') {
          if (stream.silent !== undefined) yield stream.silent();
          continue;
        }
        if (step.done === true) break;
        pauseMs = FIRST_PAUSE_MS;
        yield step.value;
        next = iterator.next();
      }
    } catch (error) {
      reason = messageOf(error);
    } finally {
      signal.removeEventListener('abort', stop);
      inner.abort();
      // Not awaited: a provider that does not come back must not hold us up. Its failure is of no more interest.
      iterator?.return?.().then(undefined, () => undefined);
    }
    if (signal.aborted) return;
    log.warn({ reason, retryInMs: pauseMs }, `the provider's ${what} broke off; opening it again`);
    if (stream.broken !== undefined) yield stream.broken(reason);
    await sleep(clock, pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

function nextStep<T>(
  next: Promise<IteratorResult<T>>,
  clock: Clock,
  signal: AbortSignal,
  silenceMs: number | undefined,
): Promise<IteratorResult<T> | 'silent' | 'aborted'> {
  if (signal.aborted) {
    next.catch(() => undefined);
    return Promise.resolve('aborted');
  }
  return new Promise((resolve, reject) => {
    const timer =
      silenceMs === undefined ? undefined : clock.setTimer(silenceMs, () => finish(() => resolve('silent')));
    const onAbort = (): void => finish(() => resolve('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    function finish(then: () => void): void {
      timer?.cancel();
      signal.removeEventListener('abort', onAbort);
      then();
    }
    next.then(
      (step) => finish(() => resolve(step)),
      (error: unknown) => finish(() => reject(error)),
    );
  });
}
