/** What a Deployment keeps on its ReplicaSets. Source: pkg/controller/deployment/util/deployment_util.go. */
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';
import { maxSurge, replicasOf } from './strategy.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
const DESIRED = 'deployment.kubernetes.io/desired-replicas';
const MAX = 'deployment.kubernetes.io/max-replicas';
const NOT_COPIED = [
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED,
  MAX,
  'deprecated.deployment.rollback.to',
];
/** Older revisions are left out of the history beyond so many characters. */
const MAX_HISTORY = 2_000;

type Annotations = Readonly<Record<string, string>>;

export function revisionOf({ metadata }: ReplicaSet): number {
  const text = metadata?.annotations?.[REVISION] ?? '0';
  return /^\d+$/.test(text) ? Number(text) : 0;
}

/** The count that the ReplicaSet was last scaled for; undefined when it does not say. */
export function desiredReplicas(replicaSet: ReplicaSet): number | undefined {
  return readCount(replicaSet, DESIRED);
}

export function maxReplicas(replicaSet: ReplicaSet): number | undefined {
  return readCount(replicaSet, MAX);
}

function readCount({ metadata }: ReplicaSet, name: string): number | undefined {
  const text = metadata?.annotations?.[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** What tells the next sync for which size of the Deployment the ReplicaSet was scaled. */
export function scaleAnnotations(deployment: Deployment): Annotations {
  const replicas = replicasOf(deployment);
  return { [DESIRED]: String(replicas), [MAX]: String(replicas + maxSurge(deployment)) };
}

/** The annotations of the newest ReplicaSet; `before` is what it has, the same object when nothing is to change. */
export function newestAnnotations(deployment: Deployment, before: Annotations, revision: number): Annotations {
  const copied = Object.entries(deployment.metadata?.annotations ?? {}).filter(([key]) => !NOT_COPIED.includes(key));
  const after: Record<string, string> = { ...before, ...Object.fromEntries(copied) };
  const old = before[REVISION];
  const oldRevision = old !== undefined && /^\d+$/.test(old) ? Number(old) : 0;
  if (oldRevision < revision) {
    after[REVISION] = String(revision);
    // Rolled back to: the numbers that it had are part of the history.
    if (old !== undefined) {
      const numbers = (before[REVISION_HISTORY] ?? '').split(',').filter((number) => number !== '');
      numbers.push(old);
      while (numbers.join(',').length > MAX_HISTORY) numbers.shift();
      after[REVISION_HISTORY] = numbers.join(',');
    }
  }
  const keys = Object.keys(after);
  const same = keys.length === Object.keys(before).length && keys.every((key) => after[key] === before[key]);
  return same ? before : after;
}
