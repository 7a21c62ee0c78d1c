/**
 * I6: what a replica asks of API server and backends is bounded by a function of time, zones, pods and faults. The bound is
 * about twice what was seen in some hundreds of seeds: it finds what goes round in circles, not what is a little wasteful.
 */
import { type CreateChecker, isReplica } from './checker.ts';

/** Starting: caches, the first claims. */
const START = 30;
/** A second of one replica: its candidate Lease. */
const A_SECOND = 1;
/** A second of a zone: its lease, the node's, lists. */
const A_ZONE_SECOND = 2;
/** A step of the plan: a pod that comes and goes, a fault that everybody has to live with. */
const A_STEP = 12;

export const boundedWork: CreateChecker = ({ plan, replicas, scheduler }, report) => {
  const sent = new Map<string, number>();
  const begun = new Map<string, number>();
  /** Of the plan, in the order of time, that have begun. */
  let steps = 0;
  let closest = 0;
  const count = (actor: string): void => {
    if (!isReplica(actor)) return;
    const seconds = (scheduler.now - (begun.get(actor) ?? begun.set(actor, scheduler.now).get(actor) ?? 0)) / 1000;
    const requests = (sent.get(actor) ?? 0) + 1;
    sent.set(actor, requests);
    while ((plan.steps[steps]?.at ?? Number.POSITIVE_INFINITY) <= scheduler.now) steps++;
    const bound =
      START + seconds * (A_SECOND + A_ZONE_SECOND * plan.zones) + A_STEP * (steps + plan.zones * replicas.length);
    closest = Math.max(closest, requests / bound);
    if (requests > bound)
      report(`${actor} has sent ${requests} requests in ${seconds.toFixed(1)} s, more than ${bound.toFixed(0)}`);
  };
  return {
    sending: ({ actor }) => count(actor),
    backend: ({ actor }) => count(actor),
    closest: () => closest,
  };
};
