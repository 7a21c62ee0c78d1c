/** How a ReplicaSet makes and unmakes its pods. Source: pkg/controller/controller_utils.go (RealPodControl), replica_set.go. */
import { hasCode, messageOf } from '../../../errors.ts';
import type { KubeClient } from '../../../kube/client.ts';
import type { EventRecorder } from '../../../kube/event-recorder.ts';
import { PODS } from '../../../kube/resources.ts';
import type { Pod, ReplicaSet } from '../../../kube/types.ts';
import { isNamespaceEnding } from '../namespace-ending.ts';
import { controllerReference } from '../ownership.ts';

export interface PodMaker {
  /** Creates `count` pods, first one, then twice as many at a time while that works. How many came about, and what stopped it. */
  create(owner: ReplicaSet, count: number, signal: AbortSignal): Promise<Made>;
  /** Throws `NotFound` or `Conflict` when this pod is gone already. */
  delete(owner: ReplicaSet, pod: Pod, signal: AbortSignal): Promise<void>;
}

export interface Made {
  readonly made: number;
  readonly failure?: unknown;
}

export function createPodMaker(client: KubeClient, events: EventRecorder): PodMaker {
  async function createOne(owner: ReplicaSet, signal: AbortSignal): Promise<'made' | 'namespace ends'> {
    try {
      const pod = await client.create(PODS, podOf(owner), { signal });
      events.record(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata?.name ?? ''}`);
      return 'made';
    } catch (error) {
      // It will never work, and it is nobody's mistake.
      if (isNamespaceEnding(error)) return 'namespace ends';
      events.record(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
      throw error;
    }
  }

  return {
    async create(owner, count, signal) {
      let made = 0;
      for (let left = count, batch = Math.min(1, left); batch > 0; batch = Math.min(2 * batch, left)) {
        const results = await Promise.allSettled(Array.from({ length: batch }, () => createOne(owner, signal)));
        made += results.filter((result) => result.status === 'fulfilled' && result.value === 'made').length;
        const failed = results.find((result) => result.status === 'rejected');
        if (failed !== undefined) return { made, failure: failed.reason };
        left -= batch;
      }
      return { made };
    },
    async delete(owner, pod, signal) {
      const { name = '', namespace = '', uid } = pod.metadata ?? {};
      try {
        await client.delete(PODS, { name, namespace }, { signal, ...(uid === undefined ? {} : { uid }) });
      } catch (error) {
        if (!hasCode(error, 'NotFound', 'Conflict')) {
          events.record(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
        }
        throw error;
      }
      events.record(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    },
  };
}

function podOf(owner: ReplicaSet): Pod {
  const { metadata, spec } = owner.spec?.template ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata?.name ?? ''}-`,
      namespace: owner.metadata?.namespace ?? '',
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ...(metadata?.finalizers === undefined ? {} : { finalizers: metadata.finalizers }),
      ownerReferences: [controllerReference(owner)],
    },
    ...(spec === undefined ? {} : { spec }),
  };
}
