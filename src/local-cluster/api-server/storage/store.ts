/**
 * All objects and the one counter of resourceVersions. Every change is one synchronous step: it is written to the
 * journal, becomes the current state, and is told to whoever listens, before anything else can happen.
 *
 * Stored objects are shared by everyone who reads them and never changed.
 */
import type { Clock } from '../../../clock.ts';
import type { ApiObject } from '../api-object.ts';
import { createHistory, type History } from './history.ts';

/** Names a kind of object inside the store: `pods`, `deployments.apps`. */
export type CollectionName = string;

export interface Stored {
  /** `namespace/name`, or `name` for what is in no namespace: the order of lists. */
  readonly key: string;
  readonly revision: number;
  readonly object: ApiObject;
  /** The object's JSON, made once. */
  readonly json: string;
}

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly collection: CollectionName;
  readonly revision: number;
  /** After the change; for `DELETED` the last state, with the revision of its end. */
  readonly stored: Stored;
  /** Before the change. */
  readonly previous: Stored | undefined;
}

/** What a journal keeps of a change: enough to do it again. */
export interface JournalEntry {
  readonly collection: CollectionName;
  readonly key: string;
  readonly revision: number;
  /** JSON of the object; undefined for a deletion. */
  readonly json: string | undefined;
}

export interface StoreOptions {
  readonly clock: Clock;
  /** Changes per collection that a watch can go back. @defaultValue 10000 */
  readonly historyLimit?: number;
  /** And for how many milliseconds. @defaultValue 300000: etcd is compacted every 5 minutes */
  readonly historyMs?: number;
  /** Called before a change counts; what it throws undoes the change. */
  readonly journal?: (entry: JournalEntry) => void;
}

export interface Collection {
  readonly name: CollectionName;
  get(key: string): Stored | undefined;
  /** In the order of their keys, as of now. */
  list(): readonly Stored[];
  /** As of an earlier revision; undefined when that is too long ago. */
  listAt(revision: number): readonly Stored[] | undefined;
  readonly history: History;
}

export interface Store {
  /** Of the last change. */
  readonly revision: number;
  collection(name: CollectionName): Collection;
  /** Writes an object under the next revision, which becomes its resourceVersion. */
  put(collection: CollectionName, key: string, object: ApiObject): Stored;
  /** Removes it; `last` is what the watchers see of it at the end. */
  remove(collection: CollectionName, key: string, last: ApiObject): Stored;
  /** Calls `listener` at every change of any collection, after it counts. Returns how to stop that. */
  subscribe(listener: (change: Change) => void): () => void;
  /** Takes up what a journal kept, and goes on counting from `atLeast`. Only while the store is empty and nobody listens. */
  restore(entries: Iterable<JournalEntry>, atLeast: number): void;
  /** Every object, as journal entries. */
  entries(): Iterable<JournalEntry>;
}

/** Revisions begin above 0: "0" means "any" in a request. */
const FIRST_REVISION = 1;

export function createStore(options: StoreOptions): Store {
  const { clock, journal, historyLimit = 10_000, historyMs = 300_000 } = options;
  const collections = new Map<CollectionName, MutableCollection>();
  const listeners = new Set<(change: Change) => void>();
  let revision = FIRST_REVISION;

  function collection(name: CollectionName): MutableCollection {
    let known = collections.get(name);
    if (known === undefined) {
      known = createCollection(name, createHistory({ clock, limit: historyLimit, maxAgeMs: historyMs }));
      collections.set(name, known);
    }
    return known;
  }

  function commit(change: Change): void {
    revision = change.revision;
    collection(change.collection).apply(change);
    for (const listener of listeners) listener(change);
  }

  return {
    get revision() {
      return revision;
    },
    collection,
    put(name, key, object) {
      const next = revision + 1;
      const stored = stamp(key, object, next);
      const previous = collection(name).get(key);
      journal?.({ collection: name, key, revision: next, json: stored.json });
      const type = previous === undefined ? 'ADDED' : 'MODIFIED';
      commit({ type, collection: name, revision: next, stored, previous });
      return stored;
    },
    remove(name, key, last) {
      const next = revision + 1;
      const stored = stamp(key, last, next);
      const previous = collection(name).get(key);
      journal?.({ collection: name, key, revision: next, json: undefined });
      commit({ type: 'DELETED', collection: name, revision: next, stored, previous });
      return stored;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    restore(entries, atLeast) {
      revision = Math.max(revision, atLeast);
      for (const { collection: name, key, revision: at, json } of entries) {
        revision = Math.max(revision, at);
        collection(name).restore(
          key,
          json === undefined ? undefined : { key, revision: at, object: JSON.parse(json) as ApiObject, json },
        );
      }
      // What happened before is not known any more: a watch from there has to list again.
      for (const { history } of collections.values()) history.startAt(revision);
    },
    *entries() {
      for (const { name, list } of collections.values()) {
        for (const { key, revision: at, json } of list()) yield { collection: name, key, revision: at, json };
      }
    },
  };
}

function stamp(key: string, object: ApiObject, revision: number): Stored {
  const stamped = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  return { key, revision, object: stamped, json: JSON.stringify(stamped) };
}

interface MutableCollection extends Collection {
  apply(change: Change): void;
  restore(key: string, stored: Stored | undefined): void;
}

function createCollection(name: CollectionName, history: History): MutableCollection {
  const current = new Map<string, Stored>();
  // Lists are asked for more often than keys come and go.
  let order: string[] | undefined;

  function list(of: ReadonlyMap<string, Stored>, keys: readonly string[]): Stored[] {
    const items: Stored[] = [];
    for (const key of keys) {
      const stored = of.get(key);
      if (stored !== undefined) items.push(stored);
    }
    return items;
  }

  return {
    name,
    history,
    get: (key) => current.get(key),
    list() {
      order ??= [...current.keys()].sort();
      return list(current, order);
    },
    listAt(revision) {
      const since = history.since(revision);
      if (since === undefined) return undefined;
      const then = new Map(current);
      for (const { stored, previous } of since.toReversed()) {
        if (previous === undefined) then.delete(stored.key);
        else then.set(stored.key, previous);
      }
      return list(then, [...then.keys()].sort());
    },
    apply(change) {
      const { type, stored, previous } = change;
      if (type === 'DELETED') current.delete(stored.key);
      else current.set(stored.key, stored);
      if (type === 'DELETED' || previous === undefined) order = undefined;
      history.add(change);
    },
    restore(key, stored) {
      if (stored === undefined) current.delete(key);
      else current.set(key, stored);
      order = undefined;
    },
  };
}
