/**
 * What one replica holds of one backend, from what it observes there: quick to doubt, slow to condemn, slower to trust
 * again. Pure: the same observations at the same times give the same judgement.
 */
import type { ZoneState } from '../../provider/contract.ts';

/** One look at the backend: a report of the provider, or the answer to a ping. */
export interface Observation {
  /** `Unknown`: it was not reached. */
  readonly state: ZoneState;
  readonly evidence: string;
}

export interface Judgement {
  /** `Down`: the backend says so itself, or it was not reached for long enough. `Unknown`: nothing can be said yet. */
  readonly state: ZoneState;
  /** What it rests on, for people. */
  readonly evidence: string;
  /** When the first of the observations was made that led to it. */
  readonly since: number;
  /** What the last observations say instead. */
  readonly rival: Rival | undefined;
}

interface Rival {
  readonly isBad: boolean;
  readonly since: number;
  readonly observations: number;
}

export interface JudgementSettings {
  /** Failed observations in a row, over this time, until a backend is held to be down: a lost packet is not an outage. */
  readonly downAfter: { readonly observations: number; readonly ms: number };
  /** Good ones in a row, over this time, until one that was down is trusted again: longer, because pods are placed there at once. */
  readonly upAfter: { readonly observations: number; readonly ms: number };
  /**
   * The same for one that took no new pods and says that it does again. Short and never doubled: a backend that is full
   * says so whenever a pod of many ends, and what waits for that room is not to wait for us.
   */
  readonly openAfter: { readonly observations: number; readonly ms: number };
  /** Each time that it goes down again doubles the time until trust, up to this. */
  readonly longestUpMs: number;
  /** So long after it was trusted again, going down is no relapse. */
  readonly forgetMs: number;
}

export const JUDGEMENT: JudgementSettings = {
  downAfter: { observations: 3, ms: 10_000 },
  upAfter: { observations: 3, ms: 15_000 },
  openAfter: { observations: 2, ms: 5_000 },
  longestUpMs: 300_000,
  forgetMs: 600_000,
};

export interface Memory extends Judgement {
  readonly relapses: number;
  /** When it was last trusted again after it had been down; undefined when it never had to be. */
  readonly trustedAt: number | undefined;
}

export const NO_JUDGEMENT: Memory = {
  state: 'Unknown',
  evidence: 'nothing was heard of the backend yet',
  since: 0,
  rival: undefined,
  relapses: 0,
  trustedAt: undefined,
};

/** The memory after one more observation, which was made at the monotonic time `at`. */
export function judge(before: Memory, seen: Observation, at: number, settings = JUDGEMENT): Memory {
  const says = seen.state === 'Unknown' ? 'Down' : seen.state;
  if (says === before.state) return { ...before, evidence: seen.evidence, rival: undefined };
  const rival = nextRival(before.rival, says === 'Down', at);
  if (!isConvincing(before, says, rival, at, settings)) return { ...before, rival };
  const isRelapse = before.trustedAt !== undefined && at - before.trustedAt < settings.forgetMs;
  return {
    state: says,
    evidence: seen.evidence,
    since: rival.since,
    rival: undefined,
    relapses: says !== 'Down' ? before.relapses : isRelapse ? before.relapses + 1 : 0,
    trustedAt: before.state === 'Down' ? at : before.trustedAt,
  };
}

function nextRival(before: Rival | undefined, isBad: boolean, at: number): Rival {
  if (before?.isBad !== isBad) return { isBad, since: at, observations: 1 };
  return { ...before, observations: before.observations + 1 };
}

function isConvincing(
  { state, relapses }: Memory,
  says: ZoneState,
  { since, observations }: Rival,
  at: number,
  { downAfter, upAfter, openAfter, longestUpMs }: JudgementSettings,
): boolean {
  if (says === 'Down') return observations >= downAfter.observations && at - since >= downAfter.ms;
  // A backend that wants no new pods is believed at once: it costs nothing. So is the first word that is heard of it.
  if (state === 'Unknown' || (state === 'Up' && says === 'NoNew')) return true;
  if (state === 'NoNew') return observations >= openAfter.observations && at - since >= openAfter.ms;
  return observations >= upAfter.observations && at - since >= Math.min(upAfter.ms * 2 ** relapses, longestUpMs);
}
