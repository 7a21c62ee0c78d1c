/**
 * I1: per zone, the epochs of accepted mutations never fall, and two replicas never both have a write accepted under
 * overlapping terms. On the backend that is to be seen from the epochs themselves. Writes to the API server carry none:
 * there the time of sending counts, because from the moment that another replica's claim of the zone was accepted nobody
 * else may send anything for it.
 */
import { parseHolder } from '../../../src/election/identity.ts';
import { EPOCH_ANNOTATION, LEADER_ANNOTATION, zoneLeaseName } from '../../../src/election/names.ts';
import type { Lease, Node, Pod } from '../../../src/kube/types.ts';
import type { Sending } from '../model/history.ts';
import { NAMESPACE, SET } from '../place.ts';
import { type CreateChecker, isReplica } from './checker.ts';

const POD = /^\/api\/v1\/namespaces\/[^/]+\/pods\//;
const LOOKED_INTO: ReadonlySet<string> = new Set(['pods', 'nodes', 'leases.coordination.k8s.io']);
const UID = /"uid":"([^"]+)"/;

export const oneLeader: CreateChecker = ({ plan, zones, peers }, report) => {
  const zoneOfPod = new Map<string, string>();
  const highest = new Map<string, { epoch: number; holder: string }>();
  /** Per zone, the replica's process whose claim was accepted last. */
  const claimed = new Map<string, { actor: string; epoch: number; wronged: string | undefined }>();
  const zoneOfLease = new Map(zones.map(({ name }) => [`${NAMESPACE}/${zoneLeaseName(SET, name)}`, name]));
  const zoneOfNode = new Map(zones.map(({ name, nodeName }) => [nodeName, name]));

  /** What was done by hand since the last claim. With both gone nothing in the API tells of an epoch; the backend's fence does. */
  const spoiled = { leases: new Set<string>(), nodes: new Set<string>() };

  /** The zone for which the request is a leader's write. */
  function zoneOf({ method, path, body }: Sending): string | undefined {
    if (method === 'GET') return undefined;
    // By UID: the name may be another zone's pod by now.
    if (POD.test(path)) return zoneOfPod.get(UID.exec(body ?? '')?.[1] ?? '');
    const node = /^\/api\/v1\/nodes\/([^/]+)/.exec(path);
    return node === null ? undefined : zoneOfNode.get(node[1] ?? '');
  }

  function spoil(collection: string, key: string): void {
    const ofLease = collection === 'leases.coordination.k8s.io' ? zoneOfLease.get(key) : undefined;
    if (ofLease !== undefined) spoiled.leases.add(ofLease);
    const ofNode = collection === 'nodes' ? zoneOfNode.get(key) : undefined;
    if (ofNode !== undefined) spoiled.nodes.add(ofNode);
  }

  return {
    backend({ zone, operation, uid, epoch, holder, outcome }) {
      if (outcome === 'refused' || outcome === 'failed') return;
      const before = highest.get(zone);
      if (before !== undefined && (epoch < before.epoch || (epoch === before.epoch && holder !== before.holder))) {
        report(
          `${zone}: ${operation} of ${uid} by ${holder} with epoch ${epoch} was accepted after ${before.epoch} of ${before.holder}`,
        );
      }
      if (before === undefined || epoch > before.epoch) highest.set(zone, { epoch, holder });
    },

    write(write) {
      const { actor, collection, key } = write;
      if (!LOOKED_INTO.has(collection) || (collection === 'leases.coordination.k8s.io' && !zoneOfLease.has(key)))
        return;
      const { object, before } = write;
      if (collection === 'pods' && object !== undefined) {
        const zone = zoneOfNode.get((object as Pod).spec?.nodeName ?? '');
        if (zone !== undefined) zoneOfPod.set(object.metadata?.uid ?? '', zone);
      }
      if (actor === 'workload') spoil(collection, key);
      if (!isReplica(actor) || object === undefined) return;
      if (collection === 'leases.coordination.k8s.io') {
        const zone = zoneOfLease.get(key);
        const { holderIdentity = '', leaseTransitions = 0 } = (object as Lease).spec ?? {};
        if (zone === undefined || holderIdentity === '') return;
        let last = claimed.get(zone);
        if (spoiled.leases.delete(zone) && spoiled.nodes.has(zone) && last !== undefined)
          last = { actor: last.actor, epoch: 0, wronged: last.actor };
        if (last !== undefined && last.epoch >= leaseTransitions && last.actor !== actor)
          report(`${zone}: ${actor} claimed epoch ${leaseTransitions} after ${last.actor} had ${last.epoch}`);
        if (last === undefined || leaseTransitions > last.epoch) {
          const former = (before as Lease | undefined)?.spec?.holderIdentity ?? '';
          const unaware = peers.slandered.has(former) || last?.epoch === 0;
          const wronged = unaware ? last?.actor : last?.actor === actor ? last.wronged : undefined;
          claimed.set(zone, { actor, epoch: leaseTransitions, wronged });
        }
      }
      if (collection === 'nodes') {
        const epochOf = (node: Node | undefined): number =>
          Number(node?.metadata?.annotations?.[EPOCH_ANNOTATION] ?? 0);
        const [now, then] = [epochOf(object as Node), epochOf(before as Node | undefined)];
        const zone = zoneOfNode.get(key);
        if (now > then && zone !== undefined) spoiled.nodes.delete(zone);
        if (now < then) report(`${key}: ${actor} let the Node's epoch fall from ${then} to ${now}`);
        const leader = (node: Node | undefined): string => node?.metadata?.annotations?.[LEADER_ANNOTATION] ?? '';
        if (now === then && now > 0 && leader(object as Node) !== leader(before as Node | undefined))
          report(
            `${key}: epoch ${now} went from ${parseHolder(leader(before as Node))?.replica} to ${parseHolder(leader(object as Node))?.replica}`,
          );
      }
    },

    sending(sending) {
      const { actor, method, path } = sending;
      // A Redis that was flushed can have two holders: there the fences are what holds.
      if (plan.election === 'redis') return;
      const zone = zoneOf(sending);
      const last = zone === undefined ? undefined : claimed.get(zone);
      // One that was declared dead while it lived does not know it yet; the backend's fence is what holds then.
      if (last === undefined || last.actor === actor || last.wronged === actor) return;
      report(
        `${zone}: ${actor} sends ${method} ${path} although ${last.actor} has held the zone with epoch ${last.epoch}`,
      );
    },
  };
};
