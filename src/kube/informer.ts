/**
 * A local, always current copy of a selection of objects, and the changes as they come.
 * Lists once, watches from there, and lists again only when the server no longer knows the position.
 */
import { type Clock, type Random, sleep } from '../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ApiMetrics } from '../metrics/api.ts';
import { ApiError, type KubeClient } from './client.ts';
import { readAll } from './consistent-list.ts';
import { createObjectStore, type InformerHandler, keyOf } from './object-store.ts';
import { isOlder } from './resource-version.ts';
import type { Resource } from './resources.ts';
import type { KubeObject } from './types.ts';

export { type InformerHandler, keyOf } from './object-store.ts';

export interface Informer<T extends KubeObject> {
  /** Lists, watches, lists again when it must; returns when the signal aborts, never before and never by throwing. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once the first list is in the cache. */
  synced(signal?: AbortSignal): Promise<void>;
  readonly hasSynced: boolean;
  /** Key: `namespace/name`, or `name` for cluster-scoped kinds. Objects are never changed in place, and must not be by readers. */
  get(key: string): T | undefined;
  list(): readonly T[];
  readonly size: number;
  /**
   * Makes the cache at least as fresh as a consistent read begun now (a paged list without resourceVersion, merged).
   * Needed before a new leader decides anything from it.
   */
  refresh(signal?: AbortSignal): Promise<void>;
  /** Handlers run synchronously, in order, and must not throw; a new one is first told of everything there is. Returns its removal. */
  subscribe(handler: InformerHandler<T>): () => void;
}

export interface InformerOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly selection: {
    readonly namespace?: string;
    readonly labelSelector?: string;
    readonly fieldSelector?: string;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ApiMetrics;
  readonly log: Logger;
  /** Connections to use. @defaultValue 'work' */
  readonly lane?: 'work' | 'lease';
  /**
   * What is kept of an object that arrived; `before` is what the cache holds under the same key. For instance with parts
   * of `before` where they are equal, which saves the memory of having them twice.
   * @defaultValue the object itself
   */
  readonly transform?: (object: T, before: T | undefined) => T;
}

/** The server ends a watch after 5 to 10 minutes, at random, so that those of many clients do not end together. */
const WATCH_MIN_S = 300;
const WATCH_SPREAD_S = 300;
/** The API server sends a bookmark each minute: without two of them the connection is dead, whatever TCP says. */
const SILENCE_MS = 150_000;
/** A watch that lived this long was healthy: what ends it is no reason to wait. */
const HEALTHY_MS = 10_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** While nothing answers at all, asking again burdens nobody, and the end of an outage is to be noticed within seconds. */
const LAST_RETRY_UNREACHABLE_MS = 5_000;

type Reason = 'ended' | 'expired' | 'stalled' | 'error' | 'regressed';

