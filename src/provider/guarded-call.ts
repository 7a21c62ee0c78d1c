/** One call to a provider on behalf of the guard: counted, timed, bounded, and one of so many at once. */
import type { Clock } from '../clock.ts';
import { codeOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ProviderMetrics } from '../metrics/provider.ts';
import { boundedCall } from './bounded-call.ts';
import { createCallLimiter } from './call-limiter.ts';

export interface GuardedCallOptions {
  readonly zone: string;
  readonly clock: Clock;
  readonly metrics: ProviderMetrics;
  readonly log: Logger;
  /** Calls on their way to the backend at once; the others wait. */
  readonly maxConcurrent: number;
}

export interface GuardedCall {
  /** Counts, times and bounds one call that is being sent now. */
  send<T>(
    operation: string,
    effect: 'write' | 'read',
    timeoutMs: number,
    signals: readonly (AbortSignal | undefined)[],
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
  /** Counts a call, and its error; how long it takes is its caller's affair. */
  count<T>(operation: string, run: () => Promise<T>): Promise<T>;
  inTurn<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T>;
}

export function createGuardedCall({ zone, clock, metrics, log, maxConcurrent }: GuardedCallOptions): GuardedCall {
  const limiter = createCallLimiter(maxConcurrent);

  return {
    async send<T>(
      operation: string,
      effect: 'write' | 'read',
      timeoutMs: number,
      signals: readonly (AbortSignal | undefined)[],
      run: (signal: AbortSignal) => Promise<T>,
    ): Promise<T> {
      const labels = { zone, operation_type: operation };
      const sentAt = clock.monotonic();
      metrics.operations.inc(labels);
      try {
        return await boundedCall(
          clock,
          {
            operation,
            effect,
            timeoutMs,
            signals,
            abandoned: () =>
              log.error({ operation }, 'the provider did not settle a call by its deadline; it was given up'),
          },
          run,
        );
      } catch (error) {
        metrics.errors.inc({ ...labels, code: codeOf(error) });
        throw error;
      } finally {
        metrics.duration.observe(labels, (clock.monotonic() - sentAt) / 1000);
      }
    },

    async count<T>(operation: string, run: () => Promise<T>): Promise<T> {
      const labels = { zone, operation_type: operation };
      metrics.operations.inc(labels);
      try {
        return await run();
      } catch (error) {
        metrics.errors.inc({ ...labels, code: codeOf(error) });
        throw error;
      }
    },

    async inTurn<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
      const release = await limiter.acquire(signal);
      try {
        return await run();
      } finally {
        release();
      }
    },
  };
}

/** An answer that no provider may give. */
export function broken(operation: string, what: string): ZoneletError {
  return new ZoneletError('Internal', `the provider's answer to ${operation} is broken: ${what}`);
}
