/**
 * A zone's leader is asked on the zone's Node to give the zone to another replica, so that it works with every kind of
 * lock: whoever may annotate Nodes may ask, and the leader reads its Node anyway. It answers on the Node too.
 */
import { parseTime } from '../kube/micro-time.ts';
import type { Node } from '../kube/types.ts';
import { isCutOff } from './backend-sight.ts';
import type { Living } from './candidates.ts';
import { isCandidateFor, ranked } from './eligibility.ts';
import { parseHolder } from './identity.ts';
import { DRAINING_ANNOTATION, HANDOVER_OUTCOME_ANNOTATION, HANDOVER_REQUEST_ANNOTATION } from './names.ts';

export interface HandOverRequest {
  /** Tells the answer to this request from that to another. */
  readonly id: string;
  /** The replica that is to lead; left out: the leader chooses the best other one. */
  readonly to?: string;
  /** Who asked, for people. */
  readonly by: string;
  /** RFC 3339: when. */
  readonly at: string;
}

/** The answer to the last request. */
export interface HandOverOutcome extends HandOverRequest {
  /** Epoch of the term that answered. */
  readonly epoch: number;
  /** Why the zone stays where it is; left out when it goes to `to`. */
  readonly refused?: string;
}

/** A request that nobody has answered by then was meant for another situation. Clocks may differ by as much. */
export const REQUEST_EXPIRES_MS = 60_000;

export function readRequest(node: Node | undefined): HandOverRequest | 'unreadable' | undefined {
  const text = node?.metadata?.annotations?.[HANDOVER_REQUEST_ANNOTATION];
  if (text === undefined) return undefined;
  const { id, to, by, at } = fields(text);
  if (typeof id !== 'string' || typeof by !== 'string' || typeof at !== 'string') return 'unreadable';
  return { id, by, at, ...(typeof to === 'string' ? { to } : {}) };
}

export function readOutcome(node: Node | undefined): HandOverOutcome | undefined {
  const { id, to, by, at, epoch, refused } = fields(node?.metadata?.annotations?.[HANDOVER_OUTCOME_ANNOTATION] ?? '');
  if (typeof id !== 'string' || typeof by !== 'string' || typeof at !== 'string' || typeof epoch !== 'number') {
    return undefined;
  }
  return {
    id,
    by,
    at,
    epoch,
    ...(typeof to === 'string' ? { to } : {}),
    ...(typeof refused === 'string' ? { refused } : {}),
  };
}

function fields(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

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
  request: HandOverRequest,
  { zone, self, selfCutOff, others, nowMs, preferHome }: Situation,
): { readonly to: string } | { readonly refused: string } {
  const asked = parseTime(request.at);
  if (asked === undefined || Math.abs(nowMs - asked) > REQUEST_EXPIRES_MS) {
    const now = new Date(nowMs).toISOString();
    return { refused: `the request of ${request.at} has expired; the leader's clock says ${now}` };
  }
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
  const outcome = readOutcome(node);
  if (outcome === undefined || outcome.refused !== undefined) return false;
  return outcome.to === parseHolder(term.holder)?.replica && outcome.epoch + 1 === term.epoch;
}
