/**
 * Deletes what its owners left behind, and keeps owners until what blocks them is gone. What the caches say is only the
 * occasion: whether an owner is there is asked of the API server. Source: pkg/controller/garbagecollector.
 */
import { hasCode } from '../../../errors.ts';
import type { KubeObject, OwnerReference } from '../../../kube/types.ts';
import type { Controller, ControllerContext } from '../context.ts';
import { at, writeOwners } from '../ownership.ts';
import { createGraph, type Item, nameOf, ownersOf, uidOf } from './graph.ts';

const WORKERS = 20;
const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

type Policy = 'Foreground' | 'Background' | 'Orphan';

interface Owners {
  /** They are there. */
  readonly solid: readonly OwnerReference[];
  readonly dangling: readonly OwnerReference[];
  /** They are on their way out, after their dependents. */
  readonly waiting: readonly OwnerReference[];
}

export function createGarbageCollector(context: ControllerContext): Controller {
  const { client, kinds } = context;
  const log = context.log.child({ controller: 'garbage collector' });
  const queue = context.queue('garbage');

  const graph = createGraph(kinds, {
    changed(item) {
      const uid = uidOf(item.object);
      if (isHeldBy(item.object, FOREGROUND) || isHeldBy(item.object, ORPHAN)) {
        queue.add(uid);
        for (const dependent of graph.dependentsOf(uid)) queue.add(uidOf(dependent.object));
      } else if (ownersOf(item.object).some((owner) => !isKnownOwner(owner))) queue.add(uid);
    },
    gone({ object }) {
      for (const dependent of graph.dependentsOf(uidOf(object))) queue.add(uidOf(dependent.object));
      // It may have been the last that held them.
      for (const owner of ownersOf(object)) if (graph.get(owner) !== undefined) queue.add(owner);
    },
  });

  /** In a cache, and not waiting for its dependents: nothing to ask about. */
  function isKnownOwner(uid: string): boolean {
    const owner = graph.get(uid);
    return owner !== undefined && !isHeldBy(owner.object, FOREGROUND);
  }

  async function process(uid: string, signal: AbortSignal): Promise<void> {
    const item = graph.get(uid);
    if (item === undefined) return;
    const { object } = item;
    if (isEnding(object) && !isHeldBy(object, FOREGROUND) && !isHeldBy(object, ORPHAN)) return;
    const live = await read(item, signal);
    if (live === undefined || uidOf(live) !== uid) return;
    const latest: Item = { ...item, object: live };
    if (isHeldBy(live, ORPHAN)) return await letGo(latest, signal);
    if (isHeldBy(live, FOREGROUND)) return await endDependents(latest, signal);
    if (!isEnding(live) && ownersOf(live).length > 0) await judge(latest, signal);
  }

  /** Undefined when it is gone. */
  async function read({ kind, object }: Item, signal: AbortSignal): Promise<KubeObject | undefined> {
    try {
      return await client.get(kind.resource, at(object), { signal });
    } catch (error) {
      if (hasCode(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  /** Takes the owner off its dependents, and then lets it end. */
  async function letGo(item: Item, signal: AbortSignal): Promise<void> {
    const uid = uidOf(item.object);
    for (const dependent of graph.dependentsOf(uid)) {
      const live = await read(dependent, signal);
      if (live !== undefined) await dropOwners({ ...dependent, object: live }, [uid], signal);
    }
    await removeFinalizer(item, ORPHAN, signal);
  }

  /** An owner that goes after its dependents. */
  async function endDependents(item: Item, signal: AbortSignal): Promise<void> {
    const uid = uidOf(item.object);
    const blocking = graph
      .dependentsOf(uid)
      .filter(({ object }) =>
        object.metadata?.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
      );
    for (const { object } of blocking) queue.add(uidOf(object));
    if (blocking.length === 0) await removeFinalizer(item, FOREGROUND, signal);
  }

  /** May it stay? */
  async function judge(item: Item, signal: AbortSignal): Promise<void> {
    const { solid, dangling, waiting } = await sortOwners(item, signal);
    if (solid.length > 0) {
      const over = [...dangling, ...waiting].map(({ uid }) => uid);
      if (over.length > 0) await dropOwners(item, over, signal);
      return;
    }
    const dependents = graph.dependentsOf(uidOf(item.object));
    if (waiting.length === 0 || dependents.length === 0) return await remove(item, policyOf(item.object), signal);
    // Two that wait for each other would wait for ever.
    if (dependents.some(({ object }) => isHeldBy(object, FOREGROUND))) await unblock(item, signal);
    else await remove(item, 'Foreground', signal);
  }

  async function sortOwners(item: Item, signal: AbortSignal): Promise<Owners> {
    const solid: OwnerReference[] = [];
    const dangling: OwnerReference[] = [];
    const waiting: OwnerReference[] = [];
    for (const reference of item.object.metadata?.ownerReferences ?? []) {
      const owner = await findOwner(item, reference, signal);
      if (owner === 'unknown') solid.push(reference);
      else if (owner === undefined || uidOf(owner) !== reference.uid) dangling.push(reference);
      else if (isHeldBy(owner, FOREGROUND)) waiting.push(reference);
      else solid.push(reference);
    }
    return { solid, dangling, waiting };
  }

  /** `unknown`: of a kind that is not looked after here, which never is a reason to delete anything. */
  async function findOwner(
    { object }: Item,
    { apiVersion, kind, name }: OwnerReference,
    signal: AbortSignal,
  ): Promise<KubeObject | 'unknown' | undefined> {
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const known = kinds.find(
      ({ resource }) => resource.group === group && resource.version === version && resource.kind === kind,
    );
    if (known === undefined) return 'unknown';
    const namespace = object.metadata?.namespace ?? '';
    // A namespaced owner of something that has no namespace cannot be found.
    if (known.resource.namespaced && namespace === '') return 'unknown';
    const owner: KubeObject = { metadata: known.resource.namespaced ? { name, namespace } : { name } };
    return await read({ kind: known, object: owner }, signal);
  }

  async function dropOwners({ kind, object }: Item, uids: readonly string[], signal: AbortSignal): Promise<void> {
    const before = object.metadata?.ownerReferences ?? [];
    const kept = before.filter(({ uid }) => !uids.includes(uid));
    if (kept.length < before.length) await writeOwners(object, kept, { client, resource: kind.resource, signal });
  }

  async function unblock(item: Item, signal: AbortSignal): Promise<void> {
    const { kind, object } = item;
    const references = (object.metadata?.ownerReferences ?? []).map((one) => ({ ...one, blockOwnerDeletion: false }));
    const after = await writeOwners(object, references, { client, resource: kind.resource, signal });
    if (after !== undefined) await remove({ kind, object: after }, 'Foreground', signal);
  }

  async function removeFinalizer({ kind, object }: Item, finalizer: string, signal: AbortSignal): Promise<void> {
    const { uid, resourceVersion, finalizers = [] } = object.metadata ?? {};
    const body = { metadata: { uid, resourceVersion, finalizers: finalizers.filter((one) => one !== finalizer) } };
    try {
      await client.patch(kind.resource, at(object), { type: 'merge', body }, { signal });
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
    }
  }

  async function remove(item: Item, propagationPolicy: Policy, signal: AbortSignal): Promise<void> {
    const { kind, object } = item;
    const { uid = '', resourceVersion = '' } = object.metadata ?? {};
    log.debug({ object: nameOf(item), propagationPolicy }, 'deleting what has no owner any more');
    try {
      await client.delete(kind.resource, at(object), { uid, resourceVersion, propagationPolicy, signal });
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
    }
  }

  return { name: 'garbage collector', run: (signal) => queue.run(WORKERS, process, signal) };
}

function isEnding({ metadata }: KubeObject): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

/** It is being deleted, and waits for the collector to take this finalizer away. */
function isHeldBy(object: KubeObject, finalizer: string): boolean {
  return isEnding(object) && object.metadata?.finalizers?.includes(finalizer) === true;
}

/** What its own finalizers already ask for. */
function policyOf({ metadata }: KubeObject): Policy {
  if (metadata?.finalizers?.includes(ORPHAN) === true) return 'Orphan';
  return metadata?.finalizers?.includes(FOREGROUND) === true ? 'Foreground' : 'Background';
}
