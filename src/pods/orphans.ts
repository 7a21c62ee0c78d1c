/**
 * Backend pods that the API does not know, of our own owner only. Removing one is the one deletion that nobody asked
 * for, so everything must agree: two complete lists at least `CONFIRM_MS` apart, the pod cache, and a live read of the
 * API; and never more than a few per round, so that a fault that makes everything look orphaned is seen before it has
 * done its worst.
 */
import { hasCode, messageOf } from '../errors.ts';
import type { BackendPod, PodRef } from '../provider/contract.ts';
import type { PodContext } from './context.ts';
import { isInApi } from './live-read.ts';

/** Two complete lists must agree over this time before a pod is held for lost or for an orphan. */
export const CONFIRM_MS = 30_000;

/** Of each round: at least this many, or the share of what the backend runs. */
const ROUND_MIN = 5;
const ROUND_SHARE = 0.1;

interface Candidate {
  readonly ref: PodRef;
  /** Monotonic time of the first complete list that showed it. */
  readonly since: number;
}

export class Orphans {
  readonly #now: () => number;
  readonly #zone: string;
  readonly #candidates = new Map<string, Candidate>();

  constructor(zone: string, now: () => number) {
    this.#zone = zone;
    this.#now = now;
  }

  /** Pods of a complete list that the API does not know. Who is not among them any more is no candidate. */
  see(unknown: readonly BackendPod[]): void {
    const now = this.#now();
    const before = new Map(this.#candidates);
    this.#candidates.clear();
    for (const { ref, zone } of unknown) {
      if (zone !== this.#zone) continue;
      this.#candidates.set(ref.uid, { ref, since: before.get(ref.uid)?.since ?? now });
    }
  }

  /** Something waits for its second look. */
  get pending(): boolean {
    return this.#candidates.size > 0;
  }

  get size(): number {
    return this.#candidates.size;
  }

  /** Removes what was an orphan in this complete list and in one long enough ago. */
  async collect(context: PodContext, listed: number): Promise<void> {
    const cap = Math.max(ROUND_MIN, Math.ceil(listed * ROUND_SHARE));
    const due = [...this.#candidates.values()].filter(
      ({ ref, since }) => this.#now() - since >= CONFIRM_MS && !context.pods.has(ref.uid),
    );
    if (due.length > cap) {
      context.log.warn({ orphans: due.length, removing: cap }, 'many orphans on the backend; removing a part of them');
    }
    for (const { ref } of due.slice(0, cap)) {
      if (context.signal.aborted) return;
      try {
        if (await isInApi(context.client, ref, context.signal)) {
          this.#candidates.delete(ref.uid);
          continue;
        }
        context.state.bury(ref.uid);
        const result = await context.mutations.delete(ref, { gracePeriodSeconds: 0, signal: context.signal });
        if (result.state === 'stopping') continue;
        this.#candidates.delete(ref.uid);
        context.state.forget(ref.uid);
        context.metrics.orphansDeleted.inc({ zone: context.zone });
        context.log.info({ pod: `${ref.namespace}/${ref.name}`, uid: ref.uid }, 'removed an orphan from the backend');
      } catch (error) {
        if (hasCode(error, 'Fenced', 'Aborted')) return;
        context.log.warn({ uid: ref.uid, error: messageOf(error) }, 'could not remove an orphan');
      }
    }
  }
}
