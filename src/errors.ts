/**
 * Errors are told apart by what the caller can do about them, never by their text.
 * One class, one table of codes; a component that knows more (an HTTP status, a Kubernetes reason) subclasses it.
 */

/** What a failure means for the caller. */
export type ErrorCode =
  /** The thing definitely does not exist. Never used for "could not find out". */
  | 'NotFound'
  /** It exists already, or a precondition (resourceVersion, UID) did not hold: read again, then decide. */
  | 'Conflict'
  /** The request can never succeed as it is. */
  | 'InvalidInput'
  /** The other side does not offer this. The message names the field or the operation. */
  | 'Unsupported'
  /** Credentials are missing or wrong. */
  | 'Unauthorized'
  /** Credentials are good and do not suffice. */
  | 'Forbidden'
  /** A term is over: a higher epoch was seen, or the right to act has run out. Stop acting. */
  | 'Fenced'
  /** Nothing was done; the same request may succeed later. */
  | 'Unavailable'
  /** Nothing was done; slow down. */
  | 'Throttled'
  /** The backend has no room for this now. */
  | 'NoCapacity'
  /** The request may or may not have been carried out (a lost reply): look before doing it again. */
  | 'Ambiguous'
  /** The position in a watch or a paged list is too old: list again. */
  | 'Expired'
  /** The caller's own signal ended the request. */
  | 'Aborted'
  /** A defect in this program or in a peer that broke its contract. */
  | 'Internal';

/** Codes after which the same call may be tried again, with back-off. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['Unavailable', 'Throttled', 'NoCapacity', 'Ambiguous', 'Conflict']);

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Earliest sensible retry, in milliseconds from now, where the other side said so. */
  readonly retryAfterMs?: number;
}

export class ZoneletError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = code;
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

/** True when `error` is one of ours with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is ZoneletError {
  return error instanceof ZoneletError && codes.includes(error.code);
}

/** The code of any thrown value; what is not ours counts as `Internal`. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof ZoneletError ? error.code : 'Internal';
}

/** A one-line text for logs, events and messages, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
