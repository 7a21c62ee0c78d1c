/**
 * kube-scheduler's part: pods without a node get one. Decisions are made one after another, each on a view that counts
 * the ones before; bindings are sent beside each other. There is no preemption and no order of priorities.
 */
import type { V1Binding } from '@kubernetes/client-node';
import { hasCode } from '../../../errors.ts';
import { keyOf } from '../../../kube/informer.ts';
import type { Resource } from '../../../kube/resources.ts';
import type { Node, Pod, Wire } from '../../../kube/types.ts';
import { sameJson } from '../../api-server/api-object.ts';
import type { Controller, ControllerContext } from '../context.ts';
import { controllerOf } from '../ownership.ts';
import { isEnding, isFinished, writePodStatus } from '../pod-state.ts';
import { createClusterView } from './cluster-view.ts';
import { place } from './placement.ts';
import { type PodSelector, podSelector } from './pod-selector.ts';

const SCHEDULER_NAME = 'default-scheduler';
/** Sends the binding of a pod as a subresource of it. */
const BINDINGS: Resource<Wire<V1Binding>> = {
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Binding',
  namespaced: true,
};
/** Bindings under way. */
const WORKERS = 16;
/** As kube-scheduler's `podInitialBackoffSeconds` and `podMaxBackoffSeconds`. */
const FIRST_BACKOFF_MS = 1_000;
const LAST_BACKOFF_MS = 10_000;
/** As its `podMaxInUnschedulablePodsDuration`: then it is tried again although nothing seems to have changed. */
const RETRY_ANYWAY_MS = 300_000;

interface Waiting {
  readonly uid: string;
  readonly attempts: number;
  /** Monotonic. */
  readonly triedAt: number;
}

export function createScheduler(context: ControllerContext): Controller {
  const { client, clock, random, log, caches } = context;
  const queue = context.queue('scheduler');
  const events = context.recorder(SCHEDULER_NAME);
  const view = createClusterView();
  /** Pods that no node could take. */
  const waiting = new Map<string, Waiting>();
  let retryAsked = false;

  /** Something changed that may let waiting pods in. What comes in one burst counts once. */
  function retryWaiting(): void {
    if (retryAsked || waiting.size === 0) return;
    retryAsked = true;
    clock.setTimer(0, () => {
      retryAsked = false;
      const now = clock.monotonic();
      for (const [key, { attempts, triedAt }] of waiting) {
        const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(attempts - 1, 10), LAST_BACKOFF_MS);
        queue.addAfter(key, Math.max(0, triedAt + backoff - now));
      }
    });
  }

  function noticePod(before: Pod | undefined, pod: Pod): void {
    view.observe(pod);
    const isPlaced = (pod.spec?.nodeName ?? '') !== '';
    if (!isPlaced) {
      // The scheduler's own writes on the status are no reason to try again.
      if (before === undefined || !sameRequest(before, pod)) queue.add(keyOf(pod));
      return;
    }
    waiting.delete(keyOf(pod));
    const wasPlaced = (before?.spec?.nodeName ?? '') !== '';
    const changed = !wasPlaced || before === undefined || !sameWeight(before, pod);
    if (changed) retryWaiting();
  }

  caches.nodes.subscribe({
    added(node) {
      view.setNode(node);
      retryWaiting();
    },
    updated(before, node) {
      view.setNode(node);
      if (!sameOffer(before, node)) retryWaiting();
    },
    deleted(node) {
      view.removeNode(node.metadata?.name ?? '');
      retryWaiting();
    },
  });
  caches.pods.subscribe({
    added: (pod) => noticePod(undefined, pod),
    updated: noticePod,
    deleted(pod) {
      view.remove(pod);
      waiting.delete(keyOf(pod));
      if ((pod.spec?.nodeName ?? '') !== '') retryWaiting();
    },
  });

  function isToSchedule(pod: Pod): boolean {
    const { nodeName = '', schedulerName = SCHEDULER_NAME, schedulingGates = [] } = pod.spec ?? {};
    if (nodeName !== '' || schedulerName !== SCHEDULER_NAME || schedulingGates.length > 0) return false;
    return !isEnding(pod) && !isFinished(pod) && !view.isAssumed(pod);
  }

  function ownSelector(pod: Pod): PodSelector | undefined {
    const controller = controllerOf(pod);
    if (controller?.kind !== 'ReplicaSet') return undefined;
    const replicaSet = caches.replicaSets.get(`${pod.metadata?.namespace}/${controller.name}`);
    return replicaSet?.spec === undefined ? undefined : podSelector(replicaSet.spec.selector, undefined);
  }

  async function schedule(key: string, signal: AbortSignal): Promise<void> {
    const pod = caches.pods.get(key);
    if (pod === undefined || !isToSchedule(pod)) {
      waiting.delete(key);
      return;
    }
    const placement = place({
      pod,
      views: view.nodes(),
      random,
      namespaces: (name) => caches.namespaces.get(name)?.metadata?.labels,
      ownSelector: ownSelector(pod),
    });
    if ('node' in placement) await bind(pod, placement.node, key, signal);
    else await putOff(pod, placement.message, key, signal);
  }

  async function bind(pod: Pod, nodeName: string, key: string, signal: AbortSignal): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    view.assume(pod, nodeName);
    const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target };
    try {
      await client.create(BINDINGS, binding, { subresource: 'binding', signal });
    } catch (error) {
      view.forget(pod);
      // Gone, ending, replaced or bound by somebody else: the cache will say.
      if (hasCode(error, 'NotFound', 'Conflict')) return;
      throw error;
    }
    waiting.delete(key);
    events.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${nodeName}`);
    log.debug({ pod: key, node: nodeName }, 'pod bound');
  }

  async function putOff(pod: Pod, message: string, key: string, signal: AbortSignal): Promise<void> {
    const uid = pod.metadata?.uid ?? '';
    const before = waiting.get(key);
    const attempts = before?.uid === uid ? before.attempts + 1 : 1;
    waiting.set(key, { uid, attempts, triedAt: clock.monotonic() });
    queue.addAfter(key, RETRY_ANYWAY_MS);
    events.record(pod, 'Warning', 'FailedScheduling', message);
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
    try {
      await writePodStatus(client, pod, condition, clock.now(), signal);
    } catch (error) {
      if (!hasCode(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  return { name: 'scheduler', run: (signal) => queue.run(WORKERS, schedule, signal) };
}

/** Nothing changed in what an unplaced pod asks for. */
function sameRequest(before: Pod, after: Pod): boolean {
  return (
    sameJson(before.spec, after.spec) &&
    sameJson(before.metadata?.labels ?? {}, after.metadata?.labels ?? {}) &&
    isEnding(before) === isEnding(after)
  );
}

/** Nothing changed in what a placed pod means for others. */
function sameWeight(before: Pod, after: Pod): boolean {
  return (
    isFinished(before) === isFinished(after) &&
    isEnding(before) === isEnding(after) &&
    sameJson(before.metadata?.labels ?? {}, after.metadata?.labels ?? {}) &&
    sameJson(before.spec, after.spec)
  );
}

/** Nothing changed in what a node offers: heartbeats come all the time. */
function sameOffer(before: Node, after: Node): boolean {
  return (
    sameJson(before.spec ?? {}, after.spec ?? {}) &&
    sameJson(before.metadata?.labels ?? {}, after.metadata?.labels ?? {}) &&
    sameJson(before.status?.allocatable ?? {}, after.status?.allocatable ?? {})
  );
}
