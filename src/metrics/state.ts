/** Shared pod state in Redis. Nothing of this moves where the state is kept on the pods. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface StateMetrics {
  readonly connected: Gauge<'zone'>;
  readonly records: Gauge<'zone'>;
  readonly writes: Counter<'zone'>;
  readonly errors: Counter<'zone' | 'reason'>;
  readonly duration: Histogram<'zone'>;
  readonly rebuilds: Counter<'zone'>;
}

export function stateMetrics(registry: Registry): StateMetrics {
  const registers = [registry];
  const labelNames = ['zone'] as const;
  return {
    connected: new Gauge({
      name: 'zonelet_state_connected',
      help: "1 while this replica follows or writes the zone's shared pod state.",
      labelNames,
      registers,
    }),
    records: new Gauge({
      name: 'zonelet_state_records',
      help: "Pods in this replica's copy of the zone's shared pod state.",
      labelNames,
      registers,
    }),
    writes: new Counter({
      name: 'zonelet_state_writes_total',
      help: 'Writes to the shared pod state; each carries up to 200 pods.',
      labelNames,
      registers,
    }),
    errors: new Counter({
      name: 'zonelet_state_errors_total',
      help: 'Reads and writes of the shared pod state that failed: reasons of zonelet_redis_errors_total, FENCED, FOREIGN or FULL.',
      labelNames: ['zone', 'reason'],
      registers,
    }),
    duration: new Histogram({
      name: 'zonelet_state_write_duration_seconds',
      help: 'Seconds that a write to the shared pod state took.',
      labelNames,
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      registers,
    }),
    rebuilds: new Counter({
      name: 'zonelet_state_rebuilds_total',
      help: 'Times that the store had lost its contents and the leader wrote them anew.',
      labelNames,
      registers,
    }),
  };
}
