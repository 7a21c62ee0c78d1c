/**
 * Which occurrences are one Event. Limits after client-go's EventCorrelator (tools/record/events_cache.go): the same
 * message again raises the count of the Event; many messages under one reason become one; one object has only so many.
 */
import { createHash } from 'node:crypto';
import type { Event } from './types.ts';

/** Who an Event is about: never the object itself, which would stay in memory with it. */
export type Subject = Event['involvedObject'];

export interface Occurrence {
  readonly about: Subject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** One Event object, existing or to be. */
export interface Series {
  readonly about: Subject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  message: string;
  count: number;
  /** Milliseconds since the epoch. */
  readonly firstMs: number;
  lastMs: number;
  /** Name of the Event object, once there may be one. */
  name: string | undefined;
  /** What the object says; 0 before it exists. */
  writtenCount: number;
  /** Waits to be written, or is being written. */
  waiting: boolean;
  attempts: number;
}

export interface EventSeries {
  /** The series that this belongs to, counted up; undefined when its object has had too many. */
  add(occurrence: Occurrence, nowMs: number, monotonicMs: number): Series | undefined;
}

/** The same within this time is the same Event. */
const WINDOW_MS = 600_000;
const DISTINCT_MESSAGES = 10;
/** Per object: as many at once, then one every five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;
/** Of everything that is remembered. */
const MAX_ENTRIES = 4_096;

export function createEventSeries(): EventSeries {
  const series = new Recent<Series>(WINDOW_MS);
  const messages = new Recent<Set<string>>(WINDOW_MS);
  const budgets = new Recent<{ tokens: number; at: number }>(BURST * REFILL_MS);

  function allowed(subject: string, now: number): boolean {
    const budget = budgets.get(subject, now) ?? { tokens: BURST, at: now };
    budget.tokens = Math.min(BURST, budget.tokens + (now - budget.at) / REFILL_MS);
    budget.at = now;
    budgets.set(subject, budget, now);
    if (budget.tokens < 1) return false;
    budget.tokens--;
    return true;
  }

  return {
    add({ about, type, reason, message }, nowMs, now) {
      const subject = JSON.stringify([about.kind, about.namespace, about.name, about.uid]);
      const similar = JSON.stringify([subject, type, reason]);
      const distinct = messages.get(similar, now) ?? new Set();
      messages.set(similar, distinct, now);
      const digest = createHash('sha1').update(message).digest('base64');
      const combined = !distinct.has(digest) && distinct.size >= DISTINCT_MESSAGES;
      if (!combined) distinct.add(digest);
      const key = combined ? similar : `${similar}${digest}`;
      if (!allowed(subject, now)) return undefined;
      const text = combined ? cut(`(combined from similar events): ${message}`) : message;
      const known = series.get(key, now);
      const one: Series = known ?? {
        about,
        type,
        reason,
        message: text,
        count: 0,
        firstMs: nowMs,
        lastMs: nowMs,
        name: undefined,
        writtenCount: 0,
        waiting: false,
        attempts: 0,
      };
      one.message = text;
      one.count++;
      one.lastMs = nowMs;
      series.set(key, one, now);
      return one;
    },
  };
}

const MAX_MESSAGE_BYTES = 1_024;

/** At most 1,024 bytes, which is what the API server takes, and no half character at the end. */
export function cut(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= MAX_MESSAGE_BYTES) return message;
  let end = MAX_MESSAGE_BYTES;
  // Bytes 10xxxxxx continue a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString();
}

/** Entries by key that are forgotten when they were not touched for a time, the longest untouched first when there are too many. */
class Recent<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly at: number }>();
  readonly #keepMs: number;

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  get(key: string, now: number): V | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || now - entry.at > this.#keepMs ? undefined : entry.value;
  }

  set(key: string, value: V, now: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, at: now });
    for (const [oldest, { at }] of this.#entries) {
      if (this.#entries.size <= MAX_ENTRIES && now - at <= this.#keepMs) break;
      this.#entries.delete(oldest);
    }
  }
}
