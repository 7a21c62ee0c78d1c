/** What every controller works with: one client, and one cache of each kind for all of them. */
import { Registry } from 'prom-client';
import type { Clock, Random } from '../../clock.ts';
import { hasCode } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { createEventRecorder, type EventWriter } from '../../kube/event-recorder.ts';
import { createInformer, type Informer } from '../../kube/informer.ts';
import { DEPLOYMENTS, LEASES, NODES, PODS, REPLICA_SETS } from '../../kube/resources.ts';
import type { Deployment, KubeObject, Lease, Node, Pod, ReplicaSet } from '../../kube/types.ts';
import { createWorkQueue, type WorkQueue } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { apiMetrics } from '../../metrics/api.ts';
import { queueMetrics } from '../../metrics/queue.ts';

export interface ControllerOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface ControllerContext extends ControllerOptions {
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly deployments: Informer<Deployment>;
  readonly leases: Informer<Lease>;
  /** Of the component that says it. */
  events(component: string): EventWriter;
  queue(name: string): WorkQueue;
  /** Runs caches and Events until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  synced(signal: AbortSignal): Promise<void>;
}

export function createContext(options: ControllerOptions): ControllerContext {
  const { client, clock, random, log } = options;
  // Nobody reads the metrics of a cluster that is there for a demo or a test.
  const registry = new Registry();
  const metrics = apiMetrics(registry);
  const queues = queueMetrics(registry);
  const informing = { client, selection: {}, clock, random, metrics, log };
  const pods = createInformer({ ...informing, resource: PODS });
  const nodes = createInformer({ ...informing, resource: NODES });
  const replicaSets = createInformer({ ...informing, resource: REPLICA_SETS });
  const deployments = createInformer({ ...informing, resource: DEPLOYMENTS });
  const leases = createInformer({ ...informing, resource: LEASES });
  const informers = [pods, nodes, replicaSets, deployments, leases];
  const recorders: EventWriter[] = [];
  return {
    ...options,
    pods,
    nodes,
    replicaSets,
    deployments,
    leases,
    events(component) {
      const recorder = createEventRecorder({ client, clock, random, source: { component, host: '' }, metrics, log });
      recorders.push(recorder);
      return recorder;
    },
    queue: (name) => createWorkQueue({ name, clock, random, metrics: queues, log }),
    async run(signal) {
      await Promise.all([...informers, ...recorders].map((part) => part.run(signal)));
    },
    async synced(signal) {
      await Promise.all(informers.map((informer) => informer.synced(signal)));
    },
  };
}

/** Somebody else was first, or it is gone: the cache will tell, and then it is looked at again. */
export function isOvertaken(error: unknown): boolean {
  return hasCode(error, 'Conflict', 'NotFound');
}

/** The owner that controls the object. */
export function controllerOf(
  object: KubeObject,
): NonNullable<NonNullable<KubeObject['metadata']>['ownerReferences']>[number] | undefined {
  return object.metadata?.ownerReferences?.find(({ controller }) => controller === true);
}

export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Neither over nor on its way out. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata?.deletionTimestamp === undefined;
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}
