/**
 * What operators ask of a zone's leader stands on the zone's Node, and so does the answer: it works with every kind of
 * lock, and a leader reads its Node anyway. A request is an annotation with JSON in it, and so is its outcome.
 */
import { parseTime } from '../kube/micro-time.ts';
import type { Node } from '../kube/types.ts';

export interface NodeRequest {
  /** Tells the answer to this request from that to another. */
  readonly id: string;
  /** The replica that it is about; left out: the leader chooses. */
  readonly to?: string;
  /** For a removal: what is on the backend stays there, because nobody reaches it any more. */
  readonly backend?: 'abandon';
  /** Who asked, for people. */
  readonly by: string;
  /** RFC 3339: when. */
  readonly at: string;
}

/** The answer to the last request. */
export interface NodeOutcome extends NodeRequest {
  /** Epoch of the term that answered. */
  readonly epoch: number;
  /** Why it is not done; left out when it is. */
  readonly refused?: string;
}

/** A request that nobody has answered by then was meant for another situation. Clocks may differ by as much. */
export const REQUEST_EXPIRES_MS = 60_000;

export function readRequest(node: Node | undefined, annotation: string): NodeRequest | 'unreadable' | undefined {
  const text = node?.metadata?.annotations?.[annotation];
  if (text === undefined) return undefined;
  const { id, to, by, at, backend } = fields(text);
  if (typeof id !== 'string' || typeof by !== 'string' || typeof at !== 'string') return 'unreadable';
  return {
    id,
    by,
    at,
    ...(typeof to === 'string' ? { to } : {}),
    ...(backend === 'abandon' ? { backend } : {}),
  };
}

export function readOutcome(node: Node | undefined, annotation: string): NodeOutcome | undefined {
  const request = readRequest(node, annotation);
  if (request === undefined || request === 'unreadable') return undefined;
  const { epoch, refused } = fields(node?.metadata?.annotations?.[annotation] ?? '');
  if (typeof epoch !== 'number') return undefined;
  return { ...request, epoch, ...(typeof refused === 'string' ? { refused } : {}) };
}

/** Why the request is not to be looked at any more; undefined while it is. */
export function expired(request: NodeRequest, nowMs: number): string | undefined {
  const asked = parseTime(request.at);
  if (asked !== undefined && Math.abs(nowMs - asked) <= REQUEST_EXPIRES_MS) return undefined;
  return `the request of ${request.at} has expired; the leader's clock says ${new Date(nowMs).toISOString()}`;
}

/** The annotations that answer a request: it goes, its outcome stands instead. */
export function answered(
  annotations: { readonly request: string; readonly outcome: string },
  outcome: NodeOutcome | undefined,
): Record<string, string | null> {
  return {
    [annotations.request]: null,
    [annotations.outcome]: outcome === undefined ? null : JSON.stringify(outcome),
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
