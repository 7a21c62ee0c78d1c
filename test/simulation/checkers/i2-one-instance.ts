/**
 * I2: every pod UID has at most one live backend instance, and is created once; none for a UID that was never bound there,
 * nor for one that was gone from the API before the term began that creates it: a leader begins with a consistent read.
 */
import type { Pod } from '../../../src/kube/types.ts';
import type { CreateChecker } from './checker.ts';

export const oneInstance: CreateChecker = ({ zones, scheduler }, report) => {
  const goneAt = new Map<string, number>();
  /** When the backend was claimed with its present epoch. */
  const claimedAt = new Map<string, { readonly epoch: number; readonly at: number }>();
  const created = new Map<string, string>();
  const bound = new Map<string, string>();
  const deleted = new Set<string>();
  const zoneOfNode = new Map(zones.map(({ name, nodeName }) => [nodeName, name]));
  return {
    write(write) {
      if (write.collection !== 'pods') return;
      const { object, before } = write;
      const uid = before?.metadata?.uid;
      if (uid !== undefined && uid !== object?.metadata?.uid) goneAt.set(uid, scheduler.now);
      if (object === undefined) return;
      const zone = zoneOfNode.get((object as Pod).spec?.nodeName ?? '');
      if (zone !== undefined) bound.set(object.metadata?.uid ?? '', zone);
    },
    backend({ zone, uid, operation, epoch, outcome }) {
      if (operation === 'claim' && outcome === 'accepted' && epoch > (claimedAt.get(zone)?.epoch ?? 0))
        claimedAt.set(zone, { epoch, at: scheduler.now });
      // What was told to be gone stays gone: a create that comes after it was sent before.
      if (operation === 'delete' && (outcome === 'gone' || outcome === 'absent')) deleted.add(uid);
      if (outcome !== 'created') return;
      if (deleted.has(uid)) report(`${uid} was created in ${zone} after its deletion there was carried out`);
      const claim = claimedAt.get(zone);
      const gone = goneAt.get(uid);
      if (gone !== undefined && claim?.epoch === epoch && gone < claim.at)
        report(`${uid} was created in ${zone} in a term that began when it had left the API already`);
      const before = created.get(uid);
      if (before !== undefined) report(`${uid} was created in ${before} and then in ${zone}`);
      created.set(uid, zone);
      if (bound.get(uid) !== zone)
        report(`${uid} was created in ${zone} and is bound to ${bound.get(uid) ?? 'nothing'}`);
    },
  };
};
