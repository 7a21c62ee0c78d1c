import type { Clock, Random, Timer } from '../../src/clock.ts';

/** A clock that stands still until it is told to go on: tests of time take none. */
export class VirtualClock implements Clock {
  #now: number;
  #monotonic = 0;
  #timers: { at: number; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#now = wallMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  uptime(): number {
    return this.#monotonic + this.suspendedMs;
  }

  /** Add to this to pretend that the machine was suspended: `uptime` counts it, `monotonic` does not. */
  suspendedMs = 0;

  /** Steps the wall clock alone. */
  stepWall(byMs: number): void {
    this.#now += byMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer = { at: this.#monotonic + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        const i = this.#timers.indexOf(timer);
        if (i >= 0) this.#timers.splice(i, 1);
      },
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Runs every timer that falls due within `byMs`, in order, letting promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const end = this.#monotonic + byMs;
    await settle();
    for (;;) {
      const next = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#go(next.at);
      next.run();
      await settle();
    }
    this.#go(end);
    await settle();
  }

  #go(to: number): void {
    this.#now += to - this.#monotonic;
    this.#monotonic = to;
  }
}

/** Lets every promise that can go on without a timer or the network do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A small seeded generator (mulberry32): the same seed gives the same numbers and UUIDs. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const hex = (n: number): string => Array.from({ length: n }, () => Math.floor(next() * 16).toString(16)).join('');
  return { next, uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}` };
}
