/**
 * Whether a zone may be given up now, or too many of the set's zones are in trouble already: then more is wrong than a
 * backend, and moving everybody's pods at once would do more harm than waiting. Pure.
 *
 * Leaders of different zones decide by the same Nodes. Each says on its own Node that its backend is down before it reads
 * the others', with a consistent read, and gives its zone up only after that. Of two that decide at the same time at least
 * one has read what the other had said, so never both go.
 */
import type { Node } from '../../kube/types.ts';
import { BACKEND_CONDITION } from '../../node/names.ts';

export interface BrakeInput {
  /** The set's Nodes by a consistent read. */
  readonly nodes: readonly Node[];
  readonly nodeName: string;
  /** Names of the Nodes of all zones of the set. */
  readonly nodeNames: readonly string[];
}

export type BrakeAnswer =
  | { readonly state: 'free' }
  /** The own Node does not say yet that the backend is down. */
  | { readonly state: 'not announced' }
  | { readonly state: 'held'; readonly message: string };

export function askBrake({ nodes, nodeName, nodeNames }: BrakeInput): BrakeAnswer {
  const known = new Map(nodes.map((node) => [node.metadata?.name ?? '', node]));
  if (conditionStatus(known.get(nodeName), BACKEND_CONDITION) !== 'False') return { state: 'not announced' };
  const troubled = nodeNames.filter((name) => name !== nodeName && isTroubled(known.get(name)));
  // A majority is more than half: of three zones one may go, of two one, of one none.
  if (troubled.length + 1 <= Math.floor(nodeNames.length / 2)) return { state: 'free' };
  const others = troubled.length === 0 ? 'the set has no other zone' : `${troubled.join(', ')} in trouble as well`;
  return {
    state: 'held',
    message: `${others}: Ready=False on ${troubled.length + 1} of ${nodeNames.length} zones at once would be a majority`,
  };
}

/** Not Ready for whatever reason, not there, or about to be given up by its own leader. */
function isTroubled(node: Node | undefined): boolean {
  return conditionStatus(node, 'Ready') !== 'True' || conditionStatus(node, BACKEND_CONDITION) === 'False';
}

function conditionStatus(node: Node | undefined, type: string): string | undefined {
  return node?.status?.conditions?.find((condition) => condition.type === type)?.status;
}
