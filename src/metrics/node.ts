/** The virtual nodes: readiness and room. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface NodeMetrics {
  readonly ready: Gauge<'zone' | 'node'>;
  readonly capacity: Gauge<'zone' | 'resource'>;
  readonly allocatable: Gauge<'zone' | 'resource'>;
  readonly allocated: Gauge<'zone' | 'resource'>;
  readonly heartbeats: Counter<'zone' | 'outcome'>;
}

export function nodeMetrics(registry: Registry): NodeMetrics {
  const registers = [registry];
  const labelNames = ['zone', 'resource'] as const;
  return {
    ready: new Gauge({
      name: 'zonelet_node_ready',
      help: '1 while the virtual node of the zone is Ready; reported by its leader.',
      labelNames: ['zone', 'node'],
      registers,
    }),
    capacity: new Gauge({
      name: 'zonelet_node_capacity',
      help: 'Capacity of the virtual node: cores, bytes or a count, by resource.',
      labelNames,
      registers,
    }),
    allocatable: new Gauge({
      name: 'zonelet_node_allocatable',
      help: 'What pods may request of the virtual node: cores, bytes or a count, by resource.',
      labelNames,
      registers,
    }),
    allocated: new Gauge({
      name: 'zonelet_node_allocated',
      help: 'What the pods bound to the virtual node request: cores, bytes or a count, by resource.',
      labelNames,
      registers,
    }),
    heartbeats: new Counter({
      name: 'zonelet_node_heartbeats_total',
      help: 'Renewals of the node Lease, by outcome (ok, error).',
      labelNames: ['zone', 'outcome'],
      registers,
    }),
  };
}
