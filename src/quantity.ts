/**
 * Kubernetes quantities (`500m`, `64`, `256Gi`, `1e3`), read, compared and written exactly as
 * k8s.io/apimachinery/pkg/api/resource does.
 *
 * Amounts are whole numbers of 10^-9 in a bigint, the finest that Kubernetes keeps, so that adding up the requests of
 * thousands of pods never drifts. What has to be a plain number (metrics, the scheduler's millicores) is rounded up, as
 * `Value()` and `MilliValue()` do there.
 */
import { ZoneletError } from './errors.ts';

/** How a quantity was written, and so how a sum of such is to be written. */
export type QuantityFormat = 'decimal' | 'binary' | 'exponent';

export interface Quantity {
  /** The amount in units of 10^-9. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

/** What is allowed, for messages. */
export const QUANTITY_SYNTAX =
  'a Kubernetes quantity: a number and perhaps one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent';

const NANOS = 1_000_000_000n;
const MAX = (2n ** 63n - 1n) * NANOS;
const SYNTAX = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d{1,3})|([KMGTPE]i)|([numkMGTPE]))?$/;
const DECIMAL_SUFFIXES = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY_SUFFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** `undefined` when `text` is no quantity. Amounts finer than 10^-9 are rounded up; beyond 2^63-1 they are cut off there. */
export function readQuantity(text: string): Quantity | undefined {
  const match = SYNTAX.exec(text);
  if (match === null) return undefined;
  const [, sign, digits = '', exponent, binary, decimal = ''] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const mantissa = BigInt(`${whole}${fraction}`);
  const power = (exponent === undefined ? (DECIMAL_SUFFIXES.indexOf(decimal) - 3) * 3 : Number(exponent.slice(1))) + 9;
  const multiplier = binary === undefined ? 1n : 1024n ** BigInt(BINARY_SUFFIXES.indexOf(binary));
  const scale = (binary === undefined ? power : 9) - fraction.length;
  const magnitude = scaled(mantissa * multiplier, scale);
  const nanos = magnitude > MAX ? MAX : magnitude;
  return {
    nanos: sign === '-' ? -nanos : nanos,
    format: binary !== undefined ? 'binary' : exponent !== undefined ? 'exponent' : 'decimal',
  };
}

/** Throws `InvalidInput` when `text` is no quantity. */
export function quantity(text: string): Quantity {
  const read = readQuantity(text);
  if (read === undefined) throw new ZoneletError('InvalidInput', `"${text}" is not ${QUANTITY_SYNTAX}`);
  return read;
}

/** The amount as a number: cores, bytes, a count. Exact up to 2^53; for sums of fractions add `quantity().nanos`. */
export function parseQuantity(text: string): number {
  const { nanos } = quantity(text);
  return nanos % NANOS === 0n ? Number(nanos / NANOS) : Number(nanos) / 1e9;
}

/** Rounded up to a whole number, as `Quantity.Value()`. */
export function quantityValue(text: string): number {
  return Number(ceilDivide(quantity(text).nanos, NANOS));
}

/** In thousandths, rounded up, as `Quantity.MilliValue()`: millicores for `cpu`. */
export function quantityMilliValue(text: string): number {
  return Number(ceilDivide(quantity(text).nanos, 1_000_000n));
}

/** Below 0, 0 or above 0: `a` is less than, equal to or more than `b`. */
export function compareQuantities(a: string, b: string): number {
  const difference = quantity(a).nanos - quantity(b).nanos;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The sum, written in the format of the first that is not zero; `0` for none. */
export function addQuantities(...parts: readonly string[]): string {
  const read = parts.map(quantity);
  const format = read.find((part) => part.nanos !== 0n)?.format ?? 'decimal';
  return formatQuantity({ nanos: read.reduce((sum, part) => sum + part.nanos, 0n), format });
}

/** `a - b`, written in the format of `a`. */
export function subtractQuantities(a: string, b: string): string {
  const from = quantity(a);
  return formatQuantity({ nanos: from.nanos - quantity(b).nanos, format: from.format });
}

/** The canonical text: no fraction, the largest suffix that loses nothing (`CanonicalizeBytes`). */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0';
  const sign = nanos < 0n ? '-' : '';
  const amount = nanos < 0n ? -nanos : nanos;
  // Small or fractional amounts cannot be written with a binary suffix without loss.
  if (format === 'binary' && amount >= 1024n * NANOS && amount % NANOS === 0n) {
    let rest = amount / NANOS;
    let index = 0;
    while (index < BINARY_SUFFIXES.length - 1 && rest % 1024n === 0n) {
      rest /= 1024n;
      index++;
    }
    return `${sign}${rest}${BINARY_SUFFIXES[index]}`;
  }
  let rest = amount;
  let index = 0;
  while (index < DECIMAL_SUFFIXES.length - 1 && rest % 1000n === 0n) {
    rest /= 1000n;
    index++;
  }
  if (format === 'exponent') return index === 3 ? `${sign}${rest}` : `${sign}${rest}e${(index - 3) * 3}`;
  return `${sign}${rest}${DECIMAL_SUFFIXES[index]}`;
}

function scaled(value: bigint, power: number): bigint {
  return power >= 0 ? value * 10n ** BigInt(power) : ceilDivide(value, 10n ** BigInt(-power));
}

function ceilDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value > 0n && value % by !== 0n ? quotient + 1n : quotient;
}
