/**
 * One step of a Deployment: what it changes is seen by the caches, and calls for the next. Source:
 * pkg/controller/deployment: rolling.go, recreate.go, sync.go.
 */
import type { Deployment, Pod, ReplicaSet } from '../../../kube/types.ts';
import { isFinished } from '../pod-state.ts';
import { desiredReplicas, newestAnnotations, REVISION, revisionOf } from './annotations.ts';
import { proportionalSizes } from './proportions.ts';
import {
  conditionOf,
  countedStatus,
  hasProgressDeadline,
  isComplete,
  newCondition,
  type Rollout,
  rolloutStatus,
  sameStatus,
  withCondition,
} from './status.ts';
import {
  byAge,
  isPopulated,
  isRollingUpdate,
  maxUnavailable,
  newestSize,
  replicasOf,
  sum,
  totalReplicas,
} from './strategy.ts';
import { findNewest } from './template.ts';
import type { DeploymentWriter } from './writer.ts';

export interface StepInput {
  readonly deployment: Deployment;
  /** Those that it controls. */
  readonly replicaSets: readonly ReplicaSet[];
  podsOf(replicaSet: ReplicaSet): readonly Pod[];
  readonly writer: DeploymentWriter;
  now(): number;
}

interface State extends Rollout {
  readonly old: readonly ReplicaSet[];
}

/** The Deployment as it is afterwards. */
export async function step(input: StepInput): Promise<Deployment> {
  const ending = input.deployment.metadata?.deletionTimestamp !== undefined;
  const deployment = ending ? input.deployment : await tellPause(input);
  const state = await survey({ ...input, deployment });
  if (ending) return await writeCounts(input, state);
  if (deployment.spec?.paused === true || isResized(state)) return await resize(input, state);
  return isRollingUpdate(deployment) ? await roll(input, state) : await recreate(input, state);
}

