/**
 * The API's two forms of time. `MicroTime` (Leases) is refused with 400 unless it has exactly six fraction digits,
 * which `Date.toISOString()` does not write; `Time` (everything else) has none.
 * Source: k8s.io/apimachinery pkg/apis/meta/v1 micro_time.go (`RFC3339Micro`) and time.go.
 */

/** `2026-01-01T00:00:00.000000Z` for milliseconds since the epoch; fractions of a millisecond are kept to the microsecond. */
export function formatMicroTime(ms: number): string {
  const whole = Math.floor(ms);
  const micros = Math.floor((ms - whole) * 1000);
  return `${new Date(whole).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/** `2026-01-01T00:00:00Z` for milliseconds since the epoch, cut to the second. */
export function formatTime(ms: number): string {
  return `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, -5)}Z`;
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the epoch of either form, with microseconds as fraction; undefined for what is no time. */
export function parseTime(text: string | undefined): number | undefined {
  const match = text === undefined ? null : RFC3339.exec(text);
  if (match === null) return undefined;
  const [, seconds, fraction = '', zone] = match;
  const base = Date.parse(`${seconds}${zone}`);
  return Number.isNaN(base) ? undefined : base + Number(fraction.padEnd(9, '0')) / 1e6;
}
