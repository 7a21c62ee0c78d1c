/** What an answer that is no success means, by code and status, never by text. */
import { type ErrorCode, ZoneletError } from '../../src/errors.ts';
import { Fenced } from '../../src/provider/fenced.ts';
import { type ErrorAnswer, STATUS_OF } from './protocol.ts';

/** So much of an error's message is kept, in characters. */
const LONGEST_MESSAGE = 2000;

export interface Refusal {
  readonly statusCode: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

/** What an answer that did not come means: a `write` may have been carried out, a `read` just failed. */
export type Effect = 'read' | 'write';

/** `asked`: method and path, for people. `effect`: see `Call`. */
export function refusal(asked: string, effect: Effect, { statusCode, retryAfter, text }: Refusal): ZoneletError {
  const said = errorOf(text);
  const what = said?.message ?? `the backend answered ${statusCode} to ${asked.split('?')[0]}`;
  const code = said === undefined ? codeOfStatus(statusCode, effect) : said.code;
  const seconds = Number(retryAfter);
  const retryAfterMs = said?.retryAfterMs ?? (Number.isFinite(seconds) ? seconds * 1000 : undefined);
  const options = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (code === 'Fenced' && said?.current !== undefined) return new Fenced(what, said.current);
  // Not the caller's own doing, whatever the backend calls it.
  if (code === 'Aborted') return new ZoneletError('Unavailable', what, options);
  if (code === 'Internal' && effect === 'write') return new ZoneletError('Ambiguous', what, options);
  return new ZoneletError(code, what, options);
}

function errorOf(text: string): ErrorAnswer['error'] | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, message, retryAfterMs, current } = error as Readonly<Record<string, unknown>>;
  if (typeof code !== 'string' || !Object.hasOwn(STATUS_OF, code)) return undefined;
  return {
    code: code as ErrorCode,
    message: typeof message === 'string' ? message.slice(0, LONGEST_MESSAGE) : code,
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? { retryAfterMs } : {}),
    ...(isFence(current) ? { current: { epoch: current.epoch, holder: current.holder } } : {}),
  };
}

function isFence(value: unknown): value is NonNullable<ErrorAnswer['error']['current']> {
  if (typeof value !== 'object' || value === null) return false;
  const { epoch, holder } = value as Readonly<Record<string, unknown>>;
  return Number.isSafeInteger(epoch) && typeof holder === 'string';
}

/**
 * What a status means that comes without a code, from something between us and the backend. It never says that a pod
 * is absent, or that a term is over: only the backend itself knows that.
 */
function codeOfStatus(status: number, effect: Effect): ErrorCode {
  if (status === 400 || status === 413 || status === 415 || status === 431) return 'InvalidInput';
  if (status === 401) return 'Unauthorized';
  if (status === 403) return 'Forbidden';
  if (status === 429) return 'Throttled';
  return status >= 500 && effect === 'write' ? 'Ambiguous' : 'Unavailable';
}
