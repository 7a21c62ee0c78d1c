/**
 * Shared pod state: the little that neither the API server nor the backend can tell a new leader.
 * Truth stays elsewhere: desired is the API server's, actual the backend's. Losing this costs a rebuild, never a pod.
 */
import type { Pod } from '../kube/types.ts';

export interface PodRecord {
  /** The backend's own name for the pod. */
  readonly handle?: string;
  /** Hash of what was applied last (`ResolvedPod.hash`). */
  readonly applied?: string;
  /** Epoch of the term that wrote this. */
  readonly epoch: number;
}

export interface StateStore {
  /** What is known of the pod; undefined when nothing is. */
  read(pod: Pod): PodRecord | undefined;
  /**
   * Metadata to send with the pod's next status patch so that the record is kept; undefined when what is stored says
   * the same already. It never causes a request of its own.
   */
  ride(pod: Pod, record: PodRecord): { readonly annotations: Readonly<Record<string, string>> } | undefined;
}
