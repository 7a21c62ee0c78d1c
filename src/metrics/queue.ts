/** Work queues, under client-go's names. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface QueueMetrics {
  readonly depth: Gauge<'name'>;
  readonly adds: Counter<'name'>;
  readonly retries: Counter<'name'>;
  readonly wait: Histogram<'name'>;
  readonly work: Histogram<'name'>;
}

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30];

export function queueMetrics(registry: Registry): QueueMetrics {
  const registers = [registry];
  const labelNames = ['name'] as const;
  return {
    depth: new Gauge({ name: 'workqueue_depth', help: 'Keys that wait for a worker.', labelNames, registers }),
    adds: new Counter({ name: 'workqueue_adds_total', help: 'Keys added.', labelNames, registers }),
    retries: new Counter({ name: 'workqueue_retries_total', help: 'Keys tried again.', labelNames, registers }),
    wait: new Histogram({
      name: 'workqueue_queue_duration_seconds',
      help: 'Seconds that a key waited for a worker.',
      labelNames,
      buckets: SECONDS,
      registers,
    }),
    work: new Histogram({
      name: 'workqueue_work_duration_seconds',
      help: 'Seconds that the work on a key took.',
      labelNames,
      buckets: SECONDS,
      registers,
    }),
  };
}
