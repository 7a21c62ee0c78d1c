/** Kubernetes Events: aggregated, bounded, lowest priority, dropped first; recording one never blocks or fails the caller. */
import { type Clock, type Deadline, deadline, type Random, sleep } from '../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ApiMetrics } from '../metrics/api.ts';
import type { KubeClient } from './client.ts';
import { createEventSeries, cut, type Series } from './event-series.ts';
import { formatTime } from './micro-time.ts';
import { EVENTS } from './resources.ts';
import type { Event, KubeObject } from './types.ts';

export interface EventRecorder {
  /** `about` needs apiVersion, kind and metadata (uid, name, namespace). `reason` is CamelCase; `message` at most 1,024 bytes are kept. */
  record(about: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface EventWriter extends EventRecorder {
  /** Writes what was recorded until the signal aborts, then what still waits, for one second at most. Never throws. */
  run(signal: AbortSignal): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Who says it, and on which machine or in which replica. */
  readonly source: { readonly component: string; readonly host: string };
  readonly metrics: Pick<ApiMetrics, 'eventsDropped'>;
  readonly log: Logger;
}

/** What is not written by then was not worth the memory. */
const MAX_WAITING = 1_000;
/** Of the work connections, so that status writes always find one. */
const CONCURRENCY = 2;
/** As the kubelet's event limits: 50 a second, 100 at once. */
const PER_SECOND = 50;
const BURST = 100;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** As client-go. */
const MAX_ATTEMPTS = 12;
const FLUSH_MS = 1_000;
/** `<name>.<16 digits>` has to fit into 253 characters. */
const MAX_NAME = 236;

export function createEventRecorder(options: EventRecorderOptions): EventWriter {
  const { client, clock, random, source, metrics, log } = options;
  const series = createEventSeries();
  const waiting: Series[] = [];
  /** Writers with nothing to do. */
  const idle: (() => void)[] = [];
  let over = false;
  let tokens = BURST;
  let refilledAt = clock.monotonic();
  /** Failures in a row, of all writes: an API server that is away is left alone. */
  let failures = 0;
  let forbiddenTold = false;

  function enqueue(one: Series): void {
    if (one.waiting) return;
    if (over || waiting.length >= MAX_WAITING) {
      metrics.eventsDropped.inc();
      return;
    }
    one.waiting = true;
    waiting.push(one);
    wake();
  }

  function wake(): void {
    for (const go of idle.splice(0)) go();
  }

  /** Waits until the rate allows one more write. */
  async function turn(signal: AbortSignal): Promise<void> {
    const now = clock.monotonic();
    tokens = Math.min(BURST, tokens + ((now - refilledAt) * PER_SECOND) / 1000);
    refilledAt = now;
    tokens--;
    if (tokens < 0) await sleep(clock, (-tokens * 1000) / PER_SECOND, signal);
  }

  async function create(one: Series, namespace: string, signal: AbortSignal): Promise<void> {
    // Settled before the first try: another one after a lost answer makes no second Event.
    one.name ??= `${(one.about.name ?? '').slice(0, MAX_NAME)}.${random.uuid().replaceAll('-', '').slice(0, 16)}`;
    const event: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: one.name, namespace },
      involvedObject: one.about,
      type: one.type,
      reason: one.reason,
      message: one.message,
      count: one.count,
      firstTimestamp: formatTime(one.firstMs),
      lastTimestamp: formatTime(one.lastMs),
      source: { ...source },
      reportingComponent: source.component,
      reportingInstance: source.host,
    };
    await client.create(EVENTS, event, { signal });
  }

  async function patch(one: Series, namespace: string, signal: AbortSignal): Promise<void> {
    const body = { count: one.count, lastTimestamp: formatTime(one.lastMs), message: one.message };
    await client.patch(EVENTS, { namespace, name: one.name ?? '' }, { type: 'merge', body }, { signal });
  }

