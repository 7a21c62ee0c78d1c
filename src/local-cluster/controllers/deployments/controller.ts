/** Deployments: a ReplicaSet for each template, and the way from one to the next. Source: pkg/controller/deployment. */
import { hasCode } from '../../../errors.ts';
import { keyOf } from '../../../kube/informer.ts';
import { DEPLOYMENTS, REPLICA_SETS } from '../../../kube/resources.ts';
import type { Deployment, Pod, ReplicaSet } from '../../../kube/types.ts';
import { structuredSelector } from '../../api-server/selectors/labels.ts';
import type { Controller, ControllerContext } from '../context.ts';
import { claim, controllerOf } from '../ownership.ts';
import { step } from './rollout.ts';
import { conditionOf, hasProgressDeadline, isComplete, progressDeadline, TIMED_OUT } from './status.ts';
import { isRollingUpdate } from './strategy.ts';
import { createWriter } from './writer.ts';

/** As `--concurrent-deployment-syncs`. */
const WORKERS = 5;

export function createDeploymentController(context: ControllerContext): Controller {
  const { client, clock, caches } = context;
  const queue = context.queue('deployment');
  const events = context.recorder('deployment-controller');

  function noticeReplicaSet(one: ReplicaSet): void {
    const reference = controllerOf(one);
    const { namespace, labels } = one.metadata ?? {};
    if (reference !== undefined) {
      if (reference.kind === 'Deployment') queue.add(`${namespace}/${reference.name}`);
      return;
    }
    // Whoever may want to adopt it.
    for (const deployment of caches.deployments.list()) {
      if (deployment.metadata?.namespace !== namespace) continue;
      if (structuredSelector(deployment.spec?.selector)(labels)) queue.add(keyOf(deployment));
    }
  }

  caches.deployments.subscribe({
    added: (one) => queue.add(keyOf(one)),
    updated: (_before, one) => queue.add(keyOf(one)),
  });
  caches.replicaSets.subscribe({
    added: noticeReplicaSet,
    updated(before, one) {
      const reference = controllerOf(before);
      if (reference !== undefined && reference.uid !== controllerOf(one)?.uid) noticeReplicaSet(before);
      noticeReplicaSet(one);
    },
    deleted: noticeReplicaSet,
  });
  caches.pods.subscribe({
    // One that re-creates waits until the last old pod is gone.
    deleted(pod) {
      const reference = controllerOf(pod);
      if (reference?.kind !== 'ReplicaSet') return;
      const replicaSet = caches.replicaSets.get(`${pod.metadata?.namespace}/${reference.name}`);
      const owner = replicaSet === undefined ? undefined : controllerOf(replicaSet);
      if (owner?.kind !== 'Deployment') return;
      const deployment = caches.deployments.get(`${pod.metadata?.namespace}/${owner.name}`);
      if (deployment !== undefined && !isRollingUpdate(deployment)) queue.add(keyOf(deployment));
    },
  });

  function podsOf({ metadata }: ReplicaSet): Pod[] {
    return caches.pods.list().filter((pod) => controllerOf(pod)?.uid === metadata?.uid);
  }

  async function sync(key: string, signal: AbortSignal): Promise<void> {
    const deployment = caches.deployments.get(key);
    if (deployment === undefined) return;
    const inNamespace = caches.replicaSets
      .list()
      .filter(({ metadata }) => metadata?.namespace === deployment.metadata?.namespace);
    const replicaSets = await claim(inNamespace, {
      client,
      resource: REPLICA_SETS,
      owner: deployment,
      ownerResource: DEPLOYMENTS,
      selector: structuredSelector(deployment.spec?.selector),
      signal,
    });
    const writer = createWriter({ client, clock, events, signal });
    try {
      lookAgain(key, await step({ deployment, replicaSets, podsOf, writer, now: () => clock.now() }));
    } catch (error) {
      // It is gone, or the cache is behind by a little.
      if (!hasCode(error, 'NotFound') || caches.deployments.get(key) !== undefined) throw error;
    }
  }

  /** When nothing moves any more, somebody has to notice that. */
  function lookAgain(key: string, deployment: Deployment): void {
    const progressing = conditionOf(deployment.status, 'Progressing');
    if (!hasProgressDeadline(deployment) || progressing?.reason === TIMED_OUT) return;
    if (deployment.spec?.paused === true || isComplete(deployment, deployment.status)) return;
    const deadline = progressDeadline(deployment, progressing);
    if (deadline !== undefined) queue.addAfter(key, Math.max(1_000, deadline - clock.now() + 1_000));
  }

  return { name: 'deployment', run: (signal) => queue.run(WORKERS, sync, signal) };
}
