/** What a ReplicaSet says of its pods. Source: pkg/controller/replicaset/replica_set_utils.go. */
import { formatTime } from '../../../kube/micro-time.ts';
import type { Pod, ReplicaSet } from '../../../kube/types.ts';
import { sameJson } from '../../api-server/api-object.ts';
import { isReady, untilAvailable } from '../pod-state.ts';

export type ReplicaSetStatus = NonNullable<ReplicaSet['status']>;

export interface StatusInput {
  readonly replicaSet: ReplicaSet;
  readonly active: readonly Pod[];
  readonly terminating: number;
  /** What went wrong with creating or deleting pods. */
  readonly failure: string | undefined;
  readonly nowMs: number;
}

export function statusOf({ replicaSet, active, terminating, failure, nowMs }: StatusInput): ReplicaSetStatus {
  const { spec, status, metadata } = replicaSet;
  const minReadySeconds = spec?.minReadySeconds ?? 0;
  const labels = Object.entries(spec?.template?.metadata?.labels ?? {});
  const isLabeled = ({ metadata }: Pod): boolean => labels.every(([key, value]) => metadata?.labels?.[key] === value);
  const known = status?.conditions ?? [];
  const others = known.filter(({ type }) => type !== 'ReplicaFailure');
  let conditions = failure === undefined ? others : known;
  if (failure !== undefined && others.length === known.length) {
    const reason = active.length < (spec?.replicas ?? 1) ? 'FailedCreate' : 'FailedDelete';
    const lastTransitionTime = formatTime(nowMs);
    conditions = [...others, { type: 'ReplicaFailure', status: 'True', reason, message: failure, lastTransitionTime }];
  }
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter(isLabeled).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter((pod) => untilAvailable(pod, minReadySeconds, nowMs) === 0).length,
    terminatingReplicas: terminating,
    observedGeneration: metadata?.generation ?? 0,
    conditions,
  };
}

export function sameStatus(before: ReplicaSetStatus | undefined, after: ReplicaSetStatus): boolean {
  const counts = [
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'terminatingReplicas',
    'observedGeneration',
  ] as const;
  return (
    before !== undefined &&
    counts.every((name) => (before[name] ?? 0) === (after[name] ?? 0)) &&
    sameJson(before.conditions ?? [], after.conditions ?? [])
  );
}
