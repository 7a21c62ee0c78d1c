/** What the controllers of nodes ask of a node, and how they change its taints. Source: pkg/controller/util/node. */

import type { Clock } from '../../../clock.ts';
import { hasCode } from '../../../errors.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { formatTime } from '../../../kube/micro-time.ts';
import { NODES } from '../../../kube/resources.ts';
import type { Node, NodeCondition, Taint } from '../../../kube/types.ts';
import { NOT_READY, sameTaint, UNREACHABLE } from '../../../taints.ts';

export const NOT_READY_NO_EXECUTE: Taint = { key: NOT_READY, effect: 'NoExecute' };
export const UNREACHABLE_NO_EXECUTE: Taint = { key: UNREACHABLE, effect: 'NoExecute' };

export function conditionOf({ status }: Node, type: string): NodeCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function isNodeReady(node: Node): boolean {
  return conditionOf(node, 'Ready')?.status === 'True';
}

export function hasTaint({ spec }: Node, taint: Taint): boolean {
  return (spec?.taints ?? []).some((one) => sameTaint(one, taint));
}

/** Region and zone as one key; nodes without either are one zone. Source: k8s.io/component-helpers/node/topology. */
export function zoneKey({ metadata }: Node): string {
  const labels = metadata?.labels ?? {};
  const region = labels['topology.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? '';
  return region === '' && zone === '' ? '' : `${region}:${zone}`;
}

/** The same state is tried with what is there now when somebody else changed the node meanwhile. */
const ATTEMPTS = 5;

export interface TaintChange {
  readonly add: readonly Taint[];
  readonly remove: readonly Taint[];
}

/** Adds and removes taints, by key and effect. `NotFound` when the node is gone. */
export async function changeTaints(
  { client, clock }: { readonly client: KubeClient; readonly clock: Clock },
  node: Node,
  { add, remove }: TaintChange,
  signal: AbortSignal,
): Promise<void> {
  const name = node.metadata?.name ?? '';
  let current = node;
  for (let attempt = 1; ; attempt++) {
    const before = current.spec?.taints ?? [];
    const missing = add.filter((taint) => !hasTaint(current, taint));
    const kept = before.filter((taint) => !remove.some((one) => sameTaint(one, taint)));
    if (missing.length === 0 && kept.length === before.length) return;
    const timeAdded = formatTime(clock.now());
    const taints = [...kept, ...missing.map((taint) => ({ ...taint, timeAdded }))];
    const { uid, resourceVersion } = current.metadata ?? {};
    const body = { metadata: { uid, resourceVersion }, spec: { taints } };
    try {
      await client.patch(NODES, { name }, { type: 'merge', body }, { signal });
      return;
    } catch (error) {
      if (!hasCode(error, 'Conflict') || attempt === ATTEMPTS) throw error;
      current = await client.get(NODES, { name }, { signal });
      // Another node of the same name is none of this one's business.
      if (current.metadata?.uid !== uid) return;
    }
  }
}
