import type { Clock, Timer } from '../../../src/clock.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';

/** The clock of one process on the shared time of a test: the process can be stopped, its machine suspended, its wall clock wrong. */
export class ReplicaClock implements Clock {
  readonly #shared: VirtualClock;
  #held: (() => void)[] = [];
  #frozen = false;
  #suspendedAt: number | undefined;
  #sleptMs = 0;
  wallOffsetMs = 0;

  constructor(shared: VirtualClock) {
    this.#shared = shared;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  now(): number {
    return this.#shared.now() + this.wallOffsetMs;
  }

  monotonic(): number {
    return (this.#suspendedAt ?? this.#shared.monotonic()) - this.#sleptMs;
  }

  uptime(): number {
    return this.#shared.monotonic();
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const due = this.monotonic() + Math.max(0, delayMs);
    let cancelled = false;
    let timer: Timer;
    const arm = (): void => {
      timer = this.#shared.setTimer(Math.max(0, due - this.monotonic()), () =>
        this.deliver(() => {
          if (cancelled) return;
          if (this.monotonic() < due) arm();
          else run();
        }),
      );
    };
    arm();
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  /** Runs it now, or when the process runs again. */
  deliver(run: () => void): void {
    if (this.#frozen) this.#held.push(run);
    else run();
  }

  /** SIGSTOP; without a `thaw`, SIGKILL. */
  freeze(): void {
    this.#frozen = true;
  }

  /** SIGCONT. */
  thaw(): void {
    if (this.#suspendedAt !== undefined) this.#sleptMs += this.#shared.monotonic() - this.#suspendedAt;
    this.#suspendedAt = undefined;
    this.#frozen = false;
    for (const run of this.#held.splice(0)) run();
  }

  /** The whole machine sleeps: its monotonic clock stands still. */
  suspend(): void {
    this.#suspendedAt = this.#shared.monotonic();
    this.freeze();
  }
}
