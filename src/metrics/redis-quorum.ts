/** The Redis servers that the leaders are elected with. */
import { Gauge, type Registry } from 'prom-client';

export interface QuorumCounts {
  readonly servers: number;
  readonly majority: number;
  readonly usable: number;
}

/** `count` is asked at every scrape. */
export function redisQuorumMetrics(registry: Registry, count: () => QuorumCounts): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: (counts: QuorumCounts) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(count()));
      },
    });
  };
  gauge('zonelet_redis_quorum_servers', 'Redis servers that the leaders are elected with.', ({ servers }) => servers);
  gauge(
    'zonelet_redis_quorum_needed',
    'How many of them have to be usable for a leader to be elected and to stay one.',
    ({ majority }) => majority,
  );
  gauge(
    'zonelet_redis_quorum_usable',
    'How many of them answer this replica and may be trusted with a lock.',
    ({ usable }) => usable,
  );
}
