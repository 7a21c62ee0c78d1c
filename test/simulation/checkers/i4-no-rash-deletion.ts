/**
 * I4: no backend delete unless a live read showed the UID absent or terminating. A UID that is absent or terminating
 * stays so: it is enough to look at the API when the backend deletes.
 */
import type { Pod } from '../../../src/kube/types.ts';
import type { CreateChecker } from './checker.ts';

export const noRashDeletion: CreateChecker = (_world, report) => {
  const wanted = new Map<string, string>();
  return {
    write(write) {
      if (write.collection !== 'pods') return;
      const { key, object, before } = write;
      const last = (before as Pod | undefined)?.metadata?.uid;
      if (last !== undefined) wanted.delete(last);
      const { uid, deletionTimestamp } = object?.metadata ?? {};
      if (uid !== undefined && deletionTimestamp === undefined) wanted.set(uid, key);
    },
    backend({ zone, operation, uid, outcome, actor }) {
      if (operation !== 'delete' || outcome === 'refused' || outcome === 'failed') return;
      const pod = wanted.get(uid);
      if (pod !== undefined)
        report(`${pod} (${uid}) was deleted in ${zone} by ${actor} (${outcome}) while the API wanted it`);
    },
  };
};
