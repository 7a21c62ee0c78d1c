/** What standby and leader of one zone share: settings, and what the replica knows of the lock. */
import type { Clock, Random } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { ElectionMetrics } from '../metrics/election.ts';
import type { Bell } from './bell.ts';
import type { Candidates } from './candidates.ts';
import type { ZoneFloor } from './epoch-floor.ts';
import type { ElectionKind, Lock } from './lock.ts';
import type { Observer } from './observer.ts';
import type { Transition } from './transition.ts';
import type { Witness } from './witness.ts';

export interface Timing {
  /** How long others wait for a leader of which they hear nothing. */
  readonly leaseDurationMs: number;
  /** How long a leader tries to renew before it steps down. */
  readonly renewDeadlineMs: number;
  /** Time from one renewal to the next, and between attempts. */
  readonly retryPeriodMs: number;
}

/** What moves a zone from a leader that is alive and well. */
export interface HandBackSettings {
  /**
   * `auto`: the home replica gets its zone back, and zones without one are spread evenly. `manual`: neither; a zone that
   * is free still goes to its home replica first. `never`: home counts for nothing once the zone was led.
   */
  readonly mode: 'auto' | 'manual' | 'never';
  /** How long a replica must have lived without a gap before a zone is moved to it. */
  readonly afterMs: number;
}

export const HAND_BACK_DEFAULT: HandBackSettings = { mode: 'auto', afterMs: 60_000 };

export interface CampaignOptions {
  readonly zone: string;
  /** What is elected by, and the zone's lock of that kind. */
  readonly by: ElectionKind;
  readonly lock: Lock;
  /** The zone's lock of the other kind, where the configuration says where that is. */
  readonly otherLock: Lock | undefined;
  readonly floor: ZoneFloor;
  readonly candidates: Candidates;
  /** Whose word on a holder's death is taken in this zone. */
  readonly witness: Witness;
  /** Own holder identity and replica name. */
  readonly holder: string;
  readonly replica: string;
  readonly timing: Timing;
  readonly handBack: HandBackSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ElectionMetrics;
  readonly log: Logger;
}

export interface Contest extends CampaignOptions {
  readonly observer: Observer;
  readonly transition: Transition;
  /** Told why this replica does not run for the zone now; undefined when it does. */
  obstacle(why: string | undefined): void;
  /** Rings whenever there is news. */
  readonly bell: Bell;
}

/** The time for one request, so that one that hangs does not eat the renewal deadline; as in controller-runtime. */
export function callTimeoutMs({ renewDeadlineMs }: Timing): number {
  return Math.max(1_000, renewDeadlineMs / 2);
}

/** Conflicts in a row that are looked into at once: more would be a defect, of ours or of the server. */
export const QUICK_CONFLICTS = 3;
