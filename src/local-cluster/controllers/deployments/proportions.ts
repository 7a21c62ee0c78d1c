/**
 * A Deployment that is scaled in the middle of a rollout: all its ReplicaSets grow or shrink in proportion to their size.
 * Source: pkg/controller/deployment/sync.go (scale), util (GetReplicaSetProportion).
 */
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';
import { maxReplicas } from './annotations.ts';
import { byAge, maxSurge, replicasOf, totalReplicas } from './strategy.ts';

/** The new size of each of these ReplicaSets, all of which have pods. */
export function proportionalSizes(deployment: Deployment, populated: readonly ReplicaSet[]): [ReplicaSet, number][] {
  const replicas = replicasOf(deployment);
  const allowed = replicas > 0 ? replicas + maxSurge(deployment) : 0;
  const toAdd = allowed - totalReplicas(populated);
  // The largest first; of equal ones the newest first when there is something to give, else the oldest.
  const ordered = [...populated].sort(
    (a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? byAge(b, a) : byAge(a, b)),
  );
  let added = 0;
  const sizes = ordered.map((one): [ReplicaSet, number] => {
    const share = proportion(deployment, one, toAdd, added);
    added += share;
    return [one, replicasOf(one) + share];
  });
  const [largest] = sizes;
  // What rounding left over.
  if (largest !== undefined && toAdd !== 0) largest[1] = Math.max(0, largest[1] + toAdd - added);
  return sizes;
}

function proportion(deployment: Deployment, one: ReplicaSet, toAdd: number, added: number): number {
  if (toAdd === 0 || toAdd === added) return 0;
  const left = toAdd - added;
  const share = fraction(deployment, one);
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
}

function fraction(deployment: Deployment, one: ReplicaSet): number {
  const size = replicasOf(one);
  if (replicasOf(deployment) === 0) return -size;
  const before = maxReplicas(one) || deployment.status?.replicas || 0;
  if (before === 0) return 0;
  return Math.round((size * (replicasOf(deployment) + maxSurge(deployment))) / before) - size;
}
