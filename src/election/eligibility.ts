/**
 * Who takes a zone that is free, and when. Safety is in `freeAt` alone and in the lock's compare-and-swap; everything
 * else here is preference: when replicas see different things, the worst is that a zone goes to the second best.
 */
import { createHash } from 'node:crypto';
import { type BackendSights, isCutOff } from './backend-sight.ts';
import { isEarlierBoot } from './identity.ts';
import type { Sighting } from './observer.ts';
import type { Proof, ProofKind } from './witness.ts';

/** How long a zone is left to its home replica when nobody knows yet who lives: a process starts in less. */
const HOME_FIRST_MS = 2_000;
/** How long others stay off a zone that was given up for somebody. */
const HAND_OVER_MS = 2_000;

/** What a replica that is draining leaves to the others, beyond its rank, before it takes a zone after all. */
const LAST_RESORT_MS = 2_000;

export interface Contender {
  readonly name: string;
  readonly homeZone: string | undefined;
  /** How many zones it leads. */
  readonly zonesHeld: number;
  /** The zones that it campaigns for; undefined: all. */
  readonly campaignsFor: readonly string[] | undefined;
  /** It gives its zones away and wants none. */
  readonly draining: boolean;
  /** What it sees of the zones' backends. */
  readonly backends: BackendSights;
}

export function isCandidateFor({ campaignsFor }: Pick<Contender, 'campaignsFor'>, zone: string): boolean {
  return campaignsFor?.includes(zone) ?? true;
}

/**
 * Best first: not draining, not cut off from the zone's backend, at home, then who leads fewest zones, then by a hash that
 * every replica computes alike.
 */
export function ranked<T extends Contender>(zone: string, contenders: readonly T[], preferHome = true): T[] {
  const key = (of: T): readonly [number, number, number, number, string] => [
    of.draining ? 1 : 0,
    isCutOff(of.backends, zone) ? 1 : 0,
    preferHome && of.homeZone === zone ? 0 : 1,
    of.zonesHeld,
    createHash('sha256').update(`${zone}/${of.name}`).digest('hex'),
  ];
  return contenders
    .map((contender) => ({ contender, key: key(contender) }))
    .sort(
      ({ key: a }, { key: b }) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3] || (a[4] < b[4] ? -1 : 1),
    )
    .map(({ contender }) => contender);
}

/** Who would lead the zone next, were its leader gone now, and why; undefined when nobody would. */
export function nextLeader(
  zone: string,
  others: readonly (Contender & { readonly ready: boolean })[],
  preferHome = true,
): { readonly name: string; readonly why: 'home' | 'fewest zones' | 'last resort' } | undefined {
  const eligible = others.filter((other) => other.ready && isCandidateFor(other, zone));
  const [first] = ranked(zone, eligible, preferHome);
  if (first === undefined) return undefined;
  const unfit = first.draining || isCutOff(first.backends, zone);
  const why = unfit ? 'last resort' : preferHome && first.homeZone === zone ? 'home' : 'fewest zones';
  return { name: first.name, why };
}

export interface Standing {
  /** Own holder identity and replica name. */
  readonly holder: string;
  readonly replica: string;
  readonly leaseDurationMs: number;
  /** Nothing says that the zone ever had a leader. */
  readonly neverLed: boolean;
  /** The record vanished while this replica held it, and its right to act has not run out since. */
  readonly mayRecreate: boolean;
  /** What a witness knows of the record's holder. */
  readonly proof: Proof | undefined;
}

/** True when this replica needs to wait for nobody, and comes first: the lock is its own, or was its pod's. */
export function isOwn({ record }: Sighting, standing: Standing): boolean {
  if (record === undefined) return standing.mayRecreate;
  return record.holder === standing.holder || isEarlierBoot(record.holder, standing.holder);
}

/** The proof that the record's holder is dead; one that the record itself speaks against is none. */
function proofAgainst({ record, since }: Sighting, { proof }: Standing): Proof | undefined {
  return record !== undefined && proof !== undefined && since <= proof.coversUntil ? proof : undefined;
}

/**
 * The monotonic time from which on nobody else can be acting under this record. A duration shorter than the own is not
 * believed: a holder counts with what it wrote, not with what somebody made of it.
 */
export function freeAt(sighting: Sighting, standing: Standing): number {
  const { since } = sighting;
  if (isOwn(sighting, standing)) return since;
  const proof = proofAgainst(sighting, standing);
  const runsOut = runsOutAt(sighting, standing);
  return proof === undefined ? runsOut : Math.min(Math.max(since, proof.at), runsOut);
}

function runsOutAt({ record, since }: Sighting, standing: Standing): number {
  if (record === undefined) return standing.neverLed ? since : since + standing.leaseDurationMs;
  return record.released ? since : since + Math.max(record.durationMs, standing.leaseDurationMs);
}

/** By which proof the lock is free at this time; undefined when it needs none: it ran out, was given up or is the own. */
export function freeBy(sighting: Sighting, standing: Standing, now: number): ProofKind | undefined {
  if (now >= runsOutAt(sighting, standing)) return undefined;
  const { record } = sighting;
  if (record !== undefined && isEarlierBoot(record.holder, standing.holder)) return 'restarted';
  return proofAgainst(sighting, standing)?.by;
}

export interface Preference {
  /** The replica prefers this zone. */
  readonly atHome: boolean;
  /** The replica gives its zones away; it takes one only when nobody else does. */
  readonly draining: boolean;
  /** A replica that prefers this zone was heard of lately. */
  readonly homeSeen: boolean;
  /** How many others should take it rather. */
  readonly rank: number;
  /** What each of them costs, in milliseconds. */
  readonly rankDelayMs: number;
  /** Monotonic time since when this replica can see and be seen: its start, or the end of the API server's silence. */
  readonly startedAt: number;
  readonly reachableSince: number;
  /** By how much replicas that were all cut off may come back one after the other, in milliseconds. */
  readonly returnSpreadMs: number;
}

/** The monotonic time at which this replica should claim; never before `freeAt`. */
export function claimAt(sighting: Sighting, standing: Standing, preference: Preference): number {
  const free = freeAt(sighting, standing);
  if (isOwn(sighting, standing)) return free;
  const { record } = sighting;
  const { atHome, rank, rankDelayMs, reachableSince } = preference;
  const spreadMs = rank > 0 && reachableSince > free ? preference.returnSpreadMs : 0;
  const lastMs = preference.draining && rank > 0 ? LAST_RESORT_MS : 0;
  const inTurn = Math.max(free, reachableSince) + spreadMs + rank * rankDelayMs + lastMs;
  if (record?.released && record.handOverTo !== undefined) {
    return record.handOverTo === standing.replica ? free : inTurn + HAND_OVER_MS;
  }
  if (atHome && !preference.draining) return inTurn;
  if (standing.neverLed) {
    // A home replica that is there takes it any moment; only if it cannot, the zone goes to somebody else.
    return inTurn + HOME_FIRST_MS + (preference.homeSeen ? standing.leaseDurationMs : 0);
  }
  return Math.max(inTurn, preference.startedAt + HOME_FIRST_MS);
}
