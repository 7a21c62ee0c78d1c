/**
 * One call to a provider, held to the contract's rules about time and errors whatever the provider does:
 * it ends by its deadline, also when the provider's promise never settles, and fails only with a `ZoneletError`.
 */
import { type Clock, deadline } from '../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';

/**
 * How long after its signal aborted a provider may still say how the call ended, in milliseconds. It often knows better
 * than "unknown" (nothing was sent yet, the answer was just being read), and a healthy one settles in the same tick.
 */
const SETTLE_GRACE_MS = 100;

export interface BoundedCall {
  /** For messages: `create`, `list`, ... */
  readonly operation: string;
  /** What a lost answer means: a `write` may have been carried out (`Ambiguous`), a `read` just failed (`Unavailable`). */
  readonly effect: 'write' | 'read';
  readonly timeoutMs: number;
  readonly signals: readonly (AbortSignal | undefined)[];
  /** Called when the provider's promise outlived its deadline: a defect of the provider. */
  abandoned(): void;
}

export async function boundedCall<T>(
  clock: Clock,
  call: BoundedCall,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using limit = deadline(clock, call.timeoutMs, ...call.signals);
  if (limit.signal.aborted) throw new ZoneletError('Aborted', `${call.operation} was aborted before it was sent`);
  return await new Promise<T>((resolve, reject) => {
    let grace: { cancel(): void } | undefined;
    const onAbort = (): void => {
      grace = clock.setTimer(SETTLE_GRACE_MS, () => {
        call.abandoned();
        reject(unanswered(call, limit.expired, undefined));
      });
    };
    limit.signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => {
      grace?.cancel();
      limit.signal.removeEventListener('abort', onAbort);
    };
    invoke(run, limit.signal).then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(normalised(error, call, limit));
      },
    );
  });
}

/** A provider that throws instead of rejecting is the same to us. */
async function invoke<T>(run: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return await run(signal);
}

function normalised(
  error: unknown,
  call: BoundedCall,
  limit: { readonly signal: AbortSignal; readonly expired: boolean },
): ZoneletError {
  // `Aborted` is the caller's doing only; when the deadline was it, the caller has to know what that means.
  if (error instanceof ZoneletError && !(limit.expired && hasCode(error, 'Aborted'))) return error;
  if (limit.signal.aborted) return unanswered(call, limit.expired, error);
  return new ZoneletError('Internal', `the provider failed in ${call.operation}: ${messageOf(error)}`, {
    cause: error,
  });
}

function unanswered(call: BoundedCall, expired: boolean, cause: unknown): ZoneletError {
  if (!expired)
    return new ZoneletError('Aborted', `${call.operation} was aborted`, {
      cause,
    });
  return new ZoneletError(
    call.effect === 'write' ? 'Ambiguous' : 'Unavailable',
    `the backend did not answer ${call.operation} within ${Math.round(call.timeoutMs)} ms`,
    { cause },
  );
}
