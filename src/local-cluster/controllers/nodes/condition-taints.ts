/** NoSchedule taints that say what a node's conditions say, and that it is cordoned. Source: node_lifecycle_controller.go (doNoScheduleTaintingPass). */
import { hasCode } from '../../../errors.ts';
import type { Node, Taint } from '../../../kube/types.ts';
import { NOT_READY, sameTaint, UNREACHABLE, UNSCHEDULABLE } from '../../../taints.ts';
import type { Controller, ControllerContext } from '../context.ts';
import { changeTaints } from './node-state.ts';

const WORKERS = 8;

const BY_CONDITION: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: NOT_READY, Unknown: UNREACHABLE },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
};
const OWN_KEYS = [UNSCHEDULABLE, ...Object.values(BY_CONDITION).flatMap((keys) => Object.values(keys))];

export function createConditionTaints(context: ControllerContext): Controller {
  const { caches } = context;
  const queue = context.queue('node-taints');
  const enqueue = (node: Node): void => queue.add(node.metadata?.name ?? '');
  caches.nodes.subscribe({ added: enqueue, updated: (_before, node) => enqueue(node) });

  async function sync(name: string, signal: AbortSignal): Promise<void> {
    const node = caches.nodes.get(name);
    if (node === undefined) return;
    const wanted = wantedTaints(node);
    const has = (node.spec?.taints ?? []).filter(
      ({ key, effect }) => effect === 'NoSchedule' && OWN_KEYS.includes(key),
    );
    const add = wanted.filter((taint) => !has.some((one) => sameTaint(one, taint)));
    const remove = has.filter((taint) => !wanted.some((one) => sameTaint(one, taint)));
    if (add.length === 0 && remove.length === 0) return;
    try {
      await changeTaints(context, node, { add, remove }, signal);
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
    }
  }

  return { name: 'node taints', run: (signal) => queue.run(WORKERS, sync, signal) };
}

function wantedTaints({ status, spec }: Node): Taint[] {
  const keys = (status?.conditions ?? []).flatMap((condition) => {
    const key = BY_CONDITION[condition.type]?.[condition.status];
    return key === undefined ? [] : [key];
  });
  if (spec?.unschedulable === true) keys.push(UNSCHEDULABLE);
  return keys.map((key) => ({ key, effect: 'NoSchedule' }));
}
