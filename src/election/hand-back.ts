/** When a leader that is not at home gives a zone back to a replica that is. */
import type { Clock } from '../clock.ts';
import type { Candidates } from './candidates.ts';
import { parseHolder } from './identity.ts';
import type { LockRecord } from './lock.ts';

/** How long the home replica must have lived without a gap: one that crashes over and over gets no zone to crash with. */
const HEALTHY_MS = 60_000;
/** A zone changes hands at most this often for no other reason than home. */
const MIN_HOLD_MS = 30_000;
/** After a hand-back that did not last, none for so long. */
const COOLDOWN_MS = 300_000;

export interface HandBack {
  /** Takes note of what stands in the lock. */
  saw(record: LockRecord): void;
  /** The replica to give the zone to now, for a term that was won at this monotonic time. */
  target(termSince: number): string | undefined;
}

export function createHandBack(zone: string, candidates: Candidates, clock: Clock): HandBack {
  let handed: { readonly to: string; readonly at: number } | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;
  return {
    saw({ handOverTo, holder }) {
      const now = clock.monotonic();
      if (handOverTo !== undefined) handed = { to: handOverTo, at: now };
      else if (holder !== '' && handed !== undefined && parseHolder(holder)?.replica !== handed.to) {
        // It went to somebody else: at once, or after the one that it was meant for had lost it again.
        if (now - handed.at < COOLDOWN_MS) notBefore = now + COOLDOWN_MS;
        handed = undefined;
      }
    },
    target(termSince) {
      const now = clock.monotonic();
      if (candidates.isHome(zone) || now < notBefore || now - termSince < MIN_HOLD_MS) return undefined;
      return candidates.healthyHome(zone, HEALTHY_MS);
    },
  };
}
