/** Pods of the zones that this replica leads. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface PodMetrics {
  readonly pods: Gauge<'zone' | 'phase'>;
  readonly startDuration: Histogram<'zone'>;
  readonly created: Counter<'zone' | 'outcome'>;
  readonly refused: Counter<'zone'>;
  readonly orphansDeleted: Counter<'zone'>;
  readonly statusWrites: Counter<'zone'>;
  readonly resourceSeconds: Counter<'zone' | 'resource'>;
}

export function podMetrics(registry: Registry): PodMetrics {
  const registers = [registry];
  const labelNames = ['zone'] as const;
  return {
    pods: new Gauge({
      name: 'zonelet_pods',
      help: 'Pods of the zone, by phase; reported by its leader.',
      labelNames: ['zone', 'phase'],
      registers,
    }),
    startDuration: new Histogram({
      name: 'kubelet_pod_start_duration_seconds',
      help: 'Seconds from first seeing a pod to its Running being written (kubelet name).',
      labelNames,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300],
      registers,
    }),
    created: new Counter({
      name: 'zonelet_pods_created_total',
      help: 'Pods asked of the backend, by outcome: created, or adopted because it ran there already.',
      labelNames: ['zone', 'outcome'],
      registers,
    }),
    refused: new Counter({
      name: 'zonelet_pods_refused_total',
      help: 'Pods left Pending because the backend cannot express them.',
      labelNames,
      registers,
    }),
    orphansDeleted: new Counter({
      name: 'zonelet_orphans_deleted_total',
      help: 'Backend pods removed because the API server has no such pod.',
      labelNames,
      registers,
    }),
    statusWrites: new Counter({
      name: 'zonelet_pod_status_writes_total',
      help: 'Pod status patches sent.',
      labelNames,
      registers,
    }),
    resourceSeconds: new Counter({
      name: 'zonelet_pod_resource_seconds_total',
      help: 'Seconds times requested resources (core seconds, byte seconds, pod seconds) that pods were run for: what a user pays for.',
      labelNames: ['zone', 'resource'],
      registers,
    }),
  };
}
