/** What a series of measurements comes to. */

/** The smallest value that at least `percent` of all do not exceed (nearest rank). NaN of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** Of an even number the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** The median of one figure over all rounds. */
export function medianOf<Name extends string>(rounds: readonly Readonly<Record<Name, number>>[], name: Name): number {
  return median(rounds.map((each) => each[name]));
}

/** How many a second. */
export function rate(count: number, milliseconds: number): number {
  return (count * 1000) / milliseconds;
}
