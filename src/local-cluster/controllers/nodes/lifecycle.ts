/**
 * Nodes that are not heard of become Unknown, their pods not ready, and after that they get the taint that evicts.
 * Source: pkg/controller/nodelifecycle/node_lifecycle_controller.go.
 */
import { sleep } from '../../../clock.ts';
import { hasCode, messageOf } from '../../../errors.ts';
import { keyOf } from '../../../kube/informer.ts';
import { NODES } from '../../../kube/resources.ts';
import type { Node, Pod, Taint } from '../../../kube/types.ts';
import type { Controller, ControllerContext } from '../context.ts';
import { isReady, conditionOf as podCondition, writePodStatus } from '../pod-state.ts';
import { createEvictionPace } from './eviction-pace.ts';
import { createNodeHealth } from './node-health.ts';
import {
  changeTaints,
  conditionOf,
  hasTaint,
  NOT_READY_NO_EXECUTE,
  UNREACHABLE_NO_EXECUTE,
  zoneKey,
} from './node-state.ts';

const LEASE_NAMESPACE = 'kube-node-lease';
/** Label of nodes that say nothing about how their zone is. */
const NOT_COUNTED = 'node.kubernetes.io/exclude-disruption';
const ATTEMPTS = 5;
const WORKERS = 8;

