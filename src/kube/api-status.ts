/**
 * What an answer of the API server means for the caller: HTTP status and `Status` object to an error code.
 * Source: k8s.io/apimachinery pkg/api/errors (which status carries which reason).
 */
import type { ErrorCode } from '../errors.ts';
import { ApiError } from './client.ts';
import type { ApiStatus } from './types.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The error for an answer that is not a success. `mutating`: the request may have changed something. */
export function answerError(answer: Answer, mutating: boolean, what: string, nowMs: number): ApiError {
  const status = parseStatus(answer.body);
  const message =
    status?.message ?? `${what}: the API server answered ${answer.status} ${excerpt(answer.body)}`.trimEnd();
  const retryAfterMs = retryAfter(answer.headers['retry-after'], status, nowMs);
  return new ApiError(
    codeFor(answer.status, status, mutating),
    answer.status,
    { ...status, message },
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** The error for a `Status` object inside a watch. */
export function watchError(status: ApiStatus, what: string): ApiError {
  const http = status.code ?? 500;
  return new ApiError(codeFor(http, status, false), http, { message: `${what}: the watch failed`, ...status });
}

function codeFor(http: number, status: ApiStatus | undefined, mutating: boolean): ErrorCode {
  switch (http) {
    case 400:
    case 413:
      return 'InvalidInput';
    case 422:
      // A patch that names the UID of an object that is gone and was made anew: a precondition that did not hold.
      return status?.details?.causes?.some(({ field }) => field === 'metadata.uid') ? 'Conflict' : 'InvalidInput';
    case 401:
      return 'Unauthorized';
    case 403:
      return 'Forbidden';
    case 404:
      // "Absent" is a fact that pods are deleted upon. Only a Status object states it; the plain-text 404 of a path that
      // is not served, or of something in between, does not.
      return status === undefined ? 'Unsupported' : 'NotFound';
    case 405:
    case 406:
    case 415:
      return 'Unsupported';
    case 409:
      return 'Conflict';
    case 410:
      return 'Expired';
    case 429:
      return 'Throttled';
  }
  if (http < 500) return 'InvalidInput';
  if (!mutating) return 'Unavailable';
  // The API server's own 503, and its 500 with the advice to try again, are refusals before anything was done. Any other
  // 5xx may hide a write that etcd carried out, and one without a Status object comes from something in between.
  if (status === undefined) return 'Ambiguous';
  return http === 503 || status.reason === 'ServerTimeout' ? 'Unavailable' : 'Ambiguous';
}

function parseStatus(body: string): ApiStatus | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'kind' in parsed && parsed.kind === 'Status') {
      return parsed as ApiStatus;
    }
  } catch {
    // Plain text, of a proxy for instance: it goes into the message.
  }
  return undefined;
}

/** Seconds or a date in the header (RFC 9110, 10.2.3), else what the Status object says. */
function retryAfter(header: string | undefined, status: ApiStatus | undefined, nowMs: number): number | undefined {
  const text = header ?? String(status?.details?.retryAfterSeconds ?? '');
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function excerpt(body: string): string {
  return body.slice(0, 200).replaceAll(/\s+/g, ' ');
}
