/** Calls to the Redis servers. Servers are few and named by the configuration, so they may be a label. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface RedisMetrics {
  readonly up: Gauge<'server'>;
  readonly calls: Counter<'server' | 'script'>;
  readonly errors: Counter<'server' | 'script' | 'reason'>;
  readonly duration: Histogram<'server' | 'script'>;
}

export function redisMetrics(registry: Registry): RedisMetrics {
  const registers = [registry];
  const labelNames = ['server', 'script'] as const;
  return {
    up: new Gauge({
      name: 'zonelet_redis_up',
      help: '1 while the Redis server answers this replica.',
      labelNames: ['server'],
      registers,
    }),
    calls: new Counter({
      name: 'zonelet_redis_calls_total',
      help: 'Calls to Redis, by script.',
      labelNames,
      registers,
    }),
    errors: new Counter({
      name: 'zonelet_redis_errors_total',
      help: "Calls to Redis that failed, by script and reason: the first word of the server's answer, or UNREACHABLE, CLOSED, TIMEOUT, ABORTED.",
      labelNames: ['server', 'script', 'reason'],
      registers,
    }),
    duration: new Histogram({
      name: 'zonelet_redis_duration_seconds',
      help: 'Seconds that a call to Redis took.',
      labelNames,
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
  };
}
