/** What the Deployment controller writes: each write names the state that it was decided on. */

import type { Clock } from '../../../clock.ts';
import { hasCode, messageOf } from '../../../errors.ts';
import { ApiError, type KubeClient } from '../../../kube/client.ts';
import type { EventRecorder } from '../../../kube/event-recorder.ts';
import { DEPLOYMENTS, REPLICA_SETS } from '../../../kube/resources.ts';
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';
import { isNamespaceEnding } from '../namespace-ending.ts';
import { at, controllerOf, controllerReference } from '../ownership.ts';
import { newestAnnotations, REVISION, scaleAnnotations } from './annotations.ts';
import { type DeploymentStatus, hasProgressDeadline, newCondition, withCondition } from './status.ts';
import { newestSize, replicasOf } from './strategy.ts';
import { HASH_LABEL, sameTemplate, templateHash } from './template.ts';

export interface DeploymentWriter {
  /** The Deployment as it is afterwards. */
  updateStatus(deployment: Deployment, status: Partial<DeploymentStatus>, revision?: string): Promise<Deployment>;
  scale(deployment: Deployment, replicaSet: ReplicaSet, replicas: number): Promise<Scaled>;
  updateReplicaSet(
    replicaSet: ReplicaSet,
    change: { annotations: object; minReadySeconds: number },
  ): Promise<ReplicaSet>;
  createNewest(deployment: Deployment, others: readonly ReplicaSet[], revision: number): Promise<Created>;
  deleteReplicaSet(replicaSet: ReplicaSet): Promise<void>;
}

export interface Created {
  readonly replicaSet: ReplicaSet;
  readonly deployment: Deployment;
}

export interface Scaled {
  /** As it is afterwards. */
  readonly replicaSet: ReplicaSet;
  /** Its size changed. */
  readonly changed: boolean;
}

export interface WriterOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly signal: AbortSignal;
}

/** A name may have 253 characters. */
const MAX_NAME = 253;

