/** Choices that a seed decides, so that a run can be asked for again: the same faults in the same order. */

export interface Dice {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  /** Throws when there is nothing to choose from. */
  pick<T>(from: readonly T[]): T;
  shuffle<T>(all: readonly T[]): T[];
}

/** Mulberry32: enough for choosing, and the same on every machine. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    between,
    pick<T>(from: readonly T[]): T {
      if (from.length === 0) throw new Error('nothing to choose from');
      return from[between(0, from.length - 1)] as T;
    },
    shuffle<T>(all: readonly T[]): T[] {
      const left = [...all];
      return Array.from(all, () => left.splice(between(0, left.length - 1), 1)[0] as T);
    },
  };
}
