/**
 * What a zone's leader may say of its backend, from what it sees itself and what the other replicas tell. Pure.
 *
 * A backend is down for all only when two replicas in different zones say so and none reaches it. What one replica alone
 * does not reach takes no new pods, and that is all: the fault may be its own.
 */
import type { BackendSight } from '../../election/backend-sight.ts';
import type { ZoneState } from '../../provider/contract.ts';

export interface Observer {
  readonly replica: string;
  readonly homeZone: string | undefined;
  readonly sight: BackendSight;
}

export type VerdictReason =
  | 'BackendUp'
  | 'BackendTakesNoNewPods'
  /** By this replica, and no second one in another zone says the same. */
  | 'BackendNotReached'
  | 'BackendDown'
  | 'BackendUnknown'
  /** Every backend of the set looks down: then it is the looking that is at fault. */
  | 'EveryBackendDown';

export interface Verdict {
  readonly state: ZoneState;
  readonly reason: VerdictReason;
  /** What was seen by whom. */
  readonly message: string;
}

export interface Views {
  readonly own: Observer;
  readonly others: readonly Observer[];
  /** No replica reaches any backend of the set, as far as this one knows. */
  readonly everythingIsDown: boolean;
}

export function agree({ own, others, everythingIsDown }: Views): Verdict {
  const { state, evidence } = own.sight;
  if (state === 'Up') return { state, reason: 'BackendUp', message: evidence };
  if (state === 'NoNew') return { state, reason: 'BackendTakesNoNewPods', message: evidence };
  if (state === 'Unknown') return { state, reason: 'BackendUnknown', message: evidence };
  const message = others.map(described).reduce((text, other) => `${text}; ${other}`, described(own));
  if (everythingIsDown) {
    return {
      state: 'Unknown',
      reason: 'EveryBackendDown',
      message: `no replica reaches any backend of the set, so the fault is on this side: ${message}`,
    };
  }
  const reached = others.some(({ sight }) => sight.state === 'Up' || sight.state === 'NoNew');
  const isConfirmed = others.some(({ sight, homeZone }) => sight.state === 'Down' && isElsewhere(homeZone, own));
  if (!reached && isConfirmed) return { state: 'Down', reason: 'BackendDown', message };
  return { state: 'NoNew', reason: 'BackendNotReached', message };
}

/** A replica of which it is not known where it runs may stand right beside this one. */
function isElsewhere(homeZone: string | undefined, own: Observer): boolean {
  return homeZone !== undefined && own.homeZone !== undefined && homeZone !== own.homeZone;
}

function described({ replica, homeZone, sight }: Observer): string {
  const where = homeZone === undefined ? replica : `${replica} in ${homeZone}`;
  return `${where} sees ${sight.state}${sight.evidence === '' ? '' : ` (${sight.evidence})`}`;
}
