/**
 * The query of `/containerLogs`, read as the kubelet reads it: PodLogOptions decoded from strings (400 when that fails)
 * and then validated (422).
 */
import type { LogOptions } from '../provider/contract.ts';

export type LogRequest =
  | { readonly ok: true; readonly options: LogOptions }
  | { readonly ok: false; readonly status: 400 | 422; readonly message: string };

const UNDECODABLE: LogRequest = { ok: false, status: 400, message: '{"message": "Unable to decode query."}' };
const INVALID: LogRequest = { ok: false, status: 422, message: '{"message": "Invalid request."}' };

const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

export function parseLogRequest(query: URLSearchParams, nowMs: number): LogRequest {
  const tail = query.get('tail');
  // The old name of tailLines, where `all` means what leaving it out means.
  const tailLines =
    tail === null || tail === '' ? integer(query.get('tailLines')) : tail === 'all' ? undefined : integer(tail);
  const limitBytes = integer(query.get('limitBytes'));
  const sinceSeconds = integer(query.get('sinceSeconds'));
  const sinceTime = time(query.get('sinceTime'));
  if (tailLines === null || limitBytes === null || sinceSeconds === null || sinceTime === null) return UNDECODABLE;

  if (tailLines !== undefined && tailLines < 0) return INVALID;
  if (limitBytes !== undefined && limitBytes < 1) return INVALID;
  if (sinceSeconds !== undefined && (sinceSeconds < 1 || sinceTime !== undefined)) return INVALID;
  const stream = query.get('stream') ?? 'All';
  if (!['All', 'Stdout', 'Stderr'].includes(stream)) return INVALID;
  if (stream !== 'All') {
    return {
      ok: false,
      status: 400,
      message: `unable to return the given log stream: "${stream}": only All is supported`,
    };
  }

  const since = sinceSeconds === undefined ? sinceTime : nowMs - sinceSeconds * 1000;
  return {
    ok: true,
    options: {
      follow: boolean(query.get('follow')),
      previous: boolean(query.get('previous')),
      timestamps: boolean(query.get('timestamps')),
      ...(tailLines === undefined ? {} : { tailLines }),
      ...(limitBytes === undefined ? {} : { limitBytes }),
      ...(since === undefined ? {} : { sinceTimeMs: since }),
    },
  };
}

/** apimachinery's conversion: whatever does not say no says yes. */
function boolean(text: string | null): boolean {
  return text !== null && text !== '0' && text.toLowerCase() !== 'false';
}

/** `null`: no int64. Larger than a number can count exactly means "no limit" all the same. */
function integer(text: string | null): number | undefined | null {
  if (text === null) return undefined;
  if (!/^[+-]?\d{1,19}$/.test(text)) return null;
  const value = BigInt(text.replace('+', ''));
  if (value !== BigInt.asIntN(64, value)) return null;
  const bound = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > bound ? bound : value < -bound ? -bound : value);
}

function time(text: string | null): number | undefined | null {
  if (text === null || text === '') return undefined;
  const value = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(value) ? null : value;
}
