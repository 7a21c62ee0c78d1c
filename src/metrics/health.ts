/** How the zones' backends are, as the replicas agree. */
import { Gauge, type Registry } from 'prom-client';

export interface HealthMetrics {
  readonly health: Gauge<'zone' | 'state'>;
  readonly observers: Gauge<'zone' | 'state'>;
  readonly brake: Gauge<'zone' | 'reason'>;
}

export function healthMetrics(registry: Registry): HealthMetrics {
  const registers = [registry];
  const labelNames = ['zone', 'state'] as const;
  return {
    health: new Gauge({
      name: 'zonelet_zone_health',
      help: '1 for what this replica holds of the zone, from what all replicas see: Up, NoNew, Down or Unknown.',
      labelNames,
      registers,
    }),
    observers: new Gauge({
      name: 'zonelet_zone_observers',
      help: "Living replicas by what they see of the zone's backend: Up, NoNew, Down or Unknown.",
      labelNames,
      registers,
    }),
    brake: new Gauge({
      name: 'zonelet_zone_brake',
      help: '1 while the zone looks down and is not given up: too many zones at once (majority, told by its leader), or all of them (everything).',
      labelNames: ['zone', 'reason'],
      registers,
    }),
  };
}
