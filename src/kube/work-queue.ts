/**
 * Keys that need work: never the same key twice at once, fresh work before retries, back-off per key for ever
 * (nothing is dropped after N tries). After client-go's util/workqueue, without its limit of all adds together, which
 * is what holds Virtual Kubelet to 10 pods a second.
 */
import type { Clock, Random, Timer } from '../clock.ts';
import { codeOf, hasCode, messageOf, ZoneletError } from '../errors.ts';
import { aborted } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import type { QueueMetrics } from '../metrics/queue.ts';
import { createOrderedKeys } from './ordered-keys.ts';

export interface WorkQueue {
  /** Fresh work: runs as soon as a worker is free, and clears nothing of the key's back-off unless `forget` is called. Coalesced with what waits; runs again when the key is being worked on. */
  add(key: string): void;
  /** Later work for the key; the earlier of two wins. */
  addAfter(key: string, delayMs: number): void;
  /** As if the key's work had just failed so many times in a row, elsewhere; the pause until its next try is at most `maxDelayMs`. */
  resume(key: string, failures: number, maxDelayMs: number): void;
  /** Forgets the key's failures. */
  forget(key: string): void;
  /** Waiting keys, delayed ones not counted. */
  readonly depth: number;
  /** Runs `workers` at a time until the signal aborts, then waits for those under way. A handler that throws has its key retried after back-off (5 ms doubling to 5 minutes, with jitter; an error's own `retryAfterMs` is honoured). */
  run(workers: number, handle: (key: string, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
}

export interface WorkQueueOptions {
  /** Label `name` of its metrics. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: QueueMetrics;
  readonly log: Logger;
}

const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 300_000;
/** Fresh keys taken in a row while retries wait: retries yield to fresh work, and are never starved by it. */
const FRESH_IN_A_ROW = 16;
/** Work that ends without waiting for anything gives way to timers and sockets (lease renewals) after this long. */
const TURN_MS = 10;

/** What is known of a key beyond its place in line. */
interface Entry {
  failures: number;
  working: boolean;
  /** Came up while it was worked on. */
  again: 'fresh' | 'later' | undefined;
  /** Work that was asked for at a time. */
  delayed: Due | undefined;
  /** The next try of work that failed; superseded by any try before. */
  retry: Due | undefined;
  /** When it got in line; monotonic. */
  since: number;
}

interface Due {
  readonly at: number;
  readonly timer: Timer;
}

/** For one `run`; once that is over, it takes nothing any more. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { name, clock, random, metrics, log } = options;
  const entries = new Map<string, Entry>();
  const fresh = createOrderedKeys();
  const later = createOrderedKeys();
  let freshInARow = 0;
  let wake: () => void = () => {};
  let state: 'new' | 'running' | 'over' = 'new';
  metrics.adds.inc({ name }, 0);
  metrics.retries.inc({ name }, 0);
  showDepth();

  function showDepth(): void {
    metrics.depth.set({ name }, fresh.size + later.size);
  }

  function entryOf(key: string): Entry {
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { failures: 0, working: false, again: undefined, delayed: undefined, retry: undefined, since: 0 };
      entries.set(key, entry);
    }
    return entry;
  }

  /** Frees what there is nothing more to know of. */
  function prune(key: string, entry: Entry): void {
    if (entry.working || entry.failures > 0 || entry.delayed !== undefined || entry.retry !== undefined) return;
    if (!fresh.has(key) && !later.has(key)) entries.delete(key);
  }

  function enter(key: string, lane: 'fresh' | 'later'): void {
    if (state === 'over') return;
    const entry = entryOf(key);
    if (entry.working) {
      if (entry.again !== 'fresh') entry.again = lane;
      return;
    }
    const waited = later.has(key);
    if (fresh.has(key) || (waited && lane === 'later')) return;
    if (!waited) {
      entry.since = clock.monotonic();
      metrics.adds.inc({ name });
    }
    later.delete(key);
    (lane === 'fresh' ? fresh : later).add(key);
    showDepth();
    wake();
  }

  function schedule(key: string, kind: 'delayed' | 'retry', delayMs: number): void {
    if (state === 'over') return;
    const entry = entryOf(key);
    const at = clock.monotonic() + delayMs;
    const before = entry[kind];
    if (before !== undefined && before.at <= at) return;
    before?.timer.cancel();
    const timer = clock.setTimer(delayMs, () => {
      entry[kind] = undefined;
      enter(key, 'later');
    });
    entry[kind] = { at, timer };
  }

  function next(): string | undefined {
    const lane = later.size > 0 && (fresh.size === 0 || freshInARow >= FRESH_IN_A_ROW) ? later : fresh;
    freshInARow = lane === fresh ? freshInARow + 1 : 0;
    return lane.shift();
  }

  function backOff(failuresBefore: number): number {
    const back = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failuresBefore, 30), LAST_RETRY_MS);
    // Many keys fail for one reason: spread out, they do not all come back at once.
    return back * (0.5 + random.next() / 2);
  }

