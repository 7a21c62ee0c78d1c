/** Who led a zone, one after the other, as its Lease said. */
import { zoneLeaseName } from '../../../src/election/names.ts';
import { parseTime } from '../../../src/kube/micro-time.ts';
import type { Play } from './play.ts';

export interface TermSeen {
  readonly holder: string;
  /** Both as written, in milliseconds since the epoch. */
  readonly wonAt: number;
  lastRenewedAt: number;
}

export function termsOf(play: Play, zone: string): readonly TermSeen[] {
  const terms: TermSeen[] = [];
  for (const { type, object } of play.history.leases) {
    if (object.metadata?.name !== zoneLeaseName(play.stage.set, zone) || type === 'gone') continue;
    const { holderIdentity: holder = '', acquireTime, renewTime } = object.spec ?? {};
    const lastRenewedAt = parseTime(renewTime) ?? 0;
    const current = terms.at(-1);
    if (current?.holder === holder) current.lastRenewedAt = lastRenewedAt;
    else if (holder !== '') terms.push({ holder, wonAt: parseTime(acquireTime) ?? 0, lastRenewedAt });
  }
  return terms;
}

/** From the last sign of the last leader but one to the claim of the last. */
export function lastTakeoverMs(play: Play, zone: string): number {
  const [before, last] = termsOf(play, zone).slice(-2);
  if (before === undefined || last === undefined) throw new Error(`${zone} had no second leader`);
  return last.wonAt - before.lastRenewedAt;
}
