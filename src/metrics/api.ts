/** Requests to the API server, under client-go's names, so that existing panels and alerts work. */
import { Counter, Histogram, type Registry } from 'prom-client';

export interface ApiMetrics {
  readonly requests: Counter<'code' | 'method' | 'host'>;
  readonly duration: Histogram<'verb' | 'host'>;
  readonly watchRestarts: Counter<'resource' | 'reason'>;
  readonly warnings: Counter<string>;
  readonly eventsDropped: Counter<string>;
}

export function apiMetrics(registry: Registry): ApiMetrics {
  return {
    requests: new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the API server, by HTTP status (or `error` without one), method and host.',
      labelNames: ['code', 'method', 'host'],
      registers: [registry],
    }),
    duration: new Histogram({
      name: 'rest_client_request_duration_seconds',
      help: 'Seconds from sending a request to the API server to the end of its answer; watches are not counted.',
      labelNames: ['verb', 'host'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    }),
    watchRestarts: new Counter({
      name: 'zonelet_watch_restarts_total',
      help: 'Watches that were begun again, by resource and reason (ended, expired, stalled, error, regressed).',
      labelNames: ['resource', 'reason'],
      registers: [registry],
    }),
    warnings: new Counter({
      name: 'zonelet_api_warnings_total',
      help: 'Warnings in answers of the API server, such as of statuses that came too late (fence.admissionPolicy: warn); the log tells each kind once.',
      registers: [registry],
    }),
    eventsDropped: new Counter({
      name: 'zonelet_events_dropped_total',
      help: 'Kubernetes Events that were not written because too many were waiting.',
      registers: [registry],
    }),
  };
}
