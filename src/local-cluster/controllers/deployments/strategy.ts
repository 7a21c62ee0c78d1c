/** How many pods a rollout may have more and how many less. Source: pkg/controller/deployment/util (ResolveFenceposts). */
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';

export function replicasOf({ spec }: Deployment | ReplicaSet): number {
  return spec?.replicas ?? 1;
}

export function isRollingUpdate({ spec }: Deployment): boolean {
  return (spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
}

/** Pods above `replicas`; percentages are rounded up. */
export function maxSurge(deployment: Deployment): number {
  if (!isRollingUpdate(deployment)) return 0;
  return resolve(deployment.spec?.strategy?.rollingUpdate?.maxSurge, replicasOf(deployment), Math.ceil);
}

/** Pods below `replicas`; percentages are rounded down, but not both to 0: nothing could move then. */
export function maxUnavailable(deployment: Deployment): number {
  const replicas = replicasOf(deployment);
  if (!isRollingUpdate(deployment) || replicas === 0) return 0;
  const resolved = resolve(deployment.spec?.strategy?.rollingUpdate?.maxUnavailable, replicas, Math.floor);
  const least = resolved === 0 && maxSurge(deployment) === 0 ? 1 : resolved;
  return Math.min(least, replicas);
}

/** A number, or a percentage of `of`; 25% where nothing is said, as the API server fills in. */
function resolve(value: unknown, of: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(typeof value === 'string' ? value : '25%')?.[1];
  return round((Number(percent ?? 0) * of) / 100);
}

/** The sum of what the ReplicaSets are to have. */
export function totalReplicas(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, one) => sum + replicasOf(one), 0);
}

/** The sum of one count in their status. */
export function sum(
  replicaSets: readonly ReplicaSet[],
  name: 'replicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas',
): number {
  return replicaSets.reduce((total, { status }) => total + (status?.[name] ?? 0), 0);
}

export function isPopulated(replicaSet: ReplicaSet): boolean {
  return replicasOf(replicaSet) > 0;
}

/** What the newest ReplicaSet may have now, with `all` as they are. */
export function newestSize(deployment: Deployment, all: readonly ReplicaSet[], newest: ReplicaSet): number {
  const wanted = replicasOf(deployment);
  if (!isRollingUpdate(deployment)) return wanted;
  const room = wanted + maxSurge(deployment) - totalReplicas(all);
  if (room <= 0) return replicasOf(newest);
  return replicasOf(newest) + Math.min(room, wanted - replicasOf(newest));
}

/** The oldest first. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}
