/**
 * What a cluster's own controllers do with namespaces, done here at the end of the request that calls for it: every
 * namespace has the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`; one that ends loses its contents,
 * and goes when the last of them is gone (pods take their grace period). Events are forgotten after an hour.
 */
import type { Namespace } from '../../kube/types.ts';
import type { ApiObject } from './api-object.ts';
import { configMaps, serviceAccounts } from './kinds/config.ts';
import type { Kind } from './kinds/kind.ts';
import { qualifiedResource } from './kinds/kind.ts';
import { SERVED_KINDS } from './kinds/served-kinds.ts';
import { canonical } from './requests/call.ts';
import { createObject } from './requests/create.ts';
import { deleteStored } from './requests/delete.ts';
import type { ServerContext } from './server-context.ts';
import type { Change } from './storage/store.ts';

export interface Housekeeping {
  /** Does what the changes since the last call ask for. */
  run(): void;
}

/** `--event-ttl` of the API server. */
const EVENT_TTL_MS = 3_600_000;

export function createHousekeeping(server: ServerContext, rootCa: string): Housekeeping {
  const { store, clock } = server;
  const dirty = new Set<string>();
  /** In the order of their last write: the oldest first. */
  const events = new Map<string, number>();

  store.subscribe((change) => {
    const namespace = namespaceOf(change);
    if (namespace !== undefined) dirty.add(namespace);
    if (change.collection !== 'events') return;
    events.delete(change.stored.key);
    if (change.type !== 'DELETED') events.set(change.stored.key, clock.monotonic());
  });
  for (const { key } of store.collection('events').list()) events.set(key, clock.monotonic());
  for (const { key } of store.collection('namespaces').list()) dirty.add(key);

  function provide(kind: Kind, namespace: string, name: string, data: object): void {
    if (store.collection(qualifiedResource(kind)).get(`${namespace}/${name}`) !== undefined) return;
    const object = { kind: kind.kind, apiVersion: 'v1', metadata: { name }, ...data } as ApiObject;
    createObject(server, internalCall(kind, namespace), object, false);
  }

  function tend(name: string): void {
    const stored = store.collection('namespaces').get(name);
    if (stored === undefined) return;
    const namespace = stored.object as Namespace;
    if (namespace.status?.phase !== 'Terminating') {
      provide(serviceAccounts, name, 'default', {});
      if (rootCa !== '') provide(configMaps, name, 'kube-root-ca.crt', { data: { 'ca.crt': rootCa } });
      return;
    }
    let left = 0;
    for (const kind of SERVED_KINDS) {
      if (!kind.namespaced) continue;
      for (const inside of store.collection(qualifiedResource(kind)).list()) {
        if (inside.object.metadata.namespace !== name) continue;
        const ending = inside.object.metadata.deletionTimestamp !== undefined;
        if (ending || !deleteStored(server, kind, inside, { propagationPolicy: 'Background' }).gone) left++;
      }
    }
    const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
    if (left > 0 || finalizers.length > 0 || (namespace.metadata?.finalizers ?? []).length > 0) return;
    const last = { ...stored.object, spec: {} } as ApiObject;
    const kind = SERVED_KINDS.find((one) => one.kind === 'Namespace');
    store.remove('namespaces', name, kind === undefined ? last : canonical(kind, last));
  }

  return {
    run() {
      const before = clock.monotonic() - EVENT_TTL_MS;
      for (const [key, at] of events) {
        if (at > before) break;
        const stored = store.collection('events').get(key);
        if (stored !== undefined) store.remove('events', key, stored.object);
      }
      // What is done here may call for more.
      while (dirty.size > 0) {
        const names = [...dirty];
        dirty.clear();
        for (const name of names) tend(name);
      }
    },
  };
}

/** The namespace that has to be looked after for this change; undefined for none. */
function namespaceOf({ collection, type, stored }: Change): string | undefined {
  if (collection === 'namespaces') return type === 'DELETED' ? undefined : stored.key;
  return type === 'DELETED' ? stored.object.metadata.namespace : undefined;
}

/** A call that no client made. */
export function internalCall(kind: Kind, namespace: string | undefined): Parameters<typeof createObject>[1] {
  const request = {
    method: 'POST',
    path: '',
    query: {},
    headers: {},
    body: '',
    signal: new AbortController().signal,
  };
  return { kind, namespace, name: undefined, request, warnings: [] };
}
