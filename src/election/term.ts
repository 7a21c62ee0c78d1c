/**
 * A term: one leader's time in office for one zone.
 *
 * Guarantees: two terms of a zone never have the same (epoch, holder); a later term has a higher epoch; `mayAct()`
 * turns false before any other replica can have acquired the zone, judged by this replica's monotonic clock alone, from
 * when the last successful renewal was *sent*. Except when others hold this process for dead by proof (`witness.ts`) and
 * it is not: then it turns false as soon as this replica sees the lock in other hands.
 */
import { ZoneletError } from '../errors.ts';
import type { ProofKind } from './witness.ts';

/** Why a term ended. */
export type TermEnd = 'released' | 'handed-back' | 'handed-over' | 'expired' | 'superseded' | 'fenced' | 'suspended';

/**
 * How a term came about: the zone was never led (`first`); the predecessor gave it up (`released`), or for this or another
 * replica (`handed-over`); nothing was heard of it for a lease (`expired`); it was proved dead; the lock was this process'
 * own already (`resumed`), or had vanished (`lock-lost`).
 */
export type TermCause = 'first' | 'released' | 'handed-over' | 'expired' | 'resumed' | 'lock-lost' | ProofKind;
export const TERM_CAUSES: readonly TermCause[] = [
  'first',
  'released',
  'handed-over',
  'expired',
  'resumed',
  'lock-lost',
  'restarted',
  'terminated',
  'refused',
];

/** Ends of a term in good order. */
export type OrderlyEnd = Extract<TermEnd, 'released' | 'handed-back' | 'handed-over'>;

export interface Term {
  readonly zone: string;
  /** Rises with every term of the zone, whoever holds it. */
  readonly epoch: number;
  /** `<replica>_<pod UID or ->_<boot id>`. */
  readonly holder: string;
  /** Monotonic time at which it was won. */
  readonly since: number;
  /** When the predecessor was last known to act, in milliseconds before `since`; undefined when the zone was never led. */
  readonly leaderlessMs: number | undefined;
  readonly cause: TermCause;
  /** Aborts the moment the term is lost: stop, send nothing more. */
  readonly signal: AbortSignal;
  /** Aborts when the term should be wound down in good order (shutdown, hand-back): finish, flush, return. It is still held meanwhile. */
  readonly ending: AbortSignal;
  /** May a side effect be sent now? Ask at the moment of sending. */
  mayAct(): boolean;
  /** Milliseconds of the right to act that are left; 0 when none. Bounds every request's deadline. */
  remainingMs(): number;
  /**
   * Winds the term down in favour of another replica, for whom the others then stay off the zone for two seconds. Whether
   * that one lives and can lead is for the caller to know. Does nothing when the term is being wound down already.
   */
  handOver(to: string, why: string): void;
  /** The zone was put here by hand: this term ends neither because of home nor for an even spread. */
  stay(): void;
  /**
   * Gives the term up at once, because somebody proved that it is over. `stands`: the epoch that was seen to stand in its
   * way, which this replica's next one will be above.
   */
  lose(end: TermEnd, detail: string, stands?: number): void;
}

/** Throws `Fenced` unless the term may act now. */
export function assertMayAct(term: Term): void {
  if (!term.mayAct()) {
    throw new ZoneletError('Fenced', `the term of zone ${term.zone} with epoch ${term.epoch} is over`);
  }
}
