/** Source: printDeployment, printReplicaSet. */
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';
import { selectorText } from '../selectors/labels.ts';
import type { Column } from './column.ts';

type Workload = Deployment | ReplicaSet;

const wide: readonly Column[] = [
  { name: 'Containers', type: 'string', priority: 1, cell: (object) => containers(object as Workload, 'name') },
  { name: 'Images', type: 'string', priority: 1, cell: (object) => containers(object as Workload, 'image') },
  {
    name: 'Selector',
    type: 'string',
    priority: 1,
    cell: (object) => selectorText((object as Workload).spec?.selector),
  },
];

export const deploymentColumns: readonly Column[] = [
  {
    name: 'Ready',
    type: 'string',
    cell: (object) => {
      const { spec, status } = object as Deployment;
      return `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`;
    },
  },
  { name: 'Up-to-date', type: 'string', cell: (object) => (object as Deployment).status?.updatedReplicas ?? 0 },
  { name: 'Available', type: 'string', cell: (object) => (object as Deployment).status?.availableReplicas ?? 0 },
  ...wide,
];

export const replicaSetColumns: readonly Column[] = [
  { name: 'Desired', type: 'integer', cell: (object) => (object as ReplicaSet).spec?.replicas ?? 0 },
  { name: 'Current', type: 'integer', cell: (object) => (object as ReplicaSet).status?.replicas ?? 0 },
  { name: 'Ready', type: 'integer', cell: (object) => (object as ReplicaSet).status?.readyReplicas ?? 0 },
  ...wide,
];

function containers({ spec }: Workload, field: 'name' | 'image'): string {
  return (spec?.template?.spec?.containers ?? []).map((container) => container[field] ?? '').join(',');
}
