/** How a client of exec or attach is told how it ended: the last thing on its error stream. */
import { codeOf, type ErrorCode, messageOf } from '../../errors.ts';

/** What a metav1.Status is to a client here. */
export interface CommandStatus {
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason?: string; readonly message: string }[] };
  readonly code?: number;
}

export function exited(exitCode: number): CommandStatus {
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

const REASONS: Readonly<Partial<Record<ErrorCode, readonly [reason: string, code: number]>>> = {
  NotFound: ['NotFound', 404],
  Conflict: ['Conflict', 409],
  InvalidInput: ['BadRequest', 400],
  Unsupported: ['MethodNotAllowed', 501],
  Fenced: ['ServiceUnavailable', 503],
  Unavailable: ['ServiceUnavailable', 503],
  Throttled: ['TooManyRequests', 429],
};

export function failed(error: unknown): CommandStatus {
  const [reason, code] = REASONS[codeOf(error)] ?? ['InternalError', 500];
  const message = messageOf(error);
  return { metadata: {}, status: 'Failure', message, reason, details: { causes: [{ message }] }, code };
}

export function statusText(status: CommandStatus, format: 'json' | 'text'): string {
  if (format === 'json') return JSON.stringify(status);
  return status.status === 'Success' ? '' : `error executing command in container: ${status.message}`;
}
