/** A local, always current copy of a selection of objects, and the changes as they come. */
import type { KubeObject } from './types.ts';

export interface InformerHandler<T> {
  added?(object: T): void;
  updated?(before: T, after: T): void;
  /** The last state known. Also called for what a relist no longer shows. */
  deleted?(last: T): void;
}

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

/** `namespace/name`, or `name` for cluster-scoped kinds. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {};
  return namespace === undefined || namespace === '' ? (name ?? '') : `${namespace}/${name}`;
}