/** Sorts the ReplicaSets, and keeps annotations and revision of the newest in order. */
async function survey(input: StepInput): Promise<State> {
  const { replicaSets, writer } = input;
  let { deployment } = input;
  let newest = findNewest(deployment, replicaSets);
  const old = replicaSets.filter((one) => one !== newest);
  if (newest !== undefined) {
    const revision = nextRevision(old);
    const before = newest.metadata?.annotations ?? {};
    const annotations = newestAnnotations(deployment, before, revision);
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
    if (annotations !== before || (newest.spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      newest = await writer.updateReplicaSet(newest, { annotations, minReadySeconds });
    } else deployment = await tellNewest(input, deployment, newest);
  }
  return { deployment, newest, old, all: newest === undefined ? old : [...old, newest] };
}

function nextRevision(old: readonly ReplicaSet[]): number {
  return Math.max(0, ...old.map(revisionOf)) + 1;
}

async function tellNewest({ writer, now }: StepInput, deployment: Deployment, newest: ReplicaSet): Promise<Deployment> {
  const revision = newest.metadata?.annotations?.[REVISION];
  const isToldRevision = revision === undefined || deployment.metadata?.annotations?.[REVISION] === revision;
  const isTold = !hasProgressDeadline(deployment) || conditionOf(deployment.status, 'Progressing') !== undefined;
  if (isToldRevision && isTold) return deployment;
  const before = deployment.status?.conditions ?? [];
  const message = `Found new replica set "${newest.metadata?.name}"`;
  const conditions = isTold
    ? before
    : withCondition(before, newCondition('Progressing', 'True', 'FoundNewReplicaSet', message, now()));
  return await writer.updateStatus(deployment, { conditions }, revision);
}

/** A pause stops the deadline, and its end begins it anew. */
async function tellPause({ deployment, writer, now }: StepInput): Promise<Deployment> {
  if (!hasProgressDeadline(deployment)) return deployment;
  const reason = conditionOf(deployment.status, 'Progressing')?.reason;
  const isPaused = deployment.spec?.paused === true;
  if (reason === 'ProgressDeadlineExceeded' || isPaused === (reason === 'DeploymentPaused')) return deployment;
  const condition = isPaused
    ? newCondition('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused', now())
    : newCondition('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed', now());
  return await writer.updateStatus(deployment, {
    conditions: withCondition(deployment.status?.conditions ?? [], condition),
  });
}

/** Its number of replicas is not the one that its ReplicaSets were scaled for. */
function isResized({ deployment, all }: State): boolean {
  return all.filter(isPopulated).some((one) => {
    const desired = desiredReplicas(one);
    return desired !== undefined && desired !== replicasOf(deployment);
  });
}

async function resize(input: StepInput, state: State): Promise<Deployment> {
  await applySize(input, state);
  if (state.deployment.spec?.paused === true) await cleanUp(input, state);
  return await writeCounts(input, state);
}

async function applySize({ writer }: StepInput, { deployment, newest, old, all }: State): Promise<void> {
  const populated = all.filter(isPopulated);
  if (populated.length <= 1) {
    const only = populated[0] ?? newest ?? [...old].sort(byAge).at(-1);
    if (only !== undefined && replicasOf(only) !== replicasOf(deployment)) {
      await writer.scale(deployment, only, replicasOf(deployment));
    }
    return;
  }
  if (newest !== undefined && isSaturated(deployment, newest)) {
    for (const one of old.filter(isPopulated)) await writer.scale(deployment, one, 0);
    return;
  }
  if (!isRollingUpdate(deployment)) return;
  for (const [one, size] of proportionalSizes(deployment, populated)) await writer.scale(deployment, one, size);
}

function isSaturated(deployment: Deployment, newest: ReplicaSet): boolean {
  const replicas = replicasOf(deployment);
  return (
    replicasOf(newest) === replicas &&
    desiredReplicas(newest) === replicas &&
    (newest.status?.availableReplicas ?? 0) === replicas
  );
}

async function withNewest(input: StepInput, state: State): Promise<State & { readonly newest: ReplicaSet }> {
  const { newest, old } = state;
  if (newest !== undefined) return { ...state, newest };
  const { replicaSet, deployment } = await input.writer.createNewest(state.deployment, old, nextRevision(old));
  return { deployment, newest: replicaSet, old, all: [...old, replicaSet] };
}

async function roll(input: StepInput, before: State): Promise<Deployment> {
  const { writer } = input;
  const state = await withNewest(input, before);
  const { deployment, newest, all } = state;
  const replicas = replicasOf(deployment);
  if (replicasOf(newest) !== replicas) {
    const size = replicasOf(newest) > replicas ? replicas : newestSize(deployment, all, newest);
    const { changed } = await writer.scale(deployment, newest, size);
    if (changed) return await writeProgress(input, state);
  }
  if (await shrinkOld(input, state)) return await writeProgress(input, state);
  if (isComplete(deployment, deployment.status)) await cleanUp(input, state);
  return await writeProgress(input, state);
}

/** Takes from the old ReplicaSets what may go: first what is not available anyway. True when something went. */
async function shrinkOld(
  { writer }: StepInput,
  { deployment, newest, old, all }: State & { readonly newest: ReplicaSet },
): Promise<boolean> {
  let shrinking = old.filter(isPopulated).sort(byAge);
  if (shrinking.length === 0) return false;
  const minAvailable = replicasOf(deployment) - maxUnavailable(deployment);
  const newestUnavailable = replicasOf(newest) - (newest.status?.availableReplicas ?? 0);
  const most = totalReplicas(all) - minAvailable - newestUnavailable;
  if (most <= 0) return false;
  let unhealthy = 0;
  const left: ReplicaSet[] = [];
  for (const one of shrinking) {
    const spare = Math.min(most - unhealthy, replicasOf(one) - (one.status?.availableReplicas ?? 0));
    if (spare <= 0) {
      left.push(one);
      continue;
    }
    left.push((await writer.scale(deployment, one, replicasOf(one) - spare)).replicaSet);
    unhealthy += spare;
  }
  shrinking = left.filter(isPopulated);
  let spare = sum([...left, newest], 'availableReplicas') - minAvailable;
  let gone = unhealthy;
  for (const one of shrinking) {
    if (spare <= 0) break;
    const count = Math.min(replicasOf(one), spare);
    await writer.scale(deployment, one, replicasOf(one) - count);
    spare -= count;
    gone += count;
  }
  return gone > 0;
}

async function recreate(input: StepInput, before: State): Promise<Deployment> {
  const { writer, podsOf } = input;
  let shrunk = false;
  for (const one of before.old.filter(isPopulated)) {
    const { changed } = await writer.scale(before.deployment, one, 0);
    shrunk ||= changed;
  }
  const isRunning = sum(before.old, 'replicas') > 0 || before.old.some((one) => !podsOf(one).every(isFinished));
  if (shrunk || isRunning) return await writeProgress(input, before);
  const state = await withNewest(input, before);
  const { deployment, newest } = state;
  if (replicasOf(newest) !== replicasOf(deployment)) await writer.scale(deployment, newest, replicasOf(deployment));
  if (isComplete(deployment, deployment.status)) await cleanUp(input, state);
  return await writeProgress(input, state);
}

/** Deletes the oldest of the empty ReplicaSets beyond the history that is to be kept. */
async function cleanUp({ writer }: StepInput, { deployment, old }: State): Promise<void> {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const kept = old.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  const surplus = kept.sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, kept.length - limit));
  for (const one of surplus) {
    const { status, metadata } = one;
    const isEmpty = (status?.replicas ?? 0) === 0 && !isPopulated(one);
    const isCurrent = (metadata?.generation ?? 0) <= (status?.observedGeneration ?? 0);
    if (isEmpty && isCurrent) await writer.deleteReplicaSet(one);
  }
}

async function writeCounts({ writer, now }: StepInput, state: State): Promise<Deployment> {
  const { deployment } = state;
  const status = countedStatus(state, now());
  return sameStatus(deployment.status, status) ? deployment : await writer.updateStatus(deployment, status);
}

async function writeProgress({ writer, now }: StepInput, state: State): Promise<Deployment> {
  const { deployment } = state;
  const status = rolloutStatus(state, now());
  return sameStatus(deployment.status, status) ? deployment : await writer.updateStatus(deployment, status);
}
