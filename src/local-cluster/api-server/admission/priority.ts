/** Priority: there are no PriorityClass objects here besides the two that every cluster has. */
import type { Pod } from '../../../kube/types.ts';
import { forbidden } from '../failure.ts';

const CLASSES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};
const PODS = { group: '', resource: 'pods' };

export function applyPriority({ spec, metadata }: Pod): void {
  if (spec === undefined) return;
  const name = metadata?.name ?? '';
  const { priorityClassName = '' } = spec;
  const known = Object.hasOwn(CLASSES, priorityClassName) ? CLASSES[priorityClassName] : undefined;
  if (priorityClassName !== '' && known === undefined) {
    throw forbidden(PODS, name, `no PriorityClass with name ${priorityClassName} was found`);
  }
  const priority = known ?? 0;
  if (spec.priority !== undefined && spec.priority !== priority) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`;
    throw forbidden(PODS, name, why);
  }
  spec.priority = priority;
  const policy = 'PreemptLowerPriority';
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`;
    throw forbidden(PODS, name, why);
  }
  spec.preemptionPolicy = policy;
}
