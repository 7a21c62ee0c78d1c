/**
 * Equality of API values. The API server writes out what a client left away (`startedAt: null`, `lastState: {}`) and
 * leaves away what is empty, so that a plain comparison of what was sent with what is stored would differ for ever.
 */
import { isRecord } from '../provider/received-values.ts';

/** True when the API server would not tell the two apart. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b || (vacant(a) && vacant(b))) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  for (const key in a) if (!sameValue(a[key], b[key])) return false;
  for (const key in b) if (!(key in a) && !vacant(b[key])) return false;
  return true;
}

function vacant(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (typeof value !== 'object') return false;
  for (const _key in value) return false;
  return true;
}
