/** ReplicaSets: as many pods as asked for. Source: pkg/controller/replicaset. */
import { hasCode, messageOf } from '../../../errors.ts';
import { keyOf } from '../../../kube/informer.ts';
import { PODS, REPLICA_SETS } from '../../../kube/resources.ts';
import type { Pod, ReplicaSet } from '../../../kube/types.ts';
import { sameJson } from '../../api-server/api-object.ts';
import { structuredSelector } from '../../api-server/selectors/labels.ts';
import type { Controller, ControllerContext } from '../context.ts';
import { at, claim, controllerOf } from '../ownership.ts';
import { isActive, isEnding, untilAvailable } from '../pod-state.ts';
import { podsToDelete } from './deletion-order.ts';
import { createExpectations } from './expectations.ts';
import { createPodMaker } from './pod-making.ts';
import { createPodsByController } from './pods-by-controller.ts';
import { sameStatus, statusOf } from './status.ts';

/** As `--concurrent-replicaset-syncs`. */
const WORKERS = 5;
/** Pods made or deleted in one go. */
const BURST = 500;

export function createReplicaSetController(context: ControllerContext): Controller {
  const { client, clock, caches, log } = context;
  const queue = context.queue('replicaset');
  const makePods = createPodMaker(client, context.recorder('replicaset-controller'));
  const expectations = createExpectations(clock);
  const pods = createPodsByController(caches.pods);

  function ownerOf(pod: Pod): ReplicaSet | undefined {
    const reference = controllerOf(pod);
    if (reference?.kind !== 'ReplicaSet') return undefined;
    const owner = caches.replicaSets.get(`${pod.metadata?.namespace}/${reference.name}`);
    return owner?.metadata?.uid === reference.uid ? owner : undefined;
  }

  /** Whoever may want to adopt it. */
  function offer({ metadata }: Pod): void {
    for (const one of caches.replicaSets.list()) {
      if (one.metadata?.namespace !== metadata?.namespace) continue;
      if (structuredSelector(one.spec?.selector)(metadata?.labels)) queue.add(keyOf(one));
    }
  }

  function noticeEnd(pod: Pod): void {
    const owner = ownerOf(pod);
    if (owner === undefined) return;
    expectations.deletionSeen(keyOf(owner), pod.metadata?.uid ?? '');
    queue.add(keyOf(owner));
  }

  caches.replicaSets.subscribe({
    added: (one) => queue.add(keyOf(one)),
    updated: (_before, one) => queue.add(keyOf(one)),
    deleted(one) {
      expectations.forget(keyOf(one));
      queue.add(keyOf(one));
    },
  });
  caches.pods.subscribe({
    added(pod) {
      if (isEnding(pod)) return noticeEnd(pod);
      if (controllerOf(pod) === undefined) return offer(pod);
      const owner = ownerOf(pod);
      if (owner === undefined) return;
      expectations.creationSeen(keyOf(owner));
      queue.add(keyOf(owner));
    },
    updated(before, pod) {
      const ownerBefore = ownerOf(before);
      if (ownerBefore !== undefined) queue.add(keyOf(ownerBefore));
      // With grace a deletion is seen as an update first: it must not be waited for until the pod is gone.
      if (isEnding(pod)) return noticeEnd(pod);
      const owner = ownerOf(pod);
      if (owner !== undefined) {
        queue.add(keyOf(owner));
        const wait = untilAvailable(pod, owner.spec?.minReadySeconds ?? 0, clock.now());
        if (wait !== undefined && wait > 0) queue.addAfter(keyOf(owner), wait + 1_000);
      } else if (controllerOf(pod) === undefined && !sameOffer(before, pod)) offer(pod);
    },
    deleted: noticeEnd,
  });

  async function sync(key: string, signal: AbortSignal): Promise<void> {
    const replicaSet = caches.replicaSets.get(key);
    if (replicaSet === undefined) return expectations.forget(key);
    const { uid = '', namespace = '' } = replicaSet.metadata ?? {};
    const mayAct = expectations.satisfied(key);
    const candidates = pods.candidates(uid, namespace);
    const selector = structuredSelector(replicaSet.spec?.selector);
    const active = await claim(candidates.filter(isActive), {
      client,
      resource: PODS,
      owner: replicaSet,
      ownerResource: REPLICA_SETS,
      selector,
      signal,
    });
    const terminating = candidates.filter(
      (pod) => isEnding(pod) && controllerOf(pod)?.uid === uid && selector(pod.metadata?.labels),
    ).length;
    let failure: unknown;
    if (mayAct && replicaSet.metadata?.deletionTimestamp === undefined) {
      failure = await adjust(replicaSet, active, key, signal);
    }
    const nowMs = clock.now();
    const text = failure === undefined ? undefined : messageOf(failure);
    const status = statusOf({ replicaSet, active, terminating, failure: text, nowMs });
    if (!sameStatus(replicaSet.status, status)) {
      const body = { metadata: { uid }, status };
      try {
        await client.patch(REPLICA_SETS, at(replicaSet), { type: 'merge', body }, { subresource: 'status', signal });
      } catch (error) {
        if (!hasCode(error, 'NotFound')) throw error;
      }
    }
    if (failure !== undefined) throw failure;
    const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
    const waits = active.map((pod) => untilAvailable(pod, minReadySeconds, nowMs) ?? 0).filter((ms) => ms > 0);
    if (waits.length > 0) queue.addAfter(key, Math.min(...waits));
  }

  /** Creates what is missing or deletes what is too much; what failed. */
  async function adjust(
    replicaSet: ReplicaSet,
    active: readonly Pod[],
    key: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    const missing = (replicaSet.spec?.replicas ?? 1) - active.length;
    if (missing > 0) {
      const count = Math.min(missing, BURST);
      expectations.expectCreations(key, count);
      log.debug({ replicaSet: key, count }, 'creating pods');
      const { made, failure } = await makePods.create(replicaSet, count, signal);
      for (let i = made; i < count; i++) expectations.creationSeen(key);
      return failure;
    }
    if (missing === 0) return undefined;
    const doomed = podsToDelete(active, relatedPods(replicaSet), Math.min(-missing, BURST), clock.now());
    expectations.expectDeletions(
      key,
      doomed.map(({ metadata }) => metadata?.uid ?? ''),
    );
    log.debug({ replicaSet: key, count: doomed.length }, 'deleting pods');
    let failure: unknown;
    await Promise.all(
      doomed.map(async (pod) => {
        try {
          await makePods.delete(replicaSet, pod, signal);
        } catch (error) {
          expectations.deletionSeen(key, pod.metadata?.uid ?? '');
          if (!hasCode(error, 'NotFound', 'Conflict')) failure ??= error;
        }
      }),
    );
    return failure;
  }

  /** The pods of all ReplicaSets of the same Deployment. */
  function relatedPods(replicaSet: ReplicaSet): Pod[] {
    const uid = controllerOf(replicaSet)?.uid;
    const related =
      uid === undefined ? [replicaSet] : caches.replicaSets.list().filter((other) => controllerOf(other)?.uid === uid);
    return related.flatMap(({ metadata }) => pods.controlledBy(metadata?.uid ?? ''));
  }

  return { name: 'replicaset', run: (signal) => queue.run(WORKERS, sync, signal) };
}

function sameOffer(before: Pod, after: Pod): boolean {
  return (
    sameJson(before.metadata?.labels ?? {}, after.metadata?.labels ?? {}) &&
    sameJson(before.metadata?.ownerReferences ?? [], after.metadata?.ownerReferences ?? [])
  );
}
