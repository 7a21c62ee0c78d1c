/** PodTopologyLabels: a pod carries the zone and region of its node, whether it was bound or created there. */
import type { Node, Pod } from '../../../kube/types.ts';
import type { Store } from '../storage/store.ts';

const COPIED = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

export function copyTopologyLabels(store: Store, pod: Pod, nodeName: string | undefined): void {
  if (nodeName === undefined || nodeName === '') return;
  const node = store.collection('nodes').get(nodeName)?.object as Node | undefined;
  const labels = Object.entries(node?.metadata?.labels ?? {}).filter(([key]) => COPIED.includes(key));
  if (labels.length > 0)
    pod.metadata = { ...pod.metadata, labels: { ...pod.metadata?.labels, ...Object.fromEntries(labels) } };
}
