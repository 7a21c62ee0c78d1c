/**
 * ReplicaSets: as many pods as they ask for. Source of the rules: kubernetes pkg/controller/replicaset.
 *
 * What was asked for and is not in the cache yet is expected; while anything is expected of a ReplicaSet nothing new is
 * asked for, so that a cache that lags behind never makes a pod too many.
 */
import { messageOf } from '../../errors.ts';
import { keyOf } from '../../kube/informer.ts';
import { PODS, REPLICA_SETS } from '../../kube/resources.ts';
import type { OwnerReference, Pod, ReplicaSet } from '../../kube/types.ts';
import { structuredSelector } from '../api-server/selectors/label-selector.ts';
import { type ControllerContext, controllerOf, isActive, isOvertaken, isReady } from './context.ts';
import type { Controller } from './controllers.ts';
import { createExpectations } from './expectations.ts';

/** Created or deleted in one go, as `BurstReplicas`. */
const BURST = 500;
const WORKERS = 5;

export function runReplicaSets(context: ControllerContext): Controller {
  const { client, pods, replicaSets, clock } = context;
  const queue = context.queue('replicaset');
  const events = context.events('replicaset-controller');
  const expectations = createExpectations(clock);
  /** Names of the pods that each ReplicaSet controls, by its UID: so that nobody has to look through all pods. */
  const controlled = new Map<string, Set<string>>();

  const ownerKey = (pod: Pod): string | undefined => {
    const owner = controllerOf(pod);
    return owner?.kind === 'ReplicaSet' ? `${pod.metadata?.namespace}/${owner.name}` : undefined;
  };
  const index = (pod: Pod, there: boolean): void => {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'ReplicaSet') return;
    const names = controlled.get(owner.uid) ?? new Set();
    if (there) controlled.set(owner.uid, names.add(keyOf(pod)));
    else names.delete(keyOf(pod));
    if (names.size === 0) controlled.delete(owner.uid);
  };
  const wake = (pod: Pod): void => {
    const key = ownerKey(pod);
    if (key !== undefined) queue.add(key);
    // An orphan may be one that a ReplicaSet is looking for.
    else for (const set of replicaSets.list()) if (selects(set, pod)) queue.add(keyOf(set));
  };

  function ownedBy(set: ReplicaSet): Pod[] {
    const names = controlled.get(set.metadata?.uid ?? '') ?? [];
    return [...names].flatMap((name) => pods.get(name) ?? []);
  }

  async function create(set: ReplicaSet): Promise<void> {
    const { namespace = '', name = '', uid = '' } = set.metadata ?? {};
    const template = set.spec?.template;
    const owner: OwnerReference = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name,
      uid,
      controller: true,
      blockOwnerDeletion: true,
    };
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...template?.metadata, namespace, generateName: `${name}-`, ownerReferences: [owner] },
      ...(template?.spec === undefined ? {} : { spec: template.spec }),
    };
    try {
      const made = await client.create(PODS, pod);
      events.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata?.name}`);
    } catch (error) {
      expectations.createFailed(uid);
      events.record(set, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
      throw error;
    }
  }

  async function remove(set: ReplicaSet, pod: Pod): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
    try {
      await client.delete(PODS, { namespace, name }, { uid });
      events.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    } catch (error) {
      expectations.deleted(set.metadata?.uid ?? '', uid);
      if (!isOvertaken(error)) throw error;
    }
  }

  async function adopt(set: ReplicaSet): Promise<void> {
    const { namespace = '', uid = '', name = '' } = set.metadata ?? {};
    for (const pod of pods.list()) {
      if (pod.metadata?.namespace !== namespace || controllerOf(pod) !== undefined || !isActive(pod)) continue;
      if (!selects(set, pod)) continue;
      const owner = {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        name,
        uid,
        controller: true,
        blockOwnerDeletion: true,
      };
      const ownerReferences = [...(pod.metadata.ownerReferences ?? []), owner];
      const { resourceVersion, uid: podUid } = pod.metadata;
      const body = { metadata: { uid: podUid, resourceVersion, ownerReferences } };
      await client.patch(PODS, { namespace, name: pod.metadata.name ?? '' }, { type: 'merge', body });
    }
  }

  /** A few first, then twice as many each time: a template that cannot be created costs a few requests, not thousands. */
  async function createSlowly(set: ReplicaSet, count: number): Promise<void> {
    expectations.expectCreations(set.metadata?.uid ?? '', count);
    for (let left = count, size = 1; left > 0; size *= 2) {
      const now = Math.min(left, size);
      const results = await Promise.allSettled(Array.from({ length: now }, () => create(set)));
      left -= now;
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) continue;
      for (let i = 0; i < left; i++) expectations.createFailed(set.metadata?.uid ?? '');
      throw failed.reason;
    }
  }

  async function sync(key: string): Promise<void> {
    const set = replicaSets.get(key);
    if (set === undefined) return;
    const uid = set.metadata?.uid ?? '';
    if (set.metadata?.deletionTimestamp === undefined) await adopt(set);
    const owned = ownedBy(set).filter(isActive);
    let failure: unknown;
    if (set.metadata?.deletionTimestamp === undefined && expectations.met(uid)) {
      const missing = (set.spec?.replicas ?? 1) - owned.length;
      try {
        if (missing > 0) await createSlowly(set, Math.min(missing, BURST));
        if (missing < 0) {
          const leaving = leastWanted(owned).slice(0, Math.min(-missing, BURST));
          expectations.expectDeletions(
            uid,
            leaving.map(({ metadata }) => metadata?.uid ?? ''),
          );
          await Promise.all(leaving.map((pod) => remove(set, pod)));
        }
      } catch (error) {
        failure = error;
      }
    }
    await writeStatus(set, owned);
    if (failure !== undefined) throw failure;
    queue.forget(key);
  }

  async function writeStatus(set: ReplicaSet, owned: readonly Pod[]): Promise<void> {
    const labels = Object.entries(set.spec?.template?.metadata?.labels ?? {});
    const minReadyMs = (set.spec?.minReadySeconds ?? 0) * 1000;
    const ready = owned.filter(isReady);
    let nextAvailableMs: number | undefined;
    const available = ready.filter((pod) => {
      const since = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
      const left = minReadyMs - (clock.now() - Date.parse(since ?? ''));
      if (minReadyMs === 0 || left <= 0) return true;
      nextAvailableMs = Math.min(nextAvailableMs ?? left, left);
      return false;
    });
    if (nextAvailableMs !== undefined) queue.addAfter(keyOf(set), nextAvailableMs);
    const status = {
      replicas: owned.length,
      fullyLabeledReplicas: owned.filter(({ metadata }) => labels.every(([k, v]) => metadata?.labels?.[k] === v))
        .length,
      readyReplicas: ready.length,
      availableReplicas: available.length,
      observedGeneration: set.metadata?.generation ?? 0,
    };
    const before: Readonly<Record<string, unknown>> = { ...set.status };
    if (Object.entries(status).every(([field, value]) => (before[field] ?? 0) === value)) return;
    const { namespace = '', name = '', uid = '' } = set.metadata ?? {};
    try {
      await client.patch(
        REPLICA_SETS,
        { namespace, name },
        { type: 'merge', body: { metadata: { uid }, status } },
        { subresource: 'status' },
      );
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }

  replicaSets.subscribe({
    added: (set) => queue.add(keyOf(set)),
    updated: (_, set) => queue.add(keyOf(set)),
    deleted: (set) => expectations.forget(set.metadata?.uid ?? ''),
  });
  pods.subscribe({
    added(pod) {
      index(pod, true);
      const owner = controllerOf(pod);
      if (owner?.kind === 'ReplicaSet') expectations.created(owner.uid);
      wake(pod);
    },
    updated(before, pod) {
      index(before, false);
      index(pod, true);
      const owner = controllerOf(pod);
      if (owner?.kind === 'ReplicaSet' && pod.metadata?.deletionTimestamp !== undefined) {
        expectations.deleted(owner.uid, pod.metadata.uid ?? '');
      }
      wake(pod);
    },
    deleted(pod) {
      index(pod, false);
      const owner = controllerOf(pod);
      if (owner?.kind === 'ReplicaSet') expectations.deleted(owner.uid, pod.metadata?.uid ?? '');
      wake(pod);
    },
  });
  return (signal) => queue.run(WORKERS, sync, signal);
}

function selects(set: ReplicaSet, pod: Pod): boolean {
  return (
    pod.metadata?.namespace === set.metadata?.namespace && structuredSelector(set.spec?.selector)(pod.metadata?.labels)
  );
}

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

/** Whom a ReplicaSet can spare first: without a node, not ready, cheap, on a node with many of its own, young. `ActivePodsWithRanks`. */
function leastWanted(pods: readonly Pod[]): Pod[] {
  const perNode = new Map<string, number>();
  for (const { spec } of pods) perNode.set(spec?.nodeName ?? '', (perNode.get(spec?.nodeName ?? '') ?? 0) + 1);
  const rank = (pod: Pod): number[] => [
    pod.spec?.nodeName === undefined ? 0 : 1,
    ['Pending', 'Unknown', 'Running'].indexOf(pod.status?.phase ?? 'Pending'),
    isReady(pod) ? 1 : 0,
    Number(pod.metadata?.annotations?.[DELETION_COST] ?? 0),
    -(perNode.get(pod.spec?.nodeName ?? '') ?? 0),
    -Date.parse(pod.metadata?.creationTimestamp ?? ''),
  ];
  return pods
    .map((pod) => ({ pod, rank: rank(pod) }))
    .sort((a, b) => {
      const i = a.rank.findIndex((value, at) => value !== b.rank[at]);
      return i < 0 ? 0 : (a.rank[i] ?? 0) - (b.rank[i] ?? 0);
    })
    .map(({ pod }) => pod);
}
