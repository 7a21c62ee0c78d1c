/** The bodies of `/pods` (what the API has bound to this node) and `/runningpods/` (what runs on the backend), as PodLists. */
import type { Pod } from '../kube/types.ts';
import type { BackendPod } from '../provider/contract.ts';

/** In pieces: ten thousand pods are not to be one string. */
export function* podList(items: Iterable<Pod>): Generator<string, void, void> {
  yield '{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[';
  let separator = '';
  for (const { kind: _kind, apiVersion: _apiVersion, ...pod } of items) {
    yield separator + JSON.stringify(pod);
    separator = ',';
  }
  yield ']}\n';
}

/** As the kubelet shows what its runtime has: who it is, and which containers run. */
export function* runningPods(pods: Iterable<BackendPod>): Generator<Pod, void, void> {
  for (const { ref, observation } of pods) {
    const running = observation.containers.filter(({ state }) => state.running !== undefined);
    if (running.length === 0) continue;
    yield {
      metadata: { name: ref.name, namespace: ref.namespace, uid: ref.uid },
      spec: {
        containers: running.map(({ name, image }) => ({
          name,
          ...(image === undefined ? {} : { image }),
          resources: {},
        })),
      },
      status: {},
    };
  }
}
