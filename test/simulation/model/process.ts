/** A process on a machine: it can be stopped and continued, killed, its machine can sleep, and its clocks can be wrong. */
import type { Clock, Timer } from '../../../src/clock.ts';
import type { Scheduler } from './scheduler.ts';

export interface ProcessOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  /** How fast its monotonic clock runs; 1 is right. */
  readonly rate: number;
}

export class Process {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #rate: number;
  readonly startedAt: number;
  #state: 'running' | 'stopped' | 'killed' = 'running';
  #held: (() => void)[] = [];
  #asleepSince: number | undefined;
  #sleptMs = 0;
  /** How far its wall clock is off, in milliseconds. */
  wallOffsetMs = 0;

  constructor({ name, scheduler, rate }: ProcessOptions) {
    this.name = name;
    this.#scheduler = scheduler;
    this.#rate = rate;
    this.startedAt = scheduler.now;
  }

  get state(): 'running' | 'stopped' | 'killed' {
    return this.#state;
  }

  readonly clock: Clock = {
    now: () => this.#scheduler.clock.now() + this.wallOffsetMs,
    monotonic: () => ((this.#asleepSince ?? this.#scheduler.now) - this.#sleptMs - this.startedAt) * this.#rate,
    uptime: () => (this.#scheduler.now - this.startedAt) * this.#rate,
    setTimer: (delayMs, run) => this.#setTimer(delayMs, run),
  };

  #setTimer(delayMs: number, run: () => void): Timer {
    const due = this.clock.monotonic() + Math.max(0, delayMs);
    let cancelled = false;
    let timer: Timer;
    const arm = (): void => {
      // A hair more than the rest, so that rounding makes no timer ring too early for ever.
      const left = Math.max(0, due - this.clock.monotonic());
      timer = this.#scheduler.after(left / this.#rate + (left > 0 ? 1e-6 : 0), () => this.deliver(ring));
    };
    const ring = (): void => {
      if (cancelled) return;
      if (this.clock.monotonic() < due) arm();
      else run();
    };
    arm();
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  /** Something reaches it from outside: a message, a timer. Now, or when it goes on; never once it is dead. */
  deliver(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'stopped') this.#held.push(run);
  }

  /** SIGKILL, or the end of its machine. */
  kill(): void {
    this.#state = 'killed';
    this.#held = [];
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** The whole machine sleeps: its monotonic clock stands still. */
  sleep(): void {
    if (this.#state !== 'running') return;
    this.#asleepSince = this.#scheduler.now;
    this.stop();
  }

  /** SIGCONT, or the machine wakes. What came meanwhile is taken one by one, in the order in which it came. */
  go(): void {
    if (this.#state !== 'stopped') return;
    if (this.#asleepSince !== undefined) this.#sleptMs += this.#scheduler.now - this.#asleepSince;
    this.#asleepSince = undefined;
    this.#state = 'running';
    for (const run of this.#held.splice(0)) this.#scheduler.after(0, () => this.deliver(run));
  }
}
