/** Deletes pods that nobody else ends: without a node, or too many finished ones. Source: pkg/controller/podgc. */
import { sleep } from '../../clock.ts';
import { hasCode, messageOf } from '../../errors.ts';
import { NODES, PODS } from '../../kube/resources.ts';
import type { Pod, PodCondition } from '../../kube/types.ts';
import { OUT_OF_SERVICE } from '../../taints.ts';
import type { Controller, ControllerContext } from './context.ts';
import { isNodeReady } from './nodes/node-state.ts';
import { at } from './ownership.ts';
import { disruption, isEnding, isFinished, writePodStatus } from './pod-state.ts';

const NO_NODE = disruption('DeletionByPodGC', 'PodGC: node no longer exists');

export function createPodCollector(context: ControllerContext): Controller {
  const { client, clock, caches, settings } = context;
  const log = context.log.child({ controller: 'pod collector' });
  /** Nodes that pods name and that are not there, and since when; monotonic. */
  const missing = new Map<string, number>();

  async function collect(
    pod: Pod,
    why: Omit<PodCondition, 'lastTransitionTime'> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const uid = pod.metadata?.uid;
    try {
      // No kubelet will ever say it.
      if (!isFinished(pod)) await writePodStatus(client, pod, why, clock.now(), signal, { phase: 'Failed' });
      await client.delete(PODS, at(pod), { gracePeriodSeconds: 0, signal, ...(uid === undefined ? {} : { uid }) });
      log.info({ pod: `${pod.metadata?.namespace}/${pod.metadata?.name}` }, 'deleted a pod that nobody else ends');
    } catch (error) {
      if (signal.aborted || hasCode(error, 'NotFound', 'Conflict')) return;
      log.warn(
        { pod: pod.metadata?.name, error: messageOf(error) },
        'a pod was not deleted; the next pass tries again',
      );
    }
  }

  /** Nodes that were missing for long enough, and are so in truth and not only in the cache. */
  async function goneNodes(pods: readonly Pod[], signal: AbortSignal): Promise<Set<string>> {
    const now = clock.monotonic();
    const named = new Set(pods.map(({ spec }) => spec?.nodeName ?? '').filter((name) => name !== ''));
    for (const name of missing.keys())
      if (!named.has(name) || caches.nodes.get(name) !== undefined) missing.delete(name);
    const gone = new Set<string>();
    for (const name of named) {
      if (caches.nodes.get(name) !== undefined) continue;
      const since = missing.get(name) ?? now;
      missing.set(name, since);
      if (now - since < settings.missingNodeQuarantineMs) continue;
      try {
        await client.get(NODES, { name }, { signal });
      } catch (error) {
        if (hasCode(error, 'NotFound')) gone.add(name);
        else log.warn({ node: name, error: messageOf(error) }, 'could not find out whether a node is there');
      }
    }
    return gone;
  }

  function isOutOfService({ spec }: Pod): boolean {
    const node = caches.nodes.get(spec?.nodeName ?? '');
    if (node === undefined || isNodeReady(node)) return false;
    return (node.spec?.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE);
  }

  async function pass(signal: AbortSignal): Promise<void> {
    const pods = caches.pods.list();
    const gone = await goneNodes(pods, signal);
    const finished = pods.filter(isFinished).sort(byAge);
    const threshold = settings.terminatedPodThreshold;
    const tooMany = new Set(threshold > 0 ? finished.slice(0, Math.max(0, finished.length - threshold)) : []);
    for (const pod of pods) {
      if (signal.aborted) return;
      const nodeName = pod.spec?.nodeName ?? '';
      if (gone.has(nodeName)) await collect(pod, NO_NODE, signal);
      else if (tooMany.has(pod) || (isEnding(pod) && (nodeName === '' || isOutOfService(pod)))) {
        await collect(pod, undefined, signal);
      }
    }
  }

  return {
    name: 'pod collector',
    async run(signal) {
      while (!signal.aborted) {
        await pass(signal);
        await sleep(clock, settings.podCollectionPeriodMs, signal);
      }
    },
  };
}

function byAge(a: Pod, b: Pod): number {
  const [left, right] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}
