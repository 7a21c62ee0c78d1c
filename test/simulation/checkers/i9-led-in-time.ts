/**
 * I9: failover time stays inside its bound, and no zone stays without a leader while an eligible candidate lives: looked
 * at all the time, not only when it is led again, because the next fault takes the eligible candidate away. A zone
 * counts as led from one renewal of its Lease to the next. Locks on Redis leave no such trace here: of them only the end is
 * checked.
 */
import { zoneLeaseName } from '../../../src/election/names.ts';
import type { Lease } from '../../../src/kube/types.ts';
import { healthOf } from '../model/health-record.ts';
import { NAMESPACE, SET } from '../place.ts';
import type { CreateChecker } from './checker.ts';
import { leadersOf } from './leaders.ts';

/** The lease, its news and the claim; a rank for each other replica; a second try. A home replica is waited for meanwhile. */
const LEASE_MS = 6_500;
const RANK_MS = 500;
const AGAIN_MS = 1_500;
/** Whoever does things to a Lease or Node by hand is not waited for in the bound. */
const BY_HAND_MS = 30_000;
/** Without a leader at the very start: replicas start within 3 s. */
const FIRST_MS = 12_000;

export const ledInTime: CreateChecker = (world, report) => {
  const { zones, plan, replicas, scheduler } = world;
  const health = healthOf(world);
  const boundMs = LEASE_MS + RANK_MS * replicas.length + AGAIN_MS;
  const zoneOfLease = new Map(zones.map(({ name }) => [`${NAMESPACE}/${zoneLeaseName(SET, name)}`, name]));
  const heldAt = new Map<string, number>(zones.map(({ name }) => [name, FIRST_MS - boundMs]));
  const handAt = new Map<string, number>();

  let closest = 0;

  function check(zone: string): void {
    const fit = health.fitSince(zone);
    if (fit === undefined || scheduler.now - (handAt.get(zone) ?? Number.NEGATIVE_INFINITY) < BY_HAND_MS) return;
    const gapMs = scheduler.now - Math.max(heldAt.get(zone) ?? 0, fit);
    closest = Math.max(closest, gapMs / boundMs);
    if (gapMs > boundMs)
      report(
        `${zone} has not been led for ${(gapMs / 1000).toFixed(1)} s in which a replica was fit to lead it, more than ${boundMs / 1000} s`,
      );
  }

  if (plan.election === 'lease')
    health.subscribe(() => {
      for (const { name } of zones) check(name);
    });

  return {
    write(write) {
      const { actor, collection, key } = write;
      if (actor === 'workload' && collection === 'nodes') {
        const zone = zones.find(({ nodeName }) => nodeName === key)?.name;
        if (zone !== undefined) handAt.set(zone, scheduler.now);
      }
      const zone = collection === 'leases.coordination.k8s.io' ? zoneOfLease.get(key) : undefined;
      if (zone === undefined) return;
      if (actor === 'workload') handAt.set(zone, scheduler.now);
      if ((write.object as Lease | undefined)?.spec?.holderIdentity) heldAt.set(zone, scheduler.now);
    },
    closest: () => closest,
    async atEnd() {
      for (const [zone, leaders] of await leadersOf(world)) {
        if (leaders.length !== 1) report(`${zone} has ${leaders.length} leaders at the end: ${leaders.join(', ')}`);
      }
    },
  };
};
