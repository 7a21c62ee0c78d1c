/** The controllers of a small cluster, as ordinary clients of its API. */
import { Registry } from 'prom-client';
import type { Clock, Random } from '../../clock.ts';
import { hasCode } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { createEventRecorder, type EventWriter } from '../../kube/event-recorder.ts';
import { createWorkQueue } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { apiMetrics } from '../../metrics/api.ts';
import { queueMetrics } from '../../metrics/queue.ts';
import { createCaches } from './caches.ts';
import type { ControllerContext } from './context.ts';
import { createDeploymentController } from './deployments/controller.ts';
import { createGarbageCollector } from './garbage/collector.ts';
import { createConditionTaints } from './nodes/condition-taints.ts';
import { createNodeLifecycle } from './nodes/lifecycle.ts';
import { createTaintEviction } from './nodes/taint-eviction.ts';
import { createPodCollector } from './pod-collector.ts';
import { createReplicaSetController } from './replica-sets/controller.ts';
import { createScheduler } from './scheduler/scheduler.ts';
import { type ControllerSettings, DEFAULT_SETTINGS } from './settings.ts';

export interface ControllersOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** @defaultValue as in Kubernetes 1.36 */
  readonly settings?: ControllerSettings;
}

/** Runs them all until the signal aborts; they begin once their caches are filled. */
export async function runControllers(options: ControllersOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, random, log } = options;
  // Of interest to nobody: a cluster for trying things out is not monitored.
  const metrics = { api: apiMetrics(new Registry()), queue: queueMetrics(new Registry()) };
  const { caches, kinds } = createCaches({ client, clock, random, metrics: metrics.api, log });
  const writers: EventWriter[] = [];
  const context: ControllerContext = {
    client,
    clock,
    random,
    log,
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
    caches,
    kinds,
    queue: (name) => createWorkQueue({ name, clock, random, metrics: metrics.queue, log }),
    recorder(component) {
      const source = { component, host: 'local-cluster' };
      const writer = createEventRecorder({ client, clock, random, source, metrics: metrics.api, log });
      writers.push(writer);
      return writer;
    },
  };
  const controllers = [
    createScheduler(context),
    createReplicaSetController(context),
    createDeploymentController(context),
    createGarbageCollector(context),
    createConditionTaints(context),
    createNodeLifecycle(context),
    createTaintEviction(context),
    createPodCollector(context),
  ];
  const informers = kinds.map(({ informer }) => informer);
  const running = [
    ...informers.map((informer) => informer.run(signal)),
    ...writers.map((writer) => writer.run(signal)),
  ];
  try {
    await Promise.all(informers.map((informer) => informer.synced(signal)));
    log.debug({ controllers: controllers.map(({ name }) => name) }, 'the controllers begin');
    running.push(...controllers.map((controller) => controller.run(signal)));
  } catch (error) {
    if (!hasCode(error, 'Aborted')) throw error;
  }
  await Promise.all(running);
}
