/**
 * Counts pods by phase and adds up the resources that they are run for, without ever walking through all of them:
 * every change of a pod is booked when it happens.
 */
import type { Clock } from '../clock.ts';
import type { Pod } from '../kube/types.ts';
import type { PodMetrics } from '../metrics/pods.ts';
import { podRequests } from '../pod-requests.ts';

type Amounts = Readonly<Record<string, number>>;

interface Booking {
  readonly phase: string;
  /** Requests, while it runs. */
  readonly running: Amounts | undefined;
}

const PHASES = ['Pending', 'Running', 'Succeeded', 'Failed'];

export class Accounting {
  readonly #zone: string;
  readonly #clock: Clock;
  readonly #metrics: PodMetrics;
  readonly #bookings = new Map<string, Booking>();
  readonly #phases = new Map<string, number>();
  readonly #running = new Map<string, number>();
  #accruedAt: number;
  #begun = false;

  constructor(zone: string, clock: Clock, metrics: PodMetrics) {
    this.#zone = zone;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#accruedAt = clock.monotonic();
    // A phase that no pod is in says so.
    for (const phase of PHASES) this.#count(phase, 0);
  }

  /**
   * The pods that there are have been booked: they have run on while nobody led the zone, and are charged for that too.
   * Before that nothing is charged.
   */
  begin(leaderlessMs: number): void {
    this.#begun = true;
    this.#accruedAt = this.#clock.monotonic() - leaderlessMs;
    this.accrue();
  }

  /** The pod as it is now. */
  book(uid: string, pod: Pod): void {
    const phase = pod.status?.phase ?? 'Pending';
    const before = this.#bookings.get(uid);
    if (before?.phase === phase) return;
    this.#unbook(before);
    const running = phase === 'Running' ? requests(pod) : undefined;
    if (running !== undefined) this.#change(running, 1);
    this.#bookings.set(uid, { phase, running });
    this.#count(phase, 1);
  }

  /** The pod is gone. */
  close(uid: string): void {
    this.#unbook(this.#bookings.get(uid));
    this.#bookings.delete(uid);
  }

  /** Adds what has run up since the last time. Called on a timer, so that the counters move while nothing else does. */
  accrue(): void {
    if (!this.#begun) return;
    const now = this.#clock.monotonic();
    const seconds = (now - this.#accruedAt) / 1000;
    this.#accruedAt = now;
    if (seconds <= 0) return;
    for (const [resource, amount] of this.#running) {
      if (amount > 0) this.#metrics.resourceSeconds.inc({ zone: this.#zone, resource }, amount * seconds);
    }
  }

  /** The zone is somebody else's now: its pods are no longer reported here. */
  end(): void {
    this.accrue();
    for (const phase of this.#phases.keys()) this.#metrics.pods.remove({ zone: this.#zone, phase });
    this.#phases.clear();
    this.#bookings.clear();
    this.#running.clear();
  }

  #unbook(booking: Booking | undefined): void {
    if (booking === undefined) return;
    if (booking.running !== undefined) this.#change(booking.running, -1);
    this.#count(booking.phase, -1);
  }

  #change(amounts: Amounts, sign: 1 | -1): void {
    this.accrue();
    for (const [resource, amount] of Object.entries(amounts)) {
      this.#running.set(resource, (this.#running.get(resource) ?? 0) + sign * amount);
    }
  }

  #count(phase: string, by: -1 | 0 | 1): void {
    const count = (this.#phases.get(phase) ?? 0) + by;
    this.#phases.set(phase, count);
    this.#metrics.pods.set({ zone: this.#zone, phase }, count);
  }
}

/** What the scheduler counts for the pod, and the pod itself. */
function requests(pod: Pod): Amounts {
  const amounts = [...podRequests(pod)].map(([resource, { nanos }]) => [resource, Number(nanos) / 1e9] as const);
  return { ...Object.fromEntries(amounts), pods: 1 };
}
