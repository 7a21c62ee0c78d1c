/**
 * Virtual time for a whole world: what is to happen, in the order of (time, order of asking). Between two events every
 * promise that can go on without a timer or a message does so, so that what happens is a function of the seed alone.
 */
import type { Clock, Timer } from '../../../src/clock.ts';
import { asTurn, settle } from './real-world.ts';

interface Due {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** More in one instant than any honest work needs: something goes round in circles without waiting. */
const MOST_AT_ONCE = 200_000;

/** Wall time at the start of every world. */
const WALL_MS = Date.UTC(2026, 0, 1);

export class Scheduler {
  #now = 0;
  #order = 0;
  #heap: Due[] = [];
  #stopped = false;
  /** Events that ran. */
  events = 0;

  /** Milliseconds since the start of the world. */
  get now(): number {
    return this.#now;
  }

  /** True time, for whatever has no clock of its own to be wrong: API server, controllers, backends. */
  readonly clock: Clock = {
    now: () => WALL_MS + this.#now,
    monotonic: () => this.#now,
    uptime: () => this.#now,
    setTimer: (delayMs, run) => this.after(delayMs, run),
  };

  after(delayMs: number, run: () => void): Timer {
    return this.at(this.#now + Math.max(0, delayMs), run);
  }

  /** What is to come in order has to say when: a delay to the same moment from two others is rounded differently. */
  at(time: number, run: () => void): Timer {
    const due: Due = { at: Math.max(this.#now, time), order: this.#order++, run };
    this.#push(due);
    return {
      cancel() {
        due.run = undefined;
      },
    };
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Runs what falls due up to this time, or until it is stopped. */
  run(untilMs: number): Promise<void> {
    return asTurn(() => {
      let atOnce = 0;
      settle();
      while (!this.#stopped) {
        const first = this.#heap[0];
        if (first === undefined || first.at > untilMs) break;
        this.#pop();
        const { run } = first;
        if (run === undefined) continue;
        atOnce = first.at === this.#now ? atOnce + 1 : 0;
        if (atOnce > MOST_AT_ONCE) throw new EndlessWork(`${MOST_AT_ONCE} events at ${this.#now} ms`);
        this.#now = first.at;
        this.events++;
        run();
        settle();
      }
      if (!this.#stopped) this.#now = Math.max(this.#now, untilMs);
    });
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(due);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as Due;
      if (!isBefore(due, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child++;
      if (!isBefore(heap[child] as Due, last)) break;
      heap[i] = heap[child] as Due;
      i = child;
    }
    heap[i] = last;
  }
}

export class EndlessWork extends Error {}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
