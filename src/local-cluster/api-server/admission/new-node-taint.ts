/** TaintNodesByCondition: nothing is scheduled to a new node before its conditions were looked at. */
import type { Node } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

export function taintNewNode(object: ApiObject): void {
  const node = object as Node;
  const taints = node.spec?.taints ?? [];
  if (taints.some(({ key, effect }) => key === NOT_READY.key && effect === NOT_READY.effect)) return;
  node.spec = { ...node.spec, taints: [...taints, { ...NOT_READY }] };
}
