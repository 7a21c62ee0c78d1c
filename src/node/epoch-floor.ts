/**
 * The epoch kept on the Node: it outlives the zone's Lease, which anybody may delete, so that an epoch never comes twice.
 * A new leader raises it, with a precondition, before it writes anything else.
 */
import type { Node } from '../kube/types.ts';
import { EPOCH_ANNOTATION, LEADER_ANNOTATION } from './names.ts';

/** Lease.spec.leaseTransitions, which carries the epoch too, is an int32. */
const MAX_EPOCH = 2 ** 31 - 2;

/** The epoch that is written on the Node; undefined when there is none, or none that could be true. */
export function epochFloor(node: Node | undefined): number | undefined {
  const text = node?.metadata?.annotations?.[EPOCH_ANNOTATION];
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const epoch = Number(text);
  return epoch <= MAX_EPOCH ? epoch : undefined;
}

/** True when (epoch, holder) may act on this Node: nobody has claimed a higher epoch, or the same one under another name. */
export function mayClaim(node: Node, epoch: number, holder: string): boolean {
  const floor = epochFloor(node);
  if (floor === undefined || floor < epoch) return true;
  return floor === epoch && node.metadata?.annotations?.[LEADER_ANNOTATION] === holder;
}
