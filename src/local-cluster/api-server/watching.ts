/**
 * Watches: what happened since a revision, then what happens, as lines of JSON in chunks. A change is made a line once,
 * whoever watches. Source of the rules: k8s.io/apiserver pkg/storage/cacher.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { ApiObject } from './api-object.ts';
import { expired, type Failure } from './failure.ts';
import type { Change, CollectionName, Store, Stored } from './storage/store.ts';

export type Selects = (object: ApiObject) => boolean;

export interface WatchRequest {
  readonly collection: CollectionName;
  readonly selects: Selects;
  /** Undefined or 0: begin with what is there now, as `ADDED`. */
  readonly since: number | undefined;
  /** Begin with what is there now, then a bookmark that says so. */
  readonly initialEvents: boolean;
  /** Undefined: no bookmarks. Otherwise the object of a bookmark at this revision. */
  readonly bookmark: ((revision: number, initialEventsEnd: boolean) => ApiObject) | undefined;
  readonly timeoutMs: number;
  /** Writes an event otherwise than as its JSON (tables). */
  readonly render?: (type: string, stored: Stored) => string;
  readonly signal: AbortSignal;
}

/** Between bookmarks: the API server's minute. */
const BOOKMARK_MS = 60_000;
/** A last bookmark is sent this long before the end, so that the client goes on from there. */
const LAST_BOOKMARK_MS = 2000;
/** A watcher that is this far behind is ended: it lists again, which costs less than keeping it all. */
const MAX_BEHIND = 20_000;

const encoder = new TextEncoder();
const lines = new WeakMap<Stored, Map<string, Uint8Array>>();

function lineOf(type: string, stored: Stored, render: WatchRequest['render']): Uint8Array {
  if (render !== undefined) return encoder.encode(render(type, stored));
  let known = lines.get(stored);
  if (known === undefined) {
    known = new Map();
    lines.set(stored, known);
  }
  let line = known.get(type);
  if (line === undefined) {
    line = encoder.encode(`{"type":"${type}","object":${stored.json}}\n`);
    known.set(type, line);
  }
  return line;
}

/** Begins at the call, not when the first chunk is asked for. */
export function openWatch(store: Store, clock: Clock, request: WatchRequest): AsyncIterable<Uint8Array> {
  const { collection: name, selects, bookmark, render, signal } = request;
  let queue: Uint8Array[] = [];
  let wake: (() => void) | undefined;
  let over = false;
  const timers: Timer[] = [];

  function push(line: Uint8Array): void {
    queue.push(line);
    if (queue.length > MAX_BEHIND) end();
    wake?.();
  }

  function pushChange(change: Change): void {
    const event = eventFor(change, selects);
    if (event !== undefined) push(lineOf(event.type, event.stored, render));
  }

  function pushBookmark(initialEventsEnd = false): void {
    if (bookmark === undefined) return;
    const object = bookmark(store.revision, initialEventsEnd);
    const stored = { key: '', revision: store.revision, object, json: JSON.stringify(object) };
    push(lineOf('BOOKMARK', stored, render));
  }

  function end(): void {
    if (over) return;
    over = true;
    unsubscribe();
    signal.removeEventListener('abort', end);
    for (const timer of timers) timer.cancel();
    wake?.();
  }

  function everyMinute(): void {
    timers[1] = clock.setTimer(BOOKMARK_MS, () => {
      pushBookmark();
      if (!over) everyMinute();
    });
  }

  const { since } = request;
  const unsubscribe = store.subscribe((change) => {
    // A position in the future is waited for.
    if (change.collection === name && change.revision > (since ?? 0)) pushChange(change);
  });
  const collection = store.collection(name);
  if (request.initialEvents || since === undefined || since === 0) {
    for (const stored of collection.list()) {
      if (selects(stored.object)) push(lineOf('ADDED', stored, render));
    }
    if (request.initialEvents) pushBookmark(true);
  } else {
    const past = collection.history.since(since);
    if (past === undefined) {
      push(errorLine(expired(`too old resource version: ${since} (${collection.history.oldest()})`)));
      end();
    } else for (const change of past) pushChange(change);
  }
  if (!over) {
    timers[0] = clock.setTimer(request.timeoutMs, end);
    if (bookmark !== undefined) {
      everyMinute();
      const last = request.timeoutMs - LAST_BOOKMARK_MS;
      if (last > 0) timers[2] = clock.setTimer(last, () => pushBookmark());
    }
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }

  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (queue.length > 0) {
          const [only] = queue;
          const chunk = queue.length === 1 && only !== undefined ? only : Buffer.concat(queue);
          queue = [];
          yield chunk;
        } else if (over) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = undefined;
        }
      }
    } finally {
      end();
    }
  }
  return chunks();
}

/** What a watcher with this selection is told of a change: it may come into its view, or leave it. */
function eventFor(change: Change, selects: Selects): { type: Change['type']; stored: Stored } | undefined {
  const { stored, previous } = change;
  const before = previous !== undefined && selects(previous.object);
  if (change.type === 'DELETED') return before ? { type: 'DELETED', stored } : undefined;
  const now = selects(stored.object);
  if (now) return { type: before ? 'MODIFIED' : 'ADDED', stored };
  return before ? { type: 'DELETED', stored: leaving(previous, change.revision) } : undefined;
}

/** The last state that matched, at the revision at which it no longer did. */
function leaving({ key, object }: Stored, revision: number): Stored {
  const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  return { key, revision, object: last, json: JSON.stringify(last) };
}

function errorLine(failure: Failure): Uint8Array {
  return encoder.encode(`${JSON.stringify({ type: 'ERROR', object: failure.status })}\n`);
}
