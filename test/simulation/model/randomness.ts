/** Streams of random numbers of one seed: one for each thing, so that taking a fault away changes as little else as it can. */
import type { Random } from '../../../src/clock.ts';
import { seededRandom } from '../../support/virtual-clock.ts';

export interface Dice extends Random {
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
}

export function dice(seed: number, what: string): Dice {
  let value = 0x811c9dc5 ^ seed;
  for (let i = 0; i < what.length; i++) value = Math.imul(value ^ what.charCodeAt(i), 0x01000193) >>> 0;
  const { next, uuid } = seededRandom(value);
  // The first numbers of neighbouring seeds are alike.
  for (let i = 0; i < 4; i++) next();
  return {
    next,
    uuid,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
    pick: (from) => from[Math.floor(next() * from.length)] as (typeof from)[number],
  };
}