export function createWriter({ client, clock, events, signal }: WriterOptions): DeploymentWriter {
  async function updateStatus(
    deployment: Deployment,
    status: Partial<DeploymentStatus>,
    revision?: string,
  ): Promise<Deployment> {
    const { uid, resourceVersion } = deployment.metadata ?? {};
    const annotations = revision === undefined ? {} : { annotations: { [REVISION]: revision } };
    const body = { metadata: { uid, resourceVersion, ...annotations }, status };
    return await client.patch(DEPLOYMENTS, at(deployment), { type: 'merge', body }, { subresource: 'status', signal });
  }

  async function patchReplicaSet(replicaSet: ReplicaSet, metadata: object, spec: object): Promise<ReplicaSet> {
    const { uid, resourceVersion } = replicaSet.metadata ?? {};
    const body = { metadata: { uid, resourceVersion, ...metadata }, spec };
    return await client.patch(REPLICA_SETS, at(replicaSet), { type: 'merge', body }, { signal });
  }

  function planned(deployment: Deployment, others: readonly ReplicaSet[], revision: number): ReplicaSet {
    const { metadata, spec } = deployment;
    const template = spec?.template;
    const hash = templateHash(template, deployment.status?.collisionCount);
    const labels = { ...template?.metadata?.labels, [HASH_LABEL]: hash };
    const name = `${(metadata?.name ?? '').slice(0, MAX_NAME - 1 - hash.length)}-${hash}`;
    const selector = {
      ...spec?.selector,
      matchLabels: { ...spec?.selector.matchLabels, [HASH_LABEL]: hash },
    };
    const replicaSet: ReplicaSet = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name,
        namespace: metadata?.namespace ?? '',
        labels,
        annotations: { ...newestAnnotations(deployment, {}, revision), ...scaleAnnotations(deployment) },
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas: 0,
        minReadySeconds: spec?.minReadySeconds ?? 0,
        selector,
        template: { ...template, metadata: { ...template?.metadata, labels } },
      },
    };
    const replicas = newestSize(deployment, [...others, replicaSet], replicaSet);
    return { ...replicaSet, spec: { selector, ...replicaSet.spec, replicas } };
  }

  /** Another object has the name: is it the one that is wanted, made by an earlier try? */
  async function existing(deployment: Deployment, wanted: ReplicaSet): Promise<ReplicaSet | undefined> {
    const found = await client.get(REPLICA_SETS, at(wanted), { signal });
    const isOwn = controllerOf(found)?.uid === deployment.metadata?.uid;
    return isOwn && sameTemplate(found.spec?.template, deployment.spec?.template) ? found : undefined;
  }

  async function tellFailure(deployment: Deployment, name: string, error: unknown): Promise<void> {
    const message = `Failed to create new replica set "${name}": ${messageOf(error)}`;
    events.record(deployment, 'Warning', 'ReplicaSetCreateError', message);
    if (!hasProgressDeadline(deployment)) return;
    const condition = newCondition('Progressing', 'False', 'ReplicaSetCreateError', message, clock.now());
    await updateStatus(deployment, { conditions: withCondition(deployment.status?.conditions ?? [], condition) });
  }

  return {
    updateStatus,
    async scale(deployment, replicaSet, replicas) {
      const before = replicasOf(replicaSet);
      const annotations = scaleAnnotations(deployment);
      const has = replicaSet.metadata?.annotations ?? {};
      if (before === replicas && Object.entries(annotations).every(([key, value]) => has[key] === value)) {
        return { replicaSet, changed: false };
      }
      const after = await patchReplicaSet(replicaSet, { annotations }, { replicas });
      if (before === replicas) return { replicaSet: after, changed: false };
      const direction = before < replicas ? 'up' : 'down';
      const message = `Scaled ${direction} replica set ${replicaSet.metadata?.name} from ${before} to ${replicas}`;
      events.record(deployment, 'Normal', 'ScalingReplicaSet', message);
      return { replicaSet: after, changed: true };
    },
    updateReplicaSet: (replicaSet, { annotations, minReadySeconds }) =>
      patchReplicaSet(replicaSet, { annotations }, { minReadySeconds }),
    async createNewest(deployment, others, revision) {
      const wanted = planned(deployment, others, revision);
      const name = wanted.metadata?.name ?? '';
      let replicaSet: ReplicaSet | undefined;
      let isNew = true;
      try {
        replicaSet = await client.create(REPLICA_SETS, wanted, { signal });
      } catch (error) {
        if (!hasCode(error, 'Conflict')) {
          if (error instanceof ApiError && !isNamespaceEnding(error)) await tellFailure(deployment, name, error);
          throw error;
        }
        replicaSet = await existing(deployment, wanted);
        isNew = false;
        if (replicaSet === undefined) {
          // The next try gets another hash.
          await updateStatus(deployment, { collisionCount: (deployment.status?.collisionCount ?? 0) + 1 });
          throw error;
        }
      }
      const size = replicasOf(replicaSet);
      if (isNew && size > 0) {
        events.record(deployment, 'Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${size}`);
      }
      const conditions = deployment.status?.conditions ?? [];
      const told =
        isNew && hasProgressDeadline(deployment)
          ? withCondition(
              conditions,
              newCondition(
                'Progressing',
                'True',
                'NewReplicaSetCreated',
                `Created new replica set "${name}"`,
                clock.now(),
              ),
            )
          : conditions;
      return { replicaSet, deployment: await updateStatus(deployment, { conditions: told }, String(revision)) };
    },
    async deleteReplicaSet(replicaSet) {
      const { uid } = replicaSet.metadata ?? {};
      try {
        await client.delete(REPLICA_SETS, at(replicaSet), { signal, ...(uid === undefined ? {} : { uid }) });
      } catch (error) {
        if (!hasCode(error, 'NotFound')) throw error;
      }
    },
  };
}
