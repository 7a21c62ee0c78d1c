/** The columns of each kind, as `kubectl get` users know them. Source: pkg/printers/internalversion/printers.go. */

import { parseTime } from '../../../kube/micro-time.ts';
import type { Event, Lease, Namespace, Secret, Service } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { age, duration } from './age.ts';
import type { Column } from './column.ts';
import { nodeColumns } from './node-columns.ts';
import { podColumns } from './pod-columns.ts';
import { deploymentColumns, replicaSetColumns } from './workload-columns.ts';

export const NAME: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  cell: ({ metadata }) => metadata.name ?? '',
};
export const AGE: Column = {
  name: 'Age',
  type: 'string',
  cell: ({ metadata }, nowMs) => age(metadata.creationTimestamp, nowMs),
};

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  Pod: podColumns,
  Node: nodeColumns,
  Deployment: deploymentColumns,
  ReplicaSet: replicaSetColumns,
  Namespace: [{ name: 'Status', type: 'string', cell: (object) => (object as Namespace).status?.phase ?? '' }],
  Lease: [{ name: 'Holder', type: 'string', cell: (object) => (object as Lease).spec?.holderIdentity ?? '' }],
  ConfigMap: [{ name: 'Data', type: 'string', cell: (object) => count(object, 'data', 'binaryData') }],
  Secret: [
    { name: 'Type', type: 'string', cell: (object) => (object as Secret).type ?? '' },
    { name: 'Data', type: 'string', cell: (object) => count(object, 'data') },
  ],
  ServiceAccount: [],
  Service: [
    { name: 'Type', type: 'string', cell: (object) => (object as Service).spec?.type ?? '' },
    { name: 'Cluster-IP', type: 'string', cell: (object) => (object as Service).spec?.clusterIP ?? '<none>' },
    { name: 'External-IP', type: 'string', cell: (object) => (object as Service).spec?.externalName ?? '<none>' },
    { name: 'Port(s)', type: 'string', cell: (object) => ports(object as Service) },
    { name: 'Selector', type: 'string', priority: 1, cell: (object) => selector(object as Service) },
  ],
};

const EVENT_COLUMNS: readonly Column[] = [
  { name: 'Last Seen', type: 'string', cell: (object, nowMs) => lastSeen(object as Event, nowMs) },
  { name: 'Type', type: 'string', cell: (object) => (object as Event).type ?? '' },
  { name: 'Reason', type: 'string', cell: (object) => (object as Event).reason ?? '' },
  { name: 'Object', type: 'string', cell: (object) => involved(object as Event) },
  {
    name: 'Subobject',
    type: 'string',
    priority: 1,
    cell: (object) => (object as Event).involvedObject.fieldPath ?? '',
  },
  { name: 'Source', type: 'string', priority: 1, cell: (object) => source(object as Event) },
  { name: 'Message', type: 'string', cell: (object) => ((object as Event).message ?? '').trim() },
  {
    name: 'First Seen',
    type: 'string',
    priority: 1,
    cell: (object, nowMs) => age((object as Event).firstTimestamp ?? (object as Event).eventTime, nowMs),
  },
  { name: 'Count', type: 'string', priority: 1, cell: (object) => (object as Event).count ?? 1 },
  { ...NAME, priority: 1 },
];

/** Name and age for kinds that have nothing to say. */
export function columnsOf(kind: string): readonly Column[] {
  if (kind === 'Event') return EVENT_COLUMNS;
  const own = COLUMNS[kind] ?? [];
  const main = own.filter(({ priority = 0 }) => priority === 0);
  const wide = own.filter(({ priority = 0 }) => priority > 0);
  return [
    NAME,
    ...main.filter(({ after }) => after !== 'age'),
    AGE,
    ...main.filter(({ after }) => after === 'age'),
    ...wide,
  ];
}

function count(object: ApiObject, ...fields: readonly string[]): number {
  const values = object as unknown as Readonly<Record<string, object | undefined>>;
  return fields.reduce((sum, field) => sum + Object.keys(values[field] ?? {}).length, 0);
}

function ports({ spec }: Service): string {
  const all = (spec?.ports ?? []).map(({ port, protocol = 'TCP' }) => `${port}/${protocol}`);
  return all.length === 0 ? '<none>' : all.join(',');
}

function selector({ spec }: Service): string {
  const all = Object.entries(spec?.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  return all.length === 0 ? '<none>' : all.sort().join(',');
}

function involved({ involvedObject }: Event): string {
  return `${(involvedObject.kind ?? '').toLowerCase()}/${involvedObject.name ?? ''}`;
}

function source({ source: by, reportingComponent, reportingInstance }: Event): string {
  const component = by?.component ?? '';
  const host = by?.host ?? '';
  const parts = component === '' ? [reportingComponent, reportingInstance] : [component, host];
  return parts.filter((part) => part !== undefined && part !== '').join(', ');
}

function lastSeen(event: Event, nowMs: number): string {
  const first = event.firstTimestamp ?? event.eventTime;
  const last = event.series?.lastObservedTime ?? event.lastTimestamp ?? first;
  const times = event.series?.count ?? event.count ?? 1;
  const from = parseTime(first);
  if (times > 1 && from !== undefined) return `${age(last, nowMs)} (x${times} over ${duration(nowMs - from)})`;
  return age(last, nowMs);
}
