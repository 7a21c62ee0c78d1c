/**
 * What a backend that returns still runs of pods that Kubernetes has given up meanwhile: two copies of a pod must not run,
 * so these end before the zone's node is Ready again.
 */
import type { KubeClient } from '../../kube/client.ts';
import type { Informer } from '../../kube/informer.ts';
import type { Pod } from '../../kube/types.ts';
import type { Logger } from '../../log.ts';
import { isInApi } from '../../pods/live-read.ts';
import type { BackendPod } from '../../provider/contract.ts';
import type { GuardedProvider } from '../../provider/guard.ts';
import type { TermProvider } from '../../provider/term-provider.ts';

export interface ReplacedPodsOptions {
  readonly zone: string;
  readonly owner: string;
  readonly client: Pick<KubeClient, 'get'>;
  /** Pods bound to the zone's node. */
  readonly pods: Informer<Pod>;
  readonly provider: Pick<GuardedProvider, 'list'>;
  readonly mutations: Pick<TermProvider, 'delete'>;
  readonly log: Logger;
}

/**
 * One look: removes what has left the API, and counts what must still end. A pod whose deletion was asked for ends by the
 * pod controller, with its grace. Throws what the backend or the API throw; an incomplete list counts as something left.
 */
export async function removeReplaced(options: ReplacedPodsOptions, signal: AbortSignal): Promise<number> {
  const { zone, owner, provider, pods, log } = options;
  // In this order: what is on the backend was in the API before, so what the API lacks then has left it.
  const { pods: running, complete } = await provider.list(owner, signal);
  await pods.refresh(signal);
  const known = new Map(pods.list().map((pod) => [pod.metadata?.uid ?? '', pod]));
  let left = complete ? 0 : 1;
  for (const pod of running) {
    if (pod.zone !== zone) continue;
    const wanted = known.get(pod.ref.uid);
    if (wanted !== undefined) {
      if (wanted.metadata?.deletionTimestamp !== undefined && isRunning(pod)) left++;
      continue;
    }
    if (await isInApi(options.client, pod.ref, signal)) continue;
    const result = await options.mutations.delete(pod.ref, { gracePeriodSeconds: 0, signal });
    if (result.state === 'stopping') left++;
    const name = `${pod.ref.namespace}/${pod.ref.name}`;
    log.info({ pod: name, uid: pod.ref.uid }, 'removed a pod that was replaced while its zone was down');
  }
  return left;
}

function isRunning({ observation }: BackendPod): boolean {
  return observation.containers.some(({ state }) => state.running !== undefined);
}
