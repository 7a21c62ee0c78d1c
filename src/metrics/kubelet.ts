/** The kubelet API that the API server dials. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface KubeletMetrics {
  readonly requests: Counter<'zone' | 'path' | 'code'>;
  readonly streams: Gauge<'zone'>;
  readonly sessions: Counter<'zone' | 'kind' | 'protocol'>;
  readonly certificateExpiry: Gauge<'zone'>;
}

export function kubeletMetrics(registry: Registry): KubeletMetrics {
  const registers = [registry];
  return {
    requests: new Counter({
      name: 'kubelet_http_requests_total',
      help: 'Requests to the kubelet API, by first path segment and HTTP status.',
      labelNames: ['zone', 'path', 'code'],
      registers,
    }),
    streams: new Gauge({
      name: 'zonelet_kubelet_streams',
      help: 'Streams (logs, exec, attach, port-forward) that are open.',
      labelNames: ['zone'],
      registers,
    }),
    sessions: new Counter({
      name: 'zonelet_kubelet_sessions_total',
      help: 'Sessions of exec, attach and port-forward that were begun, by kind and negotiated protocol.',
      labelNames: ['zone', 'kind', 'protocol'],
      registers,
    }),
    certificateExpiry: new Gauge({
      name: 'zonelet_kubelet_certificate_expiry_seconds',
      help: 'When the serving certificate that the cluster issued runs out, in seconds since the epoch.',
      labelNames: ['zone'],
      registers,
    }),
  };
}
