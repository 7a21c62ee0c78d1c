/** Connections between the replicas of a set, whose ends tell of deaths. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface PeerMetrics {
  readonly connected: Gauge;
  readonly ended: Counter<'end'>;
}

/** `unproved`: closed or broken, and nothing follows from it. Many of them tell of a network, or of something in between. */
const ENDS = ['goodbye', 'dead', 'unproved'] as const;

export function peerMetrics(registry: Registry): PeerMetrics {
  const registers = [registry];
  const ended = new Counter({
    name: 'zonelet_peer_connections_ended_total',
    help: 'Connections to other replicas that ended: with a goodbye, by proved death, or with nothing proved.',
    labelNames: ['end'],
    registers,
  });
  for (const end of ENDS) ended.inc({ end }, 0);
  return {
    connected: new Gauge({
      name: 'zonelet_peers_connected',
      help: 'Other replicas that this one is connected to.',
      registers,
    }),
    ended,
  };
}
