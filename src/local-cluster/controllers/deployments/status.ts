/** What a Deployment says of itself. Source: pkg/controller/deployment: sync.go, progress.go. */
import { formatTime, parseTime } from '../../../kube/micro-time.ts';
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';
import { sameJson } from '../../api-server/api-object.ts';
import { maxUnavailable, replicasOf, sum, totalReplicas } from './strategy.ts';

export type DeploymentStatus = NonNullable<Deployment['status']>;
export type DeploymentCondition = NonNullable<DeploymentStatus['conditions']>[number];

/** What a rollout is at. */
export interface Rollout {
  readonly deployment: Deployment;
  readonly all: readonly ReplicaSet[];
  readonly newest: ReplicaSet | undefined;
}

export const COMPLETED = 'NewReplicaSetAvailable';
export const TIMED_OUT = 'ProgressDeadlineExceeded';
/** "Never": what the API takes as no deadline. */
const NO_DEADLINE = 2 ** 31 - 1;

export function hasProgressDeadline({ spec }: Deployment): boolean {
  return spec?.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== NO_DEADLINE;
}

export function conditionOf(status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function newCondition(
  type: string,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition {
  const now = formatTime(nowMs);
  return { type, status, reason, message, lastUpdateTime: now, lastTransitionTime: now };
}

/** Nothing changes while status and reason stay; the time of the transition stays while the status does. */
export function withCondition(
  conditions: readonly DeploymentCondition[],
  condition: DeploymentCondition,
): DeploymentCondition[] {
  const before = conditions.find(({ type }) => type === condition.type);
  if (before?.status === condition.status && before.reason === condition.reason) return [...conditions];
  return [...without(conditions, condition.type), keepTransition(condition, before)];
}

function without(conditions: readonly DeploymentCondition[], type: string): DeploymentCondition[] {
  return conditions.filter((condition) => condition.type !== type);
}

function keepTransition(condition: DeploymentCondition, before: DeploymentCondition | undefined): DeploymentCondition {
  const { lastTransitionTime } = before ?? {};
  if (before?.status !== condition.status || lastTransitionTime === undefined) return condition;
  return { ...condition, lastTransitionTime };
}

/** The counts, and whether enough pods are available. */
export function countedStatus({ deployment, all, newest }: Rollout, nowMs: number): DeploymentStatus {
  const { status, metadata } = deployment;
  const availableReplicas = sum(all, 'availableReplicas');
  const enough = availableReplicas >= replicasOf(deployment) - maxUnavailable(deployment);
  const availability = enough
    ? newCondition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', nowMs)
    : newCondition(
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      );
  return {
    observedGeneration: metadata?.generation ?? 0,
    replicas: sum(all, 'replicas'),
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: sum(all, 'readyReplicas'),
    availableReplicas,
    unavailableReplicas: Math.max(0, totalReplicas(all) - availableReplicas),
    terminatingReplicas: sum(all, 'terminatingReplicas'),
    ...(status?.collisionCount === undefined ? {} : { collisionCount: status.collisionCount }),
    conditions: withCondition(status?.conditions ?? [], availability),
  };
}

export function isComplete(deployment: Deployment, status: DeploymentStatus | undefined): boolean {
  const replicas = replicasOf(deployment);
  return (
    (status?.updatedReplicas ?? 0) === replicas &&
    (status?.replicas ?? 0) === replicas &&
    (status?.availableReplicas ?? 0) === replicas &&
    (status?.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

/** The counts and how the rollout goes. */
export function rolloutStatus(rollout: Rollout, nowMs: number): DeploymentStatus {
  const { deployment, newest, all } = rollout;
  const status = countedStatus(rollout, nowMs);
  const current = conditionOf(deployment.status, 'Progressing');
  let conditions = status.conditions ?? [];
  if (!hasProgressDeadline(deployment)) conditions = without(conditions, 'Progressing');
  else if (status.replicas !== status.updatedReplicas || current?.reason !== COMPLETED) {
    const subject =
      newest === undefined ? `Deployment "${deployment.metadata?.name}"` : `ReplicaSet "${newest.metadata?.name}"`;
    const progressing = (truth: 'True' | 'False', reason: string, message: string): DeploymentCondition =>
      newCondition('Progressing', truth, reason, `${subject} ${message}`, nowMs);
    if (isComplete(deployment, status)) {
      conditions = withCondition(conditions, progressing('True', COMPLETED, 'has successfully progressed.'));
    } else if (hasProgressed(deployment.status, status)) {
      // Written again with the same reason: its time says when there was progress last.
      const condition = keepTransition(progressing('True', 'ReplicaSetUpdated', 'is progressing.'), current);
      conditions = [...without(conditions, 'Progressing'), condition];
    } else if (isTimedOut(deployment, current, nowMs)) {
      conditions = withCondition(conditions, progressing('False', TIMED_OUT, 'has timed out progressing.'));
    }
  }
  const failure = [...(newest === undefined ? [] : [newest]), ...all]
    .flatMap((one) => one.status?.conditions ?? [])
    .find(({ type }) => type === 'ReplicaFailure');
  if (failure === undefined) conditions = without(conditions, 'ReplicaFailure');
  else {
    const { lastTransitionTime = formatTime(nowMs), reason = '', message = '', status: truth } = failure;
    conditions = withCondition(conditions, {
      type: 'ReplicaFailure',
      status: truth,
      reason,
      message,
      lastUpdateTime: lastTransitionTime,
      lastTransitionTime,
    });
  }
  return { ...status, conditions };
}

function hasProgressed(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  const count = (
    status: DeploymentStatus | undefined,
    name: 'replicas' | 'updatedReplicas' | 'readyReplicas' | 'availableReplicas',
  ): number => status?.[name] ?? 0;
  const old = (status: DeploymentStatus | undefined): number =>
    count(status, 'replicas') - count(status, 'updatedReplicas');
  return (
    count(after, 'updatedReplicas') > count(before, 'updatedReplicas') ||
    old(after) < old(before) ||
    count(after, 'readyReplicas') > count(before, 'readyReplicas') ||
    count(after, 'availableReplicas') > count(before, 'availableReplicas')
  );
}

function isTimedOut(deployment: Deployment, current: DeploymentCondition | undefined, nowMs: number): boolean {
  if (current === undefined || current.reason === COMPLETED) return false;
  if (current.reason === TIMED_OUT) return true;
  const deadline = progressDeadline(deployment, current);
  return deadline !== undefined && nowMs > deadline;
}

/** When the rollout counts as stuck unless something moves until then. */
export function progressDeadline({ spec }: Deployment, current: DeploymentCondition | undefined): number | undefined {
  const since = parseTime(current?.lastUpdateTime);
  return since === undefined ? undefined : since + (spec?.progressDeadlineSeconds ?? 0) * 1000;
}

const COUNTS = [
  'observedGeneration',
  'replicas',
  'updatedReplicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
  'terminatingReplicas',
  'collisionCount',
] as const;

export function sameStatus(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  return (
    COUNTS.every((name) => (before?.[name] ?? 0) === (after[name] ?? 0)) &&
    sameJson(before?.conditions ?? [], after.conditions ?? [])
  );
}
