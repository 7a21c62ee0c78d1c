/**
 * I7: while one healthy replica can reach the API server, a virtual node whose backend works never becomes NotReady. And
 * whatever the backends do, the set itself never says so of a majority of its zones at once.
 */
import { parseTime } from '../../../src/kube/micro-time.ts';
import type { Lease, Node } from '../../../src/kube/types.ts';
import { isGivenUp } from '../../../src/node/node-health.ts';
import { healthOf } from '../model/health-record.ts';
import type { ApiWrite } from '../model/history.ts';
import type { CreateChecker } from './checker.ts';

const NODE_LEASES = 'kube-node-lease/';
/** A zone's health has its own hysteresis: what was wrong so long ago may still be told of. */
const AFTERMATH_MS = 90_000;

export const nodeReady: CreateChecker = (world, report) => {
  const { zones, plan, scheduler } = world;
  const health = healthOf(world);
  const zoneOfNode = new Map(zones.map(({ name, nodeName }) => [nodeName, name]));
  const givenUp = new Set<string>();
  /** Per node, a renewal in the future that the node lifecycle controller has seen, of a Lease that was deleted by hand. */
  const futureOf = new Map<string, number>();

  function noteDeletion({ actor, json, key, before }: ApiWrite): void {
    if (actor !== 'workload' || json !== undefined || !key.startsWith(NODE_LEASES)) return;
    const renewedAt = parseTime((before as Lease | undefined)?.spec?.renewTime) ?? 0;
    if (renewedAt > scheduler.clock.now()) futureOf.set(key.slice(NODE_LEASES.length), renewedAt);
  }

  const readyOf = (node: Node | undefined): string | undefined =>
    node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return {
    write(write) {
      const { actor, collection, key } = write;
      if (collection === 'leases.coordination.k8s.io') noteDeletion(write);
      const zone = collection === 'nodes' ? zoneOfNode.get(key) : undefined;
      if (zone === undefined) return;
      const { object, before } = write;
      if (object !== undefined && isGivenUp(object as Node)) givenUp.add(zone);
      else givenUp.delete(zone);
      if (2 * givenUp.size > zones.length)
        report(`${[...givenUp].join(' and ')} of ${zones.length} zones are given up`);
      if (object === undefined || before?.metadata?.uid !== object.metadata?.uid) return;
      if (readyOf(before as Node) !== 'True' || readyOf(object as Node) === 'True') return;
      // It believes no renewal before that one, whoever makes the Lease anew.
      if (actor === 'controllers' && scheduler.clock.now() < (futureOf.get(key) ?? 0)) return;
      const fitSince = health.fitSince(zone);
      const fitForMs = fitSince === undefined ? 0 : scheduler.now - fitSince;
      const neededMs = actor === 'controllers' ? plan.nodeMonitorGraceMs : AFTERMATH_MS;
      if (fitForMs < neededMs) return;
      const seconds = (fitForMs / 1000).toFixed(1);
      report(
        `${key} became ${readyOf(object as Node)} by ${actor}, although a replica has been fit to lead ${zone} for ${seconds} s`,
      );
    },
  };
};
