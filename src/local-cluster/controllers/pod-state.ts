/** What controllers ask of a pod, and what they write on it. Source: pkg/api/v1/pod, pkg/controller. */
import type { KubeClient } from '../../kube/client.ts';
import { formatTime, parseTime } from '../../kube/micro-time.ts';
import { PODS } from '../../kube/resources.ts';
import type { Pod, PodCondition, PodStatus } from '../../kube/types.ts';

export function isFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

export function isEnding({ metadata }: Pod): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

/** Neither finished nor about to go. */
export function isActive(pod: Pod): boolean {
  return !isFinished(pod) && !isEnding(pod);
}

export function conditionOf({ status }: Pod, type: string): PodCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function isReady(pod: Pod): boolean {
  return conditionOf(pod, 'Ready')?.status === 'True';
}

/** Milliseconds until it has been ready for `minReadySeconds`: 0 when it has, undefined while it is not ready. */
export function untilAvailable(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = conditionOf(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  const since = parseTime(ready.lastTransitionTime);
  return since === undefined ? minReadySeconds * 1000 : Math.max(0, since + minReadySeconds * 1000 - nowMs);
}

/** Why a pod is deleted by something other than its owner. */
export function disruption(reason: string, message: string): Omit<PodCondition, 'lastTransitionTime'> {
  return { type: 'DisruptionTarget', status: 'True', reason, message };
}

/**
 * Writes a condition, unless the pod says all that already, and other fields of the status with it.
 * `NotFound` and `Conflict` when this pod is gone.
 */
export async function writePodStatus(
  client: KubeClient,
  pod: Pod,
  condition: Omit<PodCondition, 'lastTransitionTime'> | undefined,
  nowMs: number,
  signal: AbortSignal,
  others: Partial<PodStatus> = {},
): Promise<void> {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const before = condition === undefined ? undefined : conditionOf(pod, condition.type);
  const same =
    condition === undefined ||
    (before?.status === condition.status && before.reason === condition.reason && before.message === condition.message);
  if (same && Object.keys(others).length === 0) return;
  const lastTransitionTime =
    before !== undefined && before.status === condition?.status && before.lastTransitionTime !== undefined
      ? before.lastTransitionTime
      : formatTime(nowMs);
  const status = { ...others, ...(same ? {} : { conditions: [{ ...condition, lastTransitionTime }] }) };
  await client.patch(
    PODS,
    { name, namespace },
    { type: 'strategic', body: { metadata: { uid }, status } },
    { subresource: 'status', signal },
  );
}