  function failed(key: string, entry: Entry, error: unknown): void {
    const jittered = backOff(entry.failures);
    const asked = error instanceof ZoneletError ? (error.retryAfterMs ?? 0) * (1 + random.next() / 10) : 0;
    const delayMs = Math.max(jittered, asked);
    entry.failures++;
    metrics.retries.inc({ name });
    schedule(key, 'retry', delayMs);
    const fields = {
      queue: name,
      key,
      failures: entry.failures,
      retryInMs: Math.round(delayMs),
      error: messageOf(error),
    };
    if (codeOf(error) !== 'Internal') log.debug(fields, 'work failed; it is tried again');
    else
      log.error(
        { ...fields, stack: error instanceof Error ? error.stack : undefined },
        'a defect in the work on a key',
      );
  }

  async function work(
    key: string,
    entry: Entry,
    handle: (key: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const begun = clock.monotonic();
    metrics.wait.observe({ name }, (begun - entry.since) / 1000);
    entry.retry?.timer.cancel();
    entry.retry = undefined;
    entry.working = true;
    try {
      await handle(key, signal);
    } catch (error) {
      if (!signal.aborted) failed(key, entry, error);
      else if (!hasCode(error, 'Fenced', 'Aborted')) {
        log.warn({ queue: name, key, error: messageOf(error) }, 'work failed while stopping');
      }
    }
    metrics.work.observe({ name }, (clock.monotonic() - begun) / 1000);
    entry.working = false;
    const { again } = entry;
    entry.again = undefined;
    if (again !== undefined) enter(key, again);
    prune(key, entry);
  }

  return {
    add: (key) => enter(key, 'fresh'),
    addAfter(key, delayMs) {
      if (delayMs <= 0) enter(key, 'fresh');
      else schedule(key, 'delayed', delayMs);
    },
    resume(key, failures, maxDelayMs) {
      if (state === 'over') return;
      entryOf(key).failures = failures;
      schedule(key, 'retry', Math.min(backOff(failures - 1), maxDelayMs));
    },
    forget(key) {
      const entry = entries.get(key);
      if (entry === undefined) return;
      entry.failures = 0;
      prune(key, entry);
    },
    get depth() {
      return fresh.size + later.size;
    },
    async run(workers, handle, signal) {
      if (state !== 'new') throw new ZoneletError('Internal', `the work queue ${name} was run twice`);
      state = 'running';
      const active = new Set<Promise<void>>();
      // Counted before a handler begins, since what it does at once may well wake the queue.
      let busy = 0;
      // When work was first begun in this turn of the event loop; undefined between turns.
      let turnBegun: number | undefined;

      const turnIsUp = (): boolean => {
        const now = clock.monotonic();
        if (turnBegun === undefined) {
          turnBegun = now;
          setImmediate(() => {
            turnBegun = undefined;
            wake();
          });
        }
        return now - turnBegun >= TURN_MS;
      };

      wake = () => {
        while (!signal.aborted && busy < workers && fresh.size + later.size > 0 && !turnIsUp()) {
          const key = next();
          const entry = key === undefined ? undefined : entries.get(key);
          if (key === undefined || entry === undefined) return;
          busy++;
          const done: Promise<void> = work(key, entry, handle, signal).finally(() => {
            busy--;
            active.delete(done);
            wake();
          });
          active.add(done);
        }
        showDepth();
      };
      wake();
      await aborted(signal);
      await Promise.all(active);

      state = 'over';
      wake = () => {};
      for (const { delayed, retry } of entries.values()) {
        delayed?.timer.cancel();
        retry?.timer.cancel();
      }
      entries.clear();
      for (const lane of [fresh, later]) while (lane.shift() !== undefined);
      showDepth();
    },
  };
}
