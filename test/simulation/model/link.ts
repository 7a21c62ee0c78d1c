/**
 * The network between a process and one server, both directions. Requests go over connections of their own and overtake
 * each other; what a stream carries stays in order. As with TCP, what is sent into a partition is lost, or arrives when
 * the partition is over, long after.
 */
import { ZoneletError } from '../../../src/errors.ts';
import type { Process } from './process.ts';
import type { Dice } from './randomness.ts';
import type { Scheduler } from './scheduler.ts';

export type Direction = 'up' | 'down';

/** What is wrong with one direction. */
export interface Trouble {
  blocked: boolean;
  /** Share of the messages that vanish. */
  loss: number;
  /** Longest additional delay; each message draws its own. */
  delayMs: number;
  /** Share of the requests and answers that something on the way keeps for a long while, and passes on then. */
  straggle: number;
}

interface Held {
  readonly deliver: () => void;
}

/** A stream that breaks when the connection is reset. */
export interface Breakable {
  break(): void;
}

/** Share of what is sent into a partition that is sent again until it comes through. */
const PERSISTENT = 0.5;
/** Longer than anybody waits for an answer. */
const STRAGGLER_MS = 30_000;

export class Link {
  readonly up: Trouble = { blocked: false, loss: 0, delayMs: 0, straggle: 0 };
  readonly down: Trouble = { blocked: false, loss: 0, delayMs: 0, straggle: 0 };
  /** Nobody listens: connections are refused at once. */
  refused = false;
  /** Share of the repeatable requests that something on the way sends twice. */
  duplication = 0;
  /** How much a watch is behind: the server's cache is stale. */
  watchLagMs = 0;
  readonly streams = new Set<Breakable>();
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #held: Record<Direction, Held[]> = { up: [], down: [] };
  readonly #baseMs: number;
  /** Messages that were kept and are still on their way. */
  #straggling = 0;

  constructor(scheduler: Scheduler, dice: Dice) {
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#baseMs = 0.2 + 3 * dice.next();
  }

  get dice(): Dice {
    return this.#dice;
  }

  /** Everything works, in both directions, and nothing of before is still on its way. */
  get healthy(): boolean {
    return !this.refused && this.watchLagMs === 0 && isQuiet(this.up) && isQuiet(this.down) && this.#straggling === 0;
  }

  delay(direction: Direction): number {
    const { delayMs } = this[direction];
    const jitter = -Math.log(1 - this.#dice.next()) * 0.3 * this.#baseMs;
    return this.#baseMs + jitter + (delayMs === 0 ? 0 : delayMs * this.#dice.next());
  }

  /** Sends one message; returns how to take it back while it is on its way. */
  send(direction: Direction, deliver: () => void): () => void {
    const trouble = this[direction];
    if (trouble.blocked) {
      if (!this.#dice.chance(PERSISTENT)) return () => {};
      return this.hold(direction, deliver);
    }
    if (trouble.loss > 0 && this.#dice.chance(trouble.loss)) return () => {};
    const kept = trouble.straggle > 0 && this.#dice.chance(trouble.straggle);
    const keptMs = kept ? STRAGGLER_MS * (0.2 + 0.8 * this.#dice.next()) : 0;
    if (!kept) {
      const timer = this.#scheduler.after(this.delay(direction), deliver);
      return () => timer.cancel();
    }
    let underWay = true;
    const arrived = (): void => {
      if (underWay) this.#straggling--;
      underWay = false;
    };
    this.#straggling++;
    const timer = this.#scheduler.after(this.delay(direction) + keptMs, () => {
      arrived();
      deliver();
    });
    return () => {
      arrived();
      timer.cancel();
    };
  }

  /** Keeps it until the direction is open again. */
  hold(direction: Direction, deliver: () => void): () => void {
    const held: Held = { deliver };
    this.#held[direction].push(held);
    return () => {
      const i = this.#held[direction].indexOf(held);
      if (i >= 0) this.#held[direction].splice(i, 1);
    };
  }

  block(direction: Direction): void {
    this[direction].blocked = true;
  }

  /** What was held comes now, in its order; or the connections were reset meanwhile and streams have to begin anew. */
  unblock(direction: Direction, reset: boolean): void {
    this[direction].blocked = false;
    const held = this.#held[direction].splice(0);
    if (reset) this.breakStreams();
    const base = this.delay(direction);
    for (const { deliver } of held) this.#scheduler.after(base, deliver);
  }

  breakStreams(): void {
    for (const stream of [...this.streams]) stream.break();
  }
}

function isQuiet({ blocked, loss, delayMs, straggle }: Trouble): boolean {
  return !blocked && loss === 0 && delayMs === 0 && straggle === 0;
}

export interface RoundTrip<T> {
  readonly link: Link;
  readonly process: Process;
  readonly scheduler: Scheduler;
  /** For messages. */
  readonly what: string;
  /** A lost answer means that it may have been done. */
  readonly mutating: boolean;
  /** Something on the way may send it twice. */
  readonly repeatable: boolean;
  readonly signal: AbortSignal | undefined;
  /** By the process's own clock; left out: the signal alone ends it. */
  readonly timeoutMs?: number;
  /** How the end by the signal is told. */
  readonly aborted: 'Aborted' | 'lost';
  /** Runs at the server; undefined when the connection breaks there, before or after it was done. */
  serve(): Promise<T> | T;
}

/** A request and its answer, as the process that asks sees it. What was sent may arrive when nobody waits any more. */
export function roundTrip<T>(trip: RoundTrip<T>): Promise<T> {
  const { link, process, scheduler, what, mutating, signal, timeoutMs } = trip;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted === true) return reject(new ZoneletError('Aborted', `${what} was aborted`));
    let over = false;
    let takeBack = (): void => {};
    const settle = (end: () => void): void => {
      if (over) return;
      over = true;
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
      end();
    };
    const lost = (why: string): ZoneletError =>
      new ZoneletError(mutating ? 'Ambiguous' : 'Unavailable', `${what}: ${why}`);
    const giveUp = (error: ZoneletError): void => {
      // The connection is closed; what is on its way may get there all the same.
      if (link.dice.chance(0.5)) takeBack();
      settle(() => reject(error));
    };
    const onAbort = (): void =>
      giveUp(trip.aborted === 'lost' ? lost('nobody waited') : new ZoneletError('Aborted', `${what} was aborted`));
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : process.clock.setTimer(timeoutMs, () => giveUp(lost(`no answer in ${timeoutMs} ms`)));
    const answer = (end: () => void): void => {
      link.send('down', () => process.deliver(() => settle(end)));
    };
    if (link.refused) {
      scheduler.after(link.delay('up'), () =>
        process.deliver(() => settle(() => reject(new ZoneletError('Unavailable', `${what}: connection refused`)))),
      );
      return;
    }
    const arrive = async (): Promise<void> => {
      try {
        const result = await trip.serve();
        answer(() => resolve(result));
      } catch (error) {
        const told = error instanceof ConnectionBroken ? lost('the connection broke') : (error as Error);
        answer(() => reject(told));
      }
    };
    takeBack = link.send('up', () => void arrive());
    if (trip.repeatable && link.duplication > 0 && link.dice.chance(link.duplication)) {
      link.send('up', () => void Promise.resolve(trip.serve()).catch(() => {}));
    }
  });
}

/** Thrown by a server that goes away in the middle of a request. */
export class ConnectionBroken extends Error {}
