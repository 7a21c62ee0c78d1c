/** What a leader makes of an operator's request to give its zone to another replica. */
import type { Node } from '../kube/types.ts';
import { isCutOff } from './backend-sight.ts';
import { isCandidateFor, ranked } from './eligibility.ts';
import { parseHolder } from './identity.ts';
import { DRAINING_ANNOTATION, HANDOVER_OUTCOME_ANNOTATION } from './names.ts';
import { expired, type NodeRequest, readOutcome } from './node-request.ts';
import type { Living } from './roster.ts';

export interface Situation {
  readonly zone: string;
  /** The leader that is asked. */
  readonly self: string;
  /** It does not reach the zone's backend itself. */
  readonly selfCutOff: boolean;
  readonly others: readonly Living[];
  /** Wall clock, milliseconds. */
  readonly nowMs: number;
  /** Whether home counts where the leader chooses. */
  readonly preferHome: boolean;
}

/** What the leader does with a request: the replica that gets the zone, or why none does. */
export function decide(
  request: NodeRequest,
  { zone, self, selfCutOff, others, nowMs, preferHome }: Situation,
): { readonly to: string } | { readonly refused: string } {
  const late = expired(request, nowMs);
  if (late !== undefined) return { refused: late };
  if (request.to === self) return { to: self };
  const able = others.filter((other) => other.ready && !other.draining && isCandidateFor(other, zone));
  if (request.to === undefined) {
    const [best] = ranked(zone, able, preferHome);
    return best === undefined ? { refused: 'no other replica is alive and could lead the zone' } : { to: best.name };
  }
  const target = others.find(({ name }) => name === request.to);
  if (target === undefined) {
    const names = others.map(({ name }) => name).sort();
    return {
      refused: `${request.to} is not alive; besides the leader there ${names.length === 0 ? 'is nobody' : `are: ${names.join(', ')}`}`,
    };
  }
  if (!isCandidateFor(target, zone)) return { refused: `${request.to} does not have the zone in its configuration` };
  if (target.draining) {
    return { refused: `${request.to} takes no zones: ${target.annotations[DRAINING_ANNOTATION] ?? 'it is draining'}` };
  }
  if (isCutOff(target.backends, zone) && !selfCutOff)
    return { refused: `${request.to} does not reach the zone's backend` };
  if (!target.ready) return { refused: `${request.to} has only just started, or was not heard of lately` };
  return { to: request.to };
}

/** True when this term began because somebody asked for it by hand. */
export function putByHand(node: Node, term: { readonly holder: string; readonly epoch: number }): boolean {
  const outcome = readOutcome(node, HANDOVER_OUTCOME_ANNOTATION);
  if (outcome === undefined || outcome.refused !== undefined) return false;
  return outcome.to === parseHolder(term.holder)?.replica && outcome.epoch + 1 === term.epoch;
}
