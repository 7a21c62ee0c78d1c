/**
 * The door between the simulation and the real world, and the lock on it: once `lockDoor` was called, whatever asks for
 * real time or real randomness throws, because it would make a seed tell another story each time. Work that gives way to
 * the event loop (`setImmediate`) does so in virtual time.
 */
import type { Scheduler } from './scheduler.ts';

const realImmediate = setImmediate;

/** Runs it outside of every promise, where `settle` works; what it throws is the promise's failure. */
export function asTurn(run: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    realImmediate(() => {
      try {
        run();
        resolve();
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}

/** What Node does after each callback of the event loop; calling it costs a tenth of a turn of that loop. */
const { _tickCallback: tick } = process as unknown as { readonly _tickCallback: () => void };

/** Returns once every promise has gone on as far as it can. */
export function settle(): void {
  tick.call(process);
}

let current: Scheduler | undefined;

/** Whose virtual time `setImmediate` belongs to from now on. */
export function enter(scheduler: Scheduler): void {
  current = scheduler;
}

export function lockDoor(): void {
  const refuse = (what: string) => (): never => {
    throw new Error(`${what} was called in the simulation: it is not a function of the seed`);
  };
  const RealDate = Date;
  class VirtualDate extends RealDate {
    constructor(...values: [] | [number | string | Date]) {
      if (values.length === 0) refuse('new Date()')();
      super(...(values as [number]));
    }
    // redlock reads it, and decides nothing by it.
    static override now = (): number => current?.clock.now() ?? refuse('Date.now')();
  }
  Object.assign(globalThis, {
    Date: VirtualDate,
    setTimeout: refuse('setTimeout'),
    setInterval: refuse('setInterval'),
    fetch: refuse('fetch'),
    setImmediate(run: (...values: unknown[]) => void, ...values: unknown[]) {
      if (current === undefined) return realImmediate(run, ...values);
      return current.after(0, () => run(...values));
    },
  });
  Math.random = refuse('Math.random');
  performance.now = refuse('performance.now');
  crypto.randomUUID = refuse('crypto.randomUUID');
  crypto.getRandomValues = refuse('crypto.getRandomValues');
}