export function createInformer<T extends KubeObject>(options: InformerOptions<T>): Informer<T> {
  const { client, resource, clock, random, metrics } = options;
  const log = options.log.child({ resource: resource.plural, ...options.selection });
  const scope = { ...options.selection, ...(options.lane === undefined ? {} : { lane: options.lane }) };
  const store = createObjectStore<T>(log);
  const firstList = Promise.withResolvers<void>();
  /** Counts the histories that the cache began: events and lists of an earlier one have no place in it. */
  let history = 0;
  let hasSynced = false;
  /** Ends the watch under way. */
  let watching: AbortController | undefined;
  for (const reason of ['ended', 'expired', 'stalled', 'error', 'regressed'] satisfies Reason[]) {
    metrics.watchRestarts.inc({ resource: resource.plural, reason }, 0);
  }

  function keep(object: T): T {
    if (options.transform === undefined) return object;
    try {
      return options.transform(object, store.objects.get(keyOf(object)));
    } catch (error) {
      log.error(
        { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
        'a transform threw',
      );
      return object;
    }
  }

  /**
   * Brings a consistent list into the cache. A list that is older than what was known before it was asked for means that
   * the server lost its newest history (it was restored from a backup): once a second list says so too, the cache begins
   * anew from there.
   */
  async function load(signal: AbortSignal | undefined): Promise<void> {
    for (let doubts = 0; ; ) {
      const known = store.position;
      const begun = history;
      const { items, resourceVersion } = await readAll(
        client,
        resource,
        { ...scope, ...(signal === undefined ? {} : { signal }) },
        keep,
      );
      if (begun !== history) continue;
      if (known === undefined || !isOlder(resourceVersion, known)) store.snapshot(items, resourceVersion);
      else if (doubts++ === 0) continue;
      else {
        log.warn({ known, resourceVersion }, 'the API server went back in time; its state is taken as it is now');
        metrics.watchRestarts.inc({ resource: resource.plural, reason: 'regressed' });
        history++;
        store.restart(items, resourceVersion);
        watching?.abort();
      }
      if (!hasSynced) {
        hasSynced = true;
        firstList.resolve();
        log.debug({ objects: store.objects.size, resourceVersion }, 'the cache is filled');
      }
      return;
    }
  }

  /** After a break: does the server still know what this cache knows? One that does not would keep a watch silent until it has caught up. */
  async function wentBack(signal: AbortSignal): Promise<boolean> {
    const known = store.position;
    const { resourceVersion } = await client.list(resource, { ...scope, signal, limit: 1 });
    return known !== undefined && isOlder(resourceVersion, known);
  }

  /** Watches from the cache's position on. `heard`: whether anything came. */
  async function watch(signal: AbortSignal, onNews: () => void): Promise<Reason> {
    const begun = history;
    const from = store.position ?? '';
    const own = new AbortController();
    watching = own;
    const end = (): void => own.abort();
    signal.addEventListener('abort', end, { once: true });
    let heardAt = clock.monotonic();
    let stalled = false;
    let timer = clock.setTimer(SILENCE_MS, listen);
    function listen(): void {
      const left = heardAt + SILENCE_MS - clock.monotonic();
      if (left > 0) timer = clock.setTimer(left, listen);
      else {
        stalled = true;
        own.abort();
      }
    }
    try {
      const timeoutSeconds = WATCH_MIN_S + Math.floor(random.next() * WATCH_SPREAD_S);
      const events = client.watch(resource, { ...scope, resourceVersion: from, timeoutSeconds, signal: own.signal });
      for await (const event of events) {
        heardAt = clock.monotonic();
        if (begun !== history) break;
        const version =
          event.type === 'BOOKMARK' ? event.resourceVersion : (event.object.metadata?.resourceVersion ?? '');
        if (isOlder(version, from)) return 'regressed';
        onNews();
        if (event.type === 'BOOKMARK') store.bookmark(version);
        else store.apply(event.type, keep(event.object));
      }
      if (begun !== history) return 'regressed';
      return stalled ? 'stalled' : 'ended';
    } catch (error) {
      if (begun !== history) return 'regressed';
      if (stalled) return 'stalled';
      throw error;
    } finally {
      watching = undefined;
      timer.cancel();
      signal.removeEventListener('abort', end);
      own.abort();
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    /** What has to come before the next watch. */
    let first: 'list' | 'check' | 'nothing' = store.position === undefined ? 'list' : 'check';
    let failures = 0;
    let wasExpired = false;
    while (!signal.aborted) {
      let reason: Reason;
      let failure: unknown;
      let heard = false;
      let begun = clock.monotonic();
      const at = history;
      try {
        if (first === 'check' && (await wentBack(signal))) first = 'list';
        if (first === 'list') await load(signal);
        first = 'nothing';
        begun = clock.monotonic();
        reason = await watch(signal, () => {
          heard = true;
        });
        if (reason === 'regressed' && at === history) first = 'list';
        if (reason === 'stalled') first = 'check';
      } catch (error) {
        failure = error;
        reason = hasCode(error, 'Expired') ? 'expired' : 'error';
        if (reason === 'expired') first = 'list';
        else if (first === 'nothing') first = 'check';
      }
      if (signal.aborted) return;
      // A new history is counted where it begins.
      if (at === history) metrics.watchRestarts.inc({ resource: resource.plural, reason });
      const healthy = clock.monotonic() - begun >= HEALTHY_MS && (heard || failure === undefined);
      const before = healthy ? 0 : failures;
      failures = healthy ? 0 : failures + 1;
      // One "too old" is the ordinary course after an interruption, however often that was asked about: the server is back.
      // Only repeated ones have to be slowed down.
      const onceTooOld = reason === 'expired' && !wasExpired;
      wasExpired = reason === 'expired';
      if (healthy || onceTooOld) {
        log.debug({ reason, ...(failure === undefined ? {} : { error: messageOf(failure) }) }, 'watching again');
        continue;
      }
      const delayMs = retryDelay(before, failure);
      const fields = { reason, retryInMs: Math.round(delayMs) };
      if (failure === undefined) log.debug(fields, 'a watch ended early');
      else log.warn({ ...fields, error: messageOf(failure) }, 'the cache is not kept current; it is tried again');
      await sleep(clock, delayMs, signal);
    }
  }

  function retryDelay(failures: number, failure: unknown): number {
    const unreachable = hasCode(failure, 'Unavailable') && !(failure instanceof ApiError);
    const longest = unreachable ? LAST_RETRY_UNREACHABLE_MS : LAST_RETRY_MS;
    const back = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures, 10), longest) * (0.5 + random.next() / 2);
    return Math.max(back, failure instanceof ZoneletError ? (failure.retryAfterMs ?? 0) : 0);
  }

  return {
    run,
    async synced(signal) {
      if (hasSynced) return;
      if (signal === undefined) return await firstList.promise;
      const end = Promise.withResolvers<never>();
      const onAbort = (): void => end.reject(new ZoneletError('Aborted', 'aborted while waiting for the first list'));
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        await Promise.race([firstList.promise, end.promise]);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
    get hasSynced() {
      return hasSynced;
    },
    get: (key) => store.objects.get(key),
    list: () => store.list(),
    get size() {
      return store.objects.size;
    },
    refresh: (signal) => load(signal),
    subscribe: (handler) => store.subscribe(handler),
  };
}
