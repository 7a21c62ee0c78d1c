/**
 * I7: while one healthy replica can reach the API server, a virtual node whose backend works never becomes NotReady. And
 * whatever the backends do, the set itself never says so of a majority of its zones at once.
 */
import type { Node } from '../../../src/kube/types.ts';
import { isGivenUp } from '../../../src/node/node-health.ts';
import { healthOf } from '../model/health-record.ts';
import type { CreateChecker } from './checker.ts';

/** A zone's health has its own hysteresis: what was wrong so long ago may still be told of. */
const AFTERMATH_MS = 90_000;

export const nodeReady: CreateChecker = (world, report) => {
  const { zones, plan, scheduler } = world;
  const health = healthOf(world);
  const zoneOfNode = new Map(zones.map(({ name, nodeName }) => [nodeName, name]));
  const givenUp = new Set<string>();
  const readyOf = (node: Node | undefined): string | undefined =>
    node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return {
    write(write) {
      const { actor, collection, key } = write;
      const zone = collection === 'nodes' ? zoneOfNode.get(key) : undefined;
      if (zone === undefined) return;
      const { object, before } = write;
      if (object !== undefined && isGivenUp(object as Node)) givenUp.add(zone);
      else givenUp.delete(zone);
      if (2 * givenUp.size > zones.length)
        report(`${[...givenUp].join(' and ')} of ${zones.length} zones are given up`);
      if (object === undefined || before?.metadata?.uid !== object.metadata?.uid) return;
      if (readyOf(before as Node) !== 'True' || readyOf(object as Node) === 'True') return;
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
