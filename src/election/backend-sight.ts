/** What a replica tells the others of each zone's backend, on its candidate Lease: `{"zone-a":"Up","zone-b":"Down: why"}`. */

export interface BackendSight {
  /** `Unknown`: nothing can be said now, also while an earlier judgement is in doubt. */
  readonly state: 'Up' | 'NoNew' | 'Down' | 'Unknown';
  /** What was seen, for people; empty when there is nothing to add. */
  readonly evidence: string;
}

export type BackendSights = ReadonlyMap<string, BackendSight>;

const STATES: readonly BackendSight['state'][] = ['Up', 'NoNew', 'Down', 'Unknown'];
/** Every replica of the set keeps it in memory, and each beat carries it. */
const MAX_EVIDENCE = 160;

/** Undefined when there is nothing to tell. */
export function writeSights(sights: BackendSights): string | undefined {
  if (sights.size === 0) return undefined;
  const texts = [...sights]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([zone, { state, evidence }]) => [
      zone,
      evidence === '' || state === 'Up' ? state : `${state}: ${evidence.slice(0, MAX_EVIDENCE)}`,
    ]);
  return JSON.stringify(Object.fromEntries(texts));
}

/** What cannot be read says nothing. */
export function readSights(text: string | undefined): BackendSights {
  const sights = new Map<string, BackendSight>();
  let value: unknown;
  try {
    value = JSON.parse(text ?? '{}');
  } catch {
    return sights;
  }
  if (typeof value !== 'object' || value === null) return sights;
  for (const [zone, told] of Object.entries(value)) {
    const [, word, evidence = ''] = (typeof told === 'string' && /^(\w+)(?:: (.*))?$/s.exec(told)) || [];
    const state = STATES.find((known) => known === word);
    if (state !== undefined) sights.set(zone, { state, evidence });
  }
  return sights;
}

/** True for one that does not reach the zone's backend while others may. */
export function isCutOff(sights: BackendSights, zone: string): boolean {
  return sights.get(zone)?.state === 'Down';
}

export function reaches(sights: BackendSights, zone: string): boolean {
  const state = sights.get(zone)?.state;
  return state === 'Up' || state === 'NoNew';
}
