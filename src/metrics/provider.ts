/** Calls to the backends, under the kubelet's names for its runtime, with the zone added. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface ProviderMetrics {
  readonly operations: Counter<'zone' | 'operation_type'>;
  readonly errors: Counter<'zone' | 'operation_type' | 'code'>;
  readonly duration: Histogram<'zone' | 'operation_type'>;
  readonly state: Gauge<'zone' | 'state'>;
}

export function providerMetrics(registry: Registry): ProviderMetrics {
  const registers = [registry];
  const labelNames = ['zone', 'operation_type'] as const;
  return {
    operations: new Counter({
      name: 'kubelet_runtime_operations_total',
      help: 'Calls to the backend, by operation.',
      labelNames,
      registers,
    }),
    errors: new Counter({
      name: 'kubelet_runtime_operations_errors_total',
      help: 'Calls to the backend that failed, by operation and code.',
      labelNames: ['zone', 'operation_type', 'code'],
      registers,
    }),
    duration: new Histogram({
      name: 'kubelet_runtime_operations_duration_seconds',
      help: 'Seconds that a call to the backend took.',
      labelNames,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    state: new Gauge({
      name: 'zonelet_backend_state',
      help: '1 for the state that the backend of the zone is in: Up, NoNew, Down or Unknown.',
      labelNames: ['zone', 'state'],
      registers,
    }),
  };
}
