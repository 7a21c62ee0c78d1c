/** I2: every pod UID has at most one live backend instance, and is created once; none for a UID that was never bound there. */
import type { Pod } from '../../../src/kube/types.ts';
import type { CreateChecker } from './checker.ts';

export const oneInstance: CreateChecker = ({ zones }, report) => {
  const created = new Map<string, string>();
  const bound = new Map<string, string>();
  const zoneOfNode = new Map(zones.map(({ name, nodeName }) => [nodeName, name]));
  return {
    write({ collection, object }) {
      if (collection !== 'pods' || object === undefined) return;
      const zone = zoneOfNode.get((object as Pod).spec?.nodeName ?? '');
      if (zone !== undefined) bound.set(object.metadata?.uid ?? '', zone);
    },
    backend({ zone, uid, outcome }) {
      if (outcome !== 'created') return;
      const before = created.get(uid);
      if (before !== undefined) report(`${uid} was created in ${before} and then in ${zone}`);
      created.set(uid, zone);
      if (bound.get(uid) !== zone)
        report(`${uid} was created in ${zone} and is bound to ${bound.get(uid) ?? 'nothing'}`);
    },
  };
};