  async function write(one: Series, signal: AbortSignal): Promise<void> {
    // Of what has no namespace, Events are kept in this one.
    const namespace = one.about.namespace ?? 'default';
    const { count } = one;
    try {
      if (one.writtenCount === 0) await create(one, namespace, signal);
      else await patch(one, namespace, signal);
    } catch (error) {
      if (one.writtenCount === 0 && hasCode(error, 'Conflict')) {
        // Made by an earlier try whose answer was lost.
        await patch(one, namespace, signal);
      } else if (one.writtenCount > 0 && hasCode(error, 'NotFound')) {
        // The server forgets Events after an hour, and anyone may delete one.
        one.name = undefined;
        one.writtenCount = 0;
        await create(one, namespace, signal);
      } else throw error;
    }
    one.writtenCount = count;
    one.attempts = 0;
  }

  function failed(one: Series, error: unknown): void {
    const again = error instanceof ZoneletError && error.retryable && one.attempts + 1 < MAX_ATTEMPTS;
    const fields = { about: one.about.name, reason: one.reason, error: messageOf(error) };
    if (again) {
      one.attempts++;
      enqueue(one);
      log.debug(fields, 'an Event was not written; it is tried again');
      return;
    }
    metrics.eventsDropped.inc();
    // A namespace that is going away refuses Events about what was in it: the ordinary course.
    const told = !hasCode(error, 'Forbidden') || forbiddenTold;
    if (hasCode(error, 'Forbidden')) forbiddenTold = true;
    if (told) log.debug(fields, 'an Event was not written');
    else log.warn(fields, 'an Event was refused; further refusals are not logged');
  }

  /** Takes from the queue until it is empty and `more` says that nothing is to come. */
  async function work(stop: AbortSignal, limit: () => Deadline | undefined, calls: AbortSignal): Promise<void> {
    for (;;) {
      const one = waiting.shift();
      if (one === undefined) {
        if (stop.aborted) return;
        await new Promise<void>((resolve) => idle.push(resolve));
        continue;
      }
      await turn(stop);
      if (limit()?.expired === true) {
        metrics.eventsDropped.inc();
        continue;
      }
      try {
        await write(one, calls);
        failures = 0;
        one.waiting = false;
        if (one.count > one.writtenCount) enqueue(one);
      } catch (error) {
        one.waiting = false;
        if (stop.aborted) metrics.eventsDropped.inc();
        else {
          failed(one, error);
          if (error instanceof ZoneletError && error.retryable) {
            const back = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures++, 10), LAST_RETRY_MS);
            await sleep(clock, Math.max(back * (0.5 + random.next() / 2), error.retryAfterMs ?? 0), stop);
          }
        }
      }
    }
  }

  return {
    record(about, type, reason, message) {
      const { uid, name, namespace, resourceVersion } = about.metadata ?? {};
      const one = series.add(
        {
          about: {
            ...(about.apiVersion === undefined ? {} : { apiVersion: about.apiVersion }),
            ...(about.kind === undefined ? {} : { kind: about.kind }),
            ...(uid === undefined ? {} : { uid }),
            ...(name === undefined ? {} : { name }),
            ...(namespace === undefined ? {} : { namespace }),
            ...(resourceVersion === undefined ? {} : { resourceVersion }),
          },
          type,
          reason,
          message: cut(message),
        },
        clock.now(),
        clock.monotonic(),
      );
      if (one === undefined) metrics.eventsDropped.inc();
      else enqueue(one);
    },
    async run(signal) {
      let limit: Deadline | undefined;
      const calls = new AbortController();
      const onAbort = (): void => {
        limit = deadline(clock, FLUSH_MS);
        limit.signal.addEventListener('abort', () => calls.abort(), { once: true });
        wake();
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      await Promise.all(Array.from({ length: CONCURRENCY }, () => work(signal, () => limit, calls.signal)));
      over = true;
      limit?.[Symbol.dispose]();
    },
  };
}
