/** What a Node is to say of its zone's health, and the taint that goes with it. Pure. */
import type { TermPatch } from '../fence/term-client.ts';
import type { Node, Taint } from '../kube/types.ts';
import type { Resources } from '../provider/contract.ts';
import { BACKEND_DOWN_TAINT, GIVEN_UP_ANNOTATION, NO_NEW_PODS_TAINT } from './names.ts';

export interface NodeHealth {
  /** The condition `zonelet.dev/BackendReady`. */
  readonly backend: {
    readonly status: 'True' | 'False' | 'Unknown';
    readonly reason: string;
    readonly message: string;
  };
  /** `as it is`: nothing is known that would speak for a change. */
  readonly taint: 'none' | 'no new pods' | 'backend down' | 'as it is';
  /** What the node's pods request, when it is to offer no more than that. */
  readonly onlyAllocated: Resources | undefined;
  /** Why the node is not Ready; undefined: nothing in the zone's health speaks against it. */
  readonly notReady: { readonly reason: string; readonly message: string } | undefined;
}

const KEYS = { 'no new pods': NO_NEW_PODS_TAINT, 'backend down': BACKEND_DOWN_TAINT } as const;
const OWN = new Set<string>(Object.values(KEYS));

/**
 * The merge patch that makes taint and annotation say what the status is to say; undefined when they do. `taint` @defaultValue
 * as it is
 */
export function healthMarks(
  node: Node,
  { notReady }: NodeHealth,
  taint: NodeHealth['taint'],
  now: string,
): TermPatch['body'] | undefined {
  const taints = withHealthTaint(node, taint);
  const isMarked = node.metadata?.annotations?.[GIVEN_UP_ANNOTATION] !== undefined;
  if (taints === undefined && isMarked === (notReady !== undefined)) return undefined;
  return {
    ...(taints === undefined ? {} : { spec: { taints } }),
    ...(isMarked === (notReady !== undefined)
      ? {}
      : { metadata: { annotations: { [GIVEN_UP_ANNOTATION]: notReady === undefined ? null : now } } }),
  };
}

/** The zone was given up and is not taken back yet, whoever has written of the node's readiness meanwhile. */
export function isGivenUp({ metadata, status }: Node): boolean {
  if (metadata?.annotations?.[GIVEN_UP_ANNOTATION] === undefined) return false;
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'True';
}

/** The Node's taints with the wanted one; undefined when that is how they are. Others' taints stay, and in their order. */
function withHealthTaint(node: Node, taint: NodeHealth['taint']): Taint[] | undefined {
  if (taint === 'as it is') return undefined;
  const present = node.spec?.taints ?? [];
  const wanted = taint === 'none' ? undefined : KEYS[taint];
  const own = present.filter(({ key }) => OWN.has(key));
  if (wanted === undefined ? own.length === 0 : own.length === 1 && isTaint(own[0], wanted)) return undefined;
  const others = present.filter(({ key }) => !OWN.has(key));
  return wanted === undefined ? others : [...others, { key: wanted, effect: 'NoSchedule' }];
}

function isTaint(taint: Taint | undefined, key: string): boolean {
  return taint?.key === key && taint.effect === 'NoSchedule';
}
