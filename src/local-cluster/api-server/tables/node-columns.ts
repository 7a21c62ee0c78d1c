/** Source: printNode. */
import type { Node } from '../../../kube/types.ts';
import type { Column } from './column.ts';

const ROLE = 'node-role.kubernetes.io/';
const UNKNOWN = '<unknown>';

export const nodeColumns: readonly Column[] = [
  { name: 'Status', type: 'string', cell: (object) => conditions(object as Node) },
  { name: 'Roles', type: 'string', cell: (object) => roles(object as Node) },
  {
    name: 'Version',
    type: 'string',
    after: 'age',
    cell: (object) => (object as Node).status?.nodeInfo?.kubeletVersion ?? '',
  },
  { name: 'Internal-IP', type: 'string', priority: 1, cell: (object) => address(object as Node, 'InternalIP') },
  { name: 'External-IP', type: 'string', priority: 1, cell: (object) => address(object as Node, 'ExternalIP') },
  { name: 'OS-Image', type: 'string', priority: 1, cell: (object) => info(object as Node, 'osImage') },
  { name: 'Kernel-Version', type: 'string', priority: 1, cell: (object) => info(object as Node, 'kernelVersion') },
  {
    name: 'Container-Runtime',
    type: 'string',
    priority: 1,
    cell: (object) => info(object as Node, 'containerRuntimeVersion'),
  },
];

function conditions({ spec, status }: Node): string {
  const ready = (status?.conditions ?? []).filter(({ type }) => type === 'Ready');
  const parts = ready.map((condition) => (condition.status === 'True' ? 'Ready' : 'NotReady'));
  const shown: string[] = parts.length === 0 ? ['Unknown'] : parts;
  return [...shown, ...(spec?.unschedulable === true ? ['SchedulingDisabled'] : [])].join(',');
}

function roles({ metadata }: Node): string {
  const found = Object.entries(metadata?.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(ROLE) && key !== ROLE) return [key.slice(ROLE.length)];
    return key === 'kubernetes.io/role' && value !== '' ? [value] : [];
  });
  return found.length === 0 ? '<none>' : [...new Set(found)].sort().join(',');
}

function address({ status }: Node, type: string): string {
  return status?.addresses?.find((one) => one.type === type)?.address ?? '<none>';
}

function info({ status }: Node, field: 'osImage' | 'kernelVersion' | 'containerRuntimeVersion'): string {
  const text = status?.nodeInfo?.[field] ?? '';
  return text === '' ? UNKNOWN : text;
}
