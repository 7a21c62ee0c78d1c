/**
 * Keeps a cache of pods small: pods of one template have most of their spec in common, pods that started together most
 * of their status. A spec as a whole is seldom equal to another's, because the volume with the ServiceAccount's token is
 * named at random in each; so its parts are shared. Measured on 10,000 pods of a Deployment: 2.0 kB of heap each instead
 * of 4.4, for 15 microseconds at each change.
 */
import { isDeepStrictEqual } from 'node:util';
import { createSharedValues } from './shared-values.ts';
import type { Pod } from './types.ts';

/**
 * A `transform` for informers of pods: keeps of a new version what is as before, and shares the rest. One may serve many
 * informers: what their pods have in common is kept once. It takes over the pod that it is given.
 */
export type PodSharing = (pod: Pod, before: Pod | undefined) => Pod;

export function createPodSharing(): PodSharing {
  const { share } = createSharedValues();

  /**
   * It is compared, and `metadata.generation` is not believed: an API server without that feature leaves the number as
   * one that had it wrote it, and counts no further.
   */
  const keep = <T>(value: T, before: T | undefined): T =>
    before !== undefined && isDeepStrictEqual(value, before) ? before : share(value);

  return (pod, before) => {
    const { metadata, spec, status } = pod;
    const known = before?.metadata?.uid === metadata?.uid ? before : undefined;
    if (metadata?.labels !== undefined) metadata.labels = keep(metadata.labels, known?.metadata?.labels);
    if (metadata?.ownerReferences !== undefined) {
      metadata.ownerReferences = keep(metadata.ownerReferences, known?.metadata?.ownerReferences);
    }
    if (spec !== undefined) pod.spec = keep(spec, known?.spec);
    if (status !== undefined) pod.status = share(status);
    return pod;
  };
}
