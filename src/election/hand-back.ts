/**
 * When a leader that is alive gives a zone to another replica by itself: because it is draining, because it is cut off from
 * the zone's backend and another is not, because the zone's home replica is back, or because others lead fewer zones. Every
 * move costs a change of leader, so the last two ask for a replica that has been healthy for a while, a term that has lasted
 * for a while, and quiet after a move that did not last.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isCutOff, reaches } from './backend-sight.ts';
import type { Candidates } from './candidates.ts';
import type { HandBackSettings } from './contest.ts';
import { isCandidateFor, ranked } from './eligibility.ts';
import { parseHolder } from './identity.ts';
import type { LockRecord } from './lock.ts';
import type { Living } from './roster.ts';

/** A zone changes hands at most this often for no other reason than home or an even spread. */
const MIN_HOLD_MS = 30_000;
/** After a hand-back that did not last, none for so long. */
const COOLDOWN_MS = 300_000;
/** For an even spread one zone moves at a time, and the next one once everybody has heard of it. */
const SETTLE_MS = 10_000;
/** A replica that is draining and got a zone back tries again after this. */
const DRAIN_AGAIN_MS = 5_000;

export interface Move {
  readonly to: string;
  readonly why: 'draining' | 'cut off from the backend' | 'home' | 'spread';
}

export interface HandBack {
  /** Takes note of what stands in the lock. */
  saw(record: LockRecord): void;
  /** The replica to give the zone to now, for a term that was won at this monotonic time. `stays`: put there by hand. */
  move(term: { readonly since: number; readonly stays: boolean }): Move | undefined;
}

export function createHandBack(
  zone: string,
  candidates: Candidates,
  settings: HandBackSettings,
  clock: Clock,
): HandBack {
  let handed: { readonly to: string; readonly at: number } | undefined;
  let handedAt = Number.NEGATIVE_INFINITY;
  let notBefore = Number.NEGATIVE_INFINITY;

  /** Replicas that could take the zone this moment. */
  const takers = (): Living[] =>
    candidates.living().filter((other) => other.ready && !other.draining && isCandidateFor(other, zone));

  return {
    saw({ handOverTo, holder }) {
      const now = clock.monotonic();
      if (handOverTo !== undefined) {
        handed = { to: handOverTo, at: now };
        handedAt = now;
      } else if (holder !== '' && handed !== undefined && parseHolder(holder)?.replica !== handed.to) {
        // It went to somebody else: at once, or after the one that it was meant for had lost it again.
        if (now - handed.at < COOLDOWN_MS) notBefore = now + COOLDOWN_MS;
        handed = undefined;
      }
    },
    move({ since, stays }) {
      const now = clock.monotonic();
      if (candidates.draining !== undefined) {
        const next = ranked(zone, takers(), settings.mode !== 'never')[0];
        if (next === undefined || now - handedAt < DRAIN_AGAIN_MS) return undefined;
        return { to: next.name, why: 'draining' };
      }
      // Whoever does not reach the backend is no leader at all, wherever it was put.
      if (isCutOff(candidates.self().backends, zone)) {
        const able = takers().filter(({ backends }) => reaches(backends, zone));
        const next = ranked(zone, able, settings.mode !== 'never')[0];
        return next === undefined ? undefined : { to: next.name, why: 'cut off from the backend' };
      }
      if (stays) candidates.keeps.add(zone);
      if (settings.mode !== 'auto' || stays || candidates.isHome(zone)) return undefined;
      if (now < notBefore || now - since < MIN_HOLD_MS) return undefined;
      const healthy = takers().filter(
        ({ healthyMs, cutOffMs }) => Math.min(healthyMs, cutOffMs.get(zone) ?? healthyMs) >= settings.afterMs,
      );
      const home = ranked(zone, healthy).find(({ homeZone }) => homeZone === zone);
      if (home !== undefined) return { to: home.name, why: 'home' };
      const to = surplusTaker(zone, candidates, healthy, now);
      return to === undefined ? undefined : { to, why: 'spread' };
    },
  };
}

/**
 * Who takes one of this replica's zones so that they are spread evenly, when this zone is the one to go. The replica with
 * most zones gives, the one with fewest takes, and only where they differ by two or more: a move that makes it even never
 * asks for another one back.
 */
function surplusTaker(
  zone: string,
  candidates: Candidates,
  healthy: readonly Living[],
  now: number,
): string | undefined {
  const self = candidates.self();
  const taker = ranked(zone, healthy, false)[0];
  if (taker === undefined || self.zonesHeld - taker.zonesHeld < 2) return undefined;
  if (now - candidates.changedAt < SETTLE_MS) return undefined;
  const more = candidates
    .living()
    .some(
      ({ name, zonesHeld, draining }) =>
        !draining && (zonesHeld > self.zonesHeld || (zonesHeld === self.zonesHeld && name < self.name)),
    );
  if (more) return undefined;
  const movable = self.zones.filter(
    (each) => !candidates.keeps.has(each) && !candidates.isHome(each) && !candidates.homeSeen(each),
  );
  const order = (each: string): string => createHash('sha256').update(`${each}/${self.name}`).digest('hex');
  const last = movable.sort((a, b) => (order(a) < order(b) ? 1 : -1))[0];
  return last === zone ? taker.name : undefined;
}
