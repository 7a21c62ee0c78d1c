/** Leadership: who leads, since which epoch, how terms end and how long a take-over takes. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface ElectionMetrics {
  readonly leader: Gauge<'zone'>;
  readonly masterStatus: Gauge<'name'>;
  readonly epoch: Gauge<'zone'>;
  readonly termsBegun: Counter<'zone' | 'cause'>;
  readonly termsEnded: Counter<'zone' | 'reason'>;
  readonly takeover: Histogram<'zone'>;
  readonly takeoverPhase: Histogram<'zone' | 'phase'>;
  readonly renewDuration: Histogram<'zone'>;
  readonly renewFailures: Counter<'zone'>;
  readonly fenced: Counter<'zone' | 'by'>;
}

export function electionMetrics(registry: Registry): ElectionMetrics {
  const registers = [registry];
  const labelNames = ['zone'] as const;
  return {
    leader: new Gauge({ name: 'zonelet_leader', help: '1 while this replica leads the zone.', labelNames, registers }),
    masterStatus: new Gauge({
      name: 'leader_election_master_status',
      help: '1 while this replica holds the Lease of that name (client-go name).',
      labelNames: ['name'],
      registers,
    }),
    epoch: new Gauge({
      name: 'zonelet_term_epoch',
      help: 'Highest epoch of the zone that this replica knows.',
      labelNames,
      registers,
    }),
    termsBegun: new Counter({
      name: 'zonelet_terms_total',
      help: 'Terms begun by this replica: first, released, handed-over, expired, resumed, lock-lost, restarted, terminated or refused.',
      labelNames: ['zone', 'cause'],
      registers,
    }),
    termsEnded: new Counter({
      name: 'zonelet_terms_ended_total',
      help: 'Terms of this replica that ended: released, handed-back, expired, superseded, fenced or suspended.',
      labelNames: ['zone', 'reason'],
      registers,
    }),
    takeover: new Histogram({
      name: 'zonelet_takeover_seconds',
      help: 'Seconds from the last sign of the old leader to the first write of the new one.',
      labelNames,
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 5, 6, 7, 8, 10, 15, 30, 60],
      registers,
    }),
    takeoverPhase: new Histogram({
      name: 'zonelet_takeover_phase_seconds',
      help: 'Seconds that the phases of a take-over took, from the term that was won on: fence, freshness, list, resolve, publish.',
      labelNames: ['zone', 'phase'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    renewDuration: new Histogram({
      name: 'zonelet_lease_renew_duration_seconds',
      help: 'Seconds that a renewal of the zone Lease took.',
      labelNames,
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4],
      registers,
    }),
    renewFailures: new Counter({
      name: 'zonelet_lease_renew_failures_total',
      help: 'Renewals of the zone Lease that failed.',
      labelNames,
      registers,
    }),
    fenced: new Counter({
      name: 'zonelet_fenced_writes_total',
      help: 'Writes of this replica that were refused as stale, by who refused (self, backend, api-server, state).',
      labelNames: ['zone', 'by'],
      registers,
    }),
  };
}
