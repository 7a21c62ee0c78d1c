/**
 * The cache of an informer: objects by key, the resourceVersion that they stand for, and the handlers to tell.
 *
 * Guarantees: the contents at `position` are what a list at that resourceVersion gives. A snapshot that is older than
 * `position` changes nothing, and an event that a snapshot already holds is skipped: so a deletion cannot be undone by
 * an event or a list that was under way meanwhile, and no update is lost.
 */
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { compareResourceVersions, isOlder } from './resource-version.ts';
import type { KubeObject } from './types.ts';

export interface InformerHandler<T> {
  added?(object: T): void;
  updated?(before: T, after: T): void;
  /** The last state known. Also called for what a relist no longer shows. */
  deleted?(last: T): void;
}

export interface ObjectStore<T extends KubeObject> {
  /** The newest resourceVersion that the contents are known to stand for; undefined before the first snapshot. */
  readonly position: string | undefined;
  readonly objects: ReadonlyMap<string, T>;
  list(): readonly T[];
  /** Takes a whole list, unless the contents are newer. */
  snapshot(items: readonly T[], resourceVersion: string): void;
  /** Takes a whole list as the start of a new history: whatever the contents are. */
  restart(items: readonly T[], resourceVersion: string): void;
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void;
  /** Nothing but the position moved on. */
  bookmark(resourceVersion: string): void;
  subscribe(handler: InformerHandler<T>): () => void;
}

/** `namespace/name`, or `name` for cluster-scoped kinds. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {};
  return namespace === undefined || namespace === '' ? (name ?? '') : `${namespace}/${name}`;
}

export function createObjectStore<T extends KubeObject>(log: Logger): ObjectStore<T> {
  const objects = new Map<string, T>();
  const handlers = new Set<InformerHandler<T>>();
  let listed: readonly T[] | undefined;
  let position: string | undefined;
  // Resource version of the last snapshot: events up to it are in the contents already.
  let floor: string | undefined;

  function tell(call: (handler: InformerHandler<T>) => void): void {
    for (const handler of handlers) {
      try {
        call(handler);
      } catch (error) {
        // One handler's defect must not cost the others their news, nor the cache its watch.
        log.error(
          { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
          'an informer handler threw',
        );
      }
    }
  }

  function put(key: string, object: T): void {
    const before = objects.get(key);
    objects.set(key, object);
    listed = undefined;
    if (before === undefined) tell((h) => h.added?.(object));
    else if (before.metadata?.uid !== object.metadata?.uid) {
      // Deleted and made anew while nobody looked: two objects, not one that changed.
      tell((h) => h.deleted?.(before));
      tell((h) => h.added?.(object));
    } else tell((h) => h.updated?.(before, object));
  }

  function remove(key: string, last: T): void {
    if (!objects.delete(key)) return;
    listed = undefined;
    tell((h) => h.deleted?.(last));
  }

  function restart(items: readonly T[], resourceVersion: string): void {
    position = resourceVersion;
    floor = resourceVersion;
    const present = new Set<string>();
    for (const item of items) present.add(keyOf(item));
    for (const [key, last] of [...objects]) if (!present.has(key)) remove(key, last);
    for (const item of items) {
      const key = keyOf(item);
      const before = objects.get(key);
      const same =
        before !== undefined &&
        before.metadata?.uid === item.metadata?.uid &&
        before.metadata?.resourceVersion === item.metadata?.resourceVersion;
      if (!same) put(key, item);
    }
  }

  return {
    get position() {
      return position;
    },
    objects,
    list() {
      listed ??= [...objects.values()];
      return listed;
    },
    snapshot(items, resourceVersion) {
      if (position !== undefined && isOlder(resourceVersion, position)) return;
      restart(items, resourceVersion);
    },
    restart,
    apply(type, object) {
      const version = object.metadata?.resourceVersion ?? '';
      if (floor !== undefined) {
        const order = compareResourceVersions(version, floor);
        if (order !== undefined && order <= 0) return;
      }
      const key = keyOf(object);
      if (type === 'DELETED') remove(key, object);
      else put(key, object);
      if (version !== '' && (position === undefined || !isOlder(version, position))) position = version;
    },
    bookmark(resourceVersion) {
      if (resourceVersion !== '' && (position === undefined || !isOlder(resourceVersion, position))) {
        position = resourceVersion;
      }
    },
    subscribe(handler) {
      // A copy for each subscription, so that the same handler twice is two subscriptions.
      const own: InformerHandler<T> = {
        added: (object) => handler.added?.(object),
        updated: (before, after) => handler.updated?.(before, after),
        deleted: (last) => handler.deleted?.(last),
      };
      for (const object of [...objects.values()]) own.added?.(object);
      handlers.add(own);
      return () => {
        handlers.delete(own);
      };
    },
  };
}
