/** All metrics of a replica on one registry; every name carries the set as label `set`. No pod name or UID is ever a label. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type ApiMetrics, apiMetrics } from './api.ts';
import { type ElectionMetrics, electionMetrics } from './election.ts';
import { type HealthMetrics, healthMetrics } from './health.ts';
import { type KubeletMetrics, kubeletMetrics } from './kubelet.ts';
import { type NodeMetrics, nodeMetrics } from './node.ts';
import { type PeerMetrics, peerMetrics } from './peers.ts';
import { type PodMetrics, podMetrics } from './pods.ts';
import { type ProviderMetrics, providerMetrics } from './provider.ts';
import { type QueueMetrics, queueMetrics } from './queue.ts';
import { type RedisMetrics, redisMetrics } from './redis.ts';
import { type StateMetrics, stateMetrics } from './state.ts';

export interface Metrics {
  readonly registry: Registry;
  readonly api: ApiMetrics;
  readonly queue: QueueMetrics;
  readonly election: ElectionMetrics;
  readonly health: HealthMetrics;
  readonly node: NodeMetrics;
  readonly peers: PeerMetrics;
  readonly pods: PodMetrics;
  readonly provider: ProviderMetrics;
  readonly kubelet: KubeletMetrics;
  readonly redis: RedisMetrics;
  readonly state: StateMetrics;
}

export interface MetricsOptions {
  readonly set: string;
  readonly version: string;
  /** Also collect Node's own (event-loop lag, heap, file descriptors). @defaultValue true; tests leave it out. */
  readonly runtime?: boolean;
}

/** How often the event loop's lag is looked at, in milliseconds: every 10, the library's default, costs 0.6 % of a core. */
const LAG_EVERY_MS = 100;

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ set: options.set });
  if (options.runtime ?? true)
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_EVERY_MS });
  new Gauge({
    name: 'zonelet_build_info',
    help: 'Always 1; the version is the label.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: options.version }, 1);
  return {
    registry,
    api: apiMetrics(registry),
    queue: queueMetrics(registry),
    election: electionMetrics(registry),
    health: healthMetrics(registry),
    node: nodeMetrics(registry),
    peers: peerMetrics(registry),
    pods: podMetrics(registry),
    provider: providerMetrics(registry),
    kubelet: kubeletMetrics(registry),
    redis: redisMetrics(registry),
    state: stateMetrics(registry),
  };
}
