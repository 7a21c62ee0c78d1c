import type { Clock, Random, Timer } from '../../src/clock.ts';

interface Waiting {
  readonly at: number;
  readonly order: number;
  /** Undefined once it was run or cancelled. */
  run: (() => void) | undefined;
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A clock that stands still until it is told to go on: tests of time take none. */
export class VirtualClock implements Clock {
  #now: number;
  #monotonic = 0;
  /** A binary heap, the next one first: there may be thousands. */
  readonly #timers: Waiting[] = [];
  #cancelled = 0;
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
    const timer: Waiting = { at: this.#monotonic + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(timer);
    return {
      cancel: () => {
        if (timer.run === undefined) return;
        timer.run = undefined;
        this.#cancelled++;
      },
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length - this.#cancelled;
  }

  /** Runs every timer that falls due within `byMs`, in order, letting promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const end = this.#monotonic + byMs;
    await settle();
    for (;;) {
      const next = this.#timers[0];
      if (next === undefined || next.at > end) break;
      this.#shift();
      const { run } = next;
      if (run === undefined) {
        this.#cancelled--;
        continue;
      }
      // From now on there is nothing to cancel.
      next.run = undefined;
      this.#go(next.at);
      run();
      await settle();
    }
    this.#go(end);
    await settle();
  }

  #push(timer: Waiting): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    for (;;) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (at === 0 || above === undefined || !isBefore(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #shift(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child++;
      const below = heap[child];
      if (below === undefined || !isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
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
