/** Who depends on whom, over all kinds. Source: pkg/controller/garbagecollector/graph_builder.go. */
import { keyOf } from '../../../kube/informer.ts';
import type { KubeObject } from '../../../kube/types.ts';
import type { CachedKind } from '../caches.ts';

export interface Item {
  readonly kind: CachedKind;
  readonly object: KubeObject;
}

export interface Graph {
  /** The object with this UID; undefined when no cache has it. */
  get(uid: string): Item | undefined;
  /** What names the object with this UID as an owner. */
  dependentsOf(uid: string): Item[];
}

/** What the collector has to look at, by UID. */
export interface GraphEvents {
  changed(item: Item): void;
  gone(item: Item): void;
}

export function createGraph(kinds: readonly CachedKind[], events: GraphEvents): Graph {
  const items = new Map<string, Item>();
  /** UIDs of dependents by UID of the owner. */
  const dependents = new Map<string, Set<string>>();

  function link(item: Item): void {
    const uid = uidOf(item.object);
    for (const owner of ownersOf(item.object)) {
      const set = dependents.get(owner) ?? new Set<string>();
      dependents.set(owner, set.add(uid));
    }
  }

  function unlink(item: Item): void {
    const uid = uidOf(item.object);
    for (const owner of ownersOf(item.object)) {
      const set = dependents.get(owner);
      set?.delete(uid);
      if (set?.size === 0) dependents.delete(owner);
    }
  }

  for (const kind of kinds) {
    const put = (object: KubeObject): void => {
      const before = items.get(uidOf(object));
      if (before !== undefined) unlink(before);
      const item = { kind, object };
      items.set(uidOf(object), item);
      link(item);
      events.changed(item);
    };
    kind.informer.subscribe({
      added: put,
      updated: (_before, object) => put(object),
      deleted(last) {
        const before = items.get(uidOf(last));
        if (before !== undefined) unlink(before);
        items.delete(uidOf(last));
        events.gone({ kind, object: last });
      },
    });
  }

  return {
    get: (uid) => items.get(uid),
    dependentsOf: (uid) =>
      [...(dependents.get(uid) ?? [])].flatMap((one) => {
        const item = items.get(one);
        return item === undefined ? [] : [item];
      }),
  };
}

export function uidOf({ metadata }: KubeObject): string {
  return metadata?.uid ?? '';
}

export function ownersOf({ metadata }: KubeObject): string[] {
  return (metadata?.ownerReferences ?? []).map(({ uid }) => uid);
}

/** For logs. */
export function nameOf({ kind, object }: Item): string {
  return `${kind.resource.kind} ${keyOf(object)}`;
}
