/** Deletes pods that do not tolerate, or not for ever, what their node is tainted with. Source: pkg/controller/tainteviction. */
import type { Timer } from '../../../clock.ts';
import { hasCode } from '../../../errors.ts';
import { keyOf } from '../../../kube/informer.ts';
import { PODS } from '../../../kube/resources.ts';
import type { Node, Pod, Taint } from '../../../kube/types.ts';
import { toleratedMs } from '../../../taints.ts';
import { sameJson } from '../../api-server/api-object.ts';
import type { Controller, ControllerContext } from '../context.ts';
import { at } from '../ownership.ts';
import { disruption, isEnding, writePodStatus } from '../pod-state.ts';

const WORKERS = 8;
const WHY = disruption('DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint');

export function createTaintEviction(context: ControllerContext): Controller {
  const { client, clock, caches, log } = context;
  const queue = context.queue('taint-eviction');
  const events = context.recorder('taint-eviction-controller');
  /** By pod: until its time is up. */
  const planned = new Map<string, Timer>();
  /** UIDs of pods whose time is up. */
  const due = new Map<string, string>();

  function cancel(key: string, pod: Pod | undefined): void {
    const wasPlanned = planned.has(key) || due.has(key);
    planned.get(key)?.cancel();
    planned.delete(key);
    due.delete(key);
    if (wasPlanned && pod !== undefined) {
      events.record(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
    }
  }

  function evictNow(key: string, uid: string): void {
    planned.get(key)?.cancel();
    planned.delete(key);
    due.set(key, uid);
    queue.add(key);
  }

  function judge(pod: Pod, taints: readonly Taint[]): void {
    const key = keyOf(pod);
    const uid = pod.metadata?.uid ?? '';
    const ms = taints.length === 0 ? Infinity : toleratedMs(pod, taints);
    if (isEnding(pod)) cancel(key, undefined);
    else if (ms === Infinity) cancel(key, pod);
    else if (ms === 0) evictNow(key, uid);
    else if (!planned.has(key) && !due.has(key)) plan(key, uid, ms);
  }

  /** Once: the time runs from when the first such taint was seen, not anew with every change of the node. */
  function plan(key: string, uid: string, ms: number): void {
    planned.set(
      key,
      clock.setTimer(ms, () => evictNow(key, uid)),
    );
  }

  function judgeNode(node: Node): void {
    const taints = noExecute(node);
    const name = node.metadata?.name;
    for (const pod of caches.pods.list()) if (pod.spec?.nodeName === name) judge(pod, taints);
  }

  function judgePod(pod: Pod): void {
    const node = caches.nodes.get(pod.spec?.nodeName ?? '');
    if (node !== undefined) judge(pod, noExecute(node));
  }

  caches.nodes.subscribe({
    added(node) {
      if (noExecute(node).length > 0) judgeNode(node);
    },
    updated(before, node) {
      if (!sameJson(noExecute(before), noExecute(node))) judgeNode(node);
    },
  });
  caches.pods.subscribe({
    added: judgePod,
    updated(before, pod) {
      const same =
        before.spec?.nodeName === pod.spec?.nodeName &&
        isEnding(before) === isEnding(pod) &&
        sameJson(before.spec?.tolerations ?? [], pod.spec?.tolerations ?? []);
      if (!same) judgePod(pod);
    },
    deleted: (pod) => cancel(keyOf(pod), undefined),
  });

  async function evict(key: string, signal: AbortSignal): Promise<void> {
    const uid = due.get(key);
    const pod = caches.pods.get(key);
    if (uid === undefined) return;
    if (pod?.metadata?.uid !== uid) {
      due.delete(key);
      return;
    }
    events.record(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`);
    log.info({ pod: key, node: pod.spec?.nodeName }, 'evicting a pod from a tainted node');
    try {
      await writePodStatus(client, pod, WHY, clock.now(), signal);
      await client.delete(PODS, at(pod), { uid, signal });
    } catch (error) {
      if (!hasCode(error, 'NotFound', 'Conflict')) throw error;
    }
    due.delete(key);
  }

  return {
    name: 'taint eviction',
    async run(signal) {
      await queue.run(WORKERS, evict, signal);
      for (const timer of planned.values()) timer.cancel();
    },
  };
}

function noExecute({ spec }: Node): Taint[] {
  return (spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
}
