/** The pod and container that a path of the kubelet API names. */
import type { Pod } from '../kube/types.ts';
import type { PodRef } from '../provider/contract.ts';

export type Pods = (namespace: string, name: string) => Pod | undefined;

export interface PodQuestion {
  readonly namespace: string;
  readonly podName: string;
  /** When it is named too, another pod of the same name is not meant. */
  readonly uid?: string;
  readonly container?: string;
}

export type PodAnswer =
  | { readonly ok: true; readonly pod: Pod; readonly ref: PodRef }
  | { readonly ok: false; readonly status: 404; readonly message: string };

export function lookUpPod({ namespace, podName, uid, container }: PodQuestion, pods: Pods): PodAnswer {
  const pod = pods(namespace, podName);
  const found = pod?.metadata?.uid;
  if (pod === undefined || found === undefined || (uid !== undefined && uid !== found)) {
    return { ok: false, status: 404, message: `pod ${JSON.stringify(podName)} does not exist` };
  }
  if (container !== undefined && !containerNames(pod).includes(container)) {
    const message = `container ${JSON.stringify(container)} not found in pod ${JSON.stringify(podName)}`;
    return { ok: false, status: 404, message };
  }
  return { ok: true, pod, ref: { uid: found, namespace, name: podName } };
}

function containerNames(pod: Pod): readonly string[] {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...ephemeralContainers].map(({ name }) => name);
}