export function createNodeLifecycle(context: ControllerContext): Controller {
  const { client, clock, caches, settings } = context;
  const log = context.log.child({ controller: 'node lifecycle' });
  const events = context.recorder('node-controller');
  const health = createNodeHealth({
    clock,
    graceMs: settings.nodeMonitorGracePeriodMs,
    startupGraceMs: settings.nodeStartupGracePeriodMs,
  });
  /** Nodes that are to get their NoExecute taint. */
  const tainting = context.queue('node-eviction');
  /** Pods that came to a node which is not ready. */
  const arrivals = context.queue('node-pods');
  const pace = createEvictionPace({ clock, settings, onTurn: (node) => tainting.add(node) });
  /** By UID. */
  const seen = new Map<string, Node>();
  /** Nodes some pods of which still have to be told. */
  const unfinished = new Set<string>();

  function noticePod(before: Pod | undefined, pod: Pod): void {
    const nodeName = pod.spec?.nodeName ?? '';
    if (nodeName !== '' && before?.spec?.nodeName !== nodeName) arrivals.add(keyOf(pod));
  }
  caches.pods.subscribe({ added: (pod) => noticePod(undefined, pod), updated: noticePod });

  /** Tells pods that they are not ready, which their node cannot. */
  async function markNotReady(pods: readonly Pod[], signal: AbortSignal): Promise<void> {
    for (const pod of pods) {
      const ready = podCondition(pod, 'Ready');
      if (ready === undefined || !isReady(pod)) continue;
      const { lastTransitionTime: _before, ...rest } = ready;
      try {
        await writePodStatus(client, pod, { ...rest, status: 'False' }, clock.now(), signal);
      } catch (error) {
        if (hasCode(error, 'NotFound', 'Conflict')) continue;
        throw error;
      }
      events.record(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
    }
  }

  async function markReachable(node: Node, signal: AbortSignal): Promise<void> {
    await changeTaints(context, node, { add: [], remove: [UNREACHABLE_NO_EXECUTE, NOT_READY_NO_EXECUTE] }, signal);
    pace.remove(node.metadata?.name ?? '');
  }

  /** Looks at a node, and writes what it cannot say any more. The node before and after. */
  async function examine(cached: Node, signal: AbortSignal): Promise<{ before: Node; after: Node }> {
    const name = cached.metadata?.name ?? '';
    let node = cached;
    for (let attempt = 1; ; attempt++) {
      const conditions = health.examine(node, caches.leases.get(`${LEASE_NAMESPACE}/${name}`));
      if (conditions === undefined) return { before: node, after: node };
      const { uid, resourceVersion } = node.metadata ?? {};
      const body = { metadata: { uid, resourceVersion }, status: { conditions } };
      try {
        const options = { subresource: 'status', signal };
        return { before: node, after: await client.patch(NODES, { name }, { type: 'strategic', body }, options) };
      } catch (error) {
        if (!hasCode(error, 'Conflict') || attempt === ATTEMPTS) throw error;
        // It may have spoken just now.
        node = await client.get(NODES, { name }, { signal });
      }
    }
  }

  /** What its Ready condition asks for: a taint that evicts, or none. */
  async function actOn(node: Node, signal: AbortSignal): Promise<void> {
    const status = conditionOf(node, 'Ready')?.status;
    if (status === 'True') return await markReachable(node, signal);
    const [wanted, opposite] = evictingTaints(status);
    if (hasTaint(node, opposite)) await changeTaints(context, node, { add: [wanted], remove: [opposite] }, signal);
    else if (!hasTaint(node, wanted)) pace.add(zoneKey(node), node.metadata?.name ?? '');
  }

  async function checkNode(cached: Node, zones: Map<string, boolean[]>, signal: AbortSignal): Promise<void> {
    const name = cached.metadata?.name ?? '';
    const { before, after } = await examine(cached, signal);
    const ready = conditionOf(after, 'Ready');
    if (after.metadata?.labels?.[NOT_COUNTED] === undefined) {
      const zone = zones.get(zoneKey(after)) ?? [];
      zones.set(zoneKey(after), zone);
      zone.push(ready?.status === 'True');
    }
    if (ready === undefined) return;
    await actOn(after, signal);
    const wasReady = conditionOf(before, 'Ready')?.status === 'True';
    const hasFallen = ready.status !== 'True' && wasReady;
    if (hasFallen) {
      log.warn({ node: name }, 'a node is not heard of any more');
      events.record(after, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
      unfinished.add(name);
    }
    if (ready.status === 'True') unfinished.delete(name);
    if (unfinished.has(name)) {
      await markNotReady(podsOn(name), signal);
      unfinished.delete(name);
    }
  }

  function podsOn(nodeName: string): Pod[] {
    return caches.pods.list().filter(({ spec }) => spec?.nodeName === nodeName);
  }

  async function greet(nodes: readonly Node[], signal: AbortSignal): Promise<void> {
    const uids = new Set(nodes.map(({ metadata }) => metadata?.uid ?? ''));
    for (const [uid, node] of seen) {
      if (uids.has(uid)) continue;
      const name = node.metadata?.name ?? '';
      seen.delete(uid);
      unfinished.delete(name);
      health.forget(name);
      pace.remove(name);
      events.record(node, 'Normal', 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`);
    }
    for (const node of nodes) {
      const { uid = '', name = '' } = node.metadata ?? {};
      if (seen.has(uid)) continue;
      seen.set(uid, node);
      events.record(node, 'Normal', 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`);
      await tolerant(name, () => markReachable(node, signal), signal);
    }
  }

  /** One node's trouble must not keep the others from being looked at; the next pass tries again. */
  async function tolerant(node: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (signal.aborted || hasCode(error, 'NotFound')) return;
      log.warn({ node, error: messageOf(error) }, 'a node was not looked after; the next pass tries again');
    }
  }

  async function pass(signal: AbortSignal): Promise<void> {
    const nodes = caches.nodes.list();
    await greet(nodes, signal);
    const zones = new Map<string, boolean[]>();
    await Promise.all(
      nodes.map((node) => tolerant(node.metadata?.name ?? '', () => checkNode(node, zones, signal), signal)),
    );
    const turn = pace.judge(zones);
    if (turn === 'some are back') health.excuseAll();
    if (turn !== 'all are down') return;
    log.warn({ nodes: nodes.length }, 'no node is ready: nothing is evicted until one is');
    for (const node of caches.nodes.list()) {
      await tolerant(node.metadata?.name ?? '', () => markReachable(node, signal), signal);
    }
  }

  async function taint(name: string, signal: AbortSignal): Promise<void> {
    try {
      // The cache may not show yet what put the node in line.
      const node = await client.get(NODES, { name }, { signal });
      const status = conditionOf(node, 'Ready')?.status;
      if (status === undefined || status === 'True') return;
      const [add, remove] = evictingTaints(status);
      await changeTaints(context, node, { add: [add], remove: [remove] }, signal);
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
    }
  }

  async function receive(key: string, signal: AbortSignal): Promise<void> {
    const pod = caches.pods.get(key);
    const node = caches.nodes.get(pod?.spec?.nodeName ?? '');
    if (pod === undefined || node === undefined) return;
    const status = conditionOf(node, 'Ready')?.status;
    if (status !== undefined && status !== 'True') await markNotReady([pod], signal);
  }

  async function watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pass(signal);
      await sleep(clock, settings.nodeMonitorPeriodMs, signal);
    }
    pace.close();
  }

  return {
    name: 'node lifecycle',
    async run(signal) {
      await Promise.all([watch(signal), tainting.run(WORKERS, taint, signal), arrivals.run(WORKERS, receive, signal)]);
    },
  };
}

/** The taint for a Ready condition that is not True, and the one that says otherwise. */
function evictingTaints(status: string | undefined): readonly [wanted: Taint, opposite: Taint] {
  return status === 'False'
    ? [NOT_READY_NO_EXECUTE, UNREACHABLE_NO_EXECUTE]
    : [UNREACHABLE_NO_EXECUTE, NOT_READY_NO_EXECUTE];
}
