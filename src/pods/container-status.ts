/**
 * The status of each container, from what the backend shows of it and what the API server has: restart counts never
 * fall, and a container that ran and cannot be found ended with an unknown status. Pure; names and defaults are a
 * kubelet's (`convertToAPIContainerStatuses` in pkg/kubelet/kubelet_pods.go).
 */
import type { Container, ContainerState, ContainerStatus } from '../kube/types.ts';
import type { ContainerObservation } from '../provider/contract.ts';
import { isSidecar } from './phase.ts';
import { wholeSeconds } from './timestamp.ts';

/** Why no container can be started yet. */
export interface Waiting {
  /** CamelCase. */
  readonly reason: string;
  readonly message?: string;
}

/** Which of the pod's lists a container is in. */
export type ContainerKind = 'init' | 'main' | 'ephemeral';

/** Statuses in the order of the containers' names, which is a kubelet's. */
export function containerStatuses(
  kind: ContainerKind,
  containers: readonly Container[],
  before: readonly ContainerStatus[],
  observations: readonly ContainerObservation[],
  waiting: Waiting,
): ContainerStatus[] {
  // What is added to a pod that runs waits for nothing but its own image.
  const reason = kind === 'ephemeral' ? { reason: 'ContainerCreating' } : waiting;
  return containers
    .map((container) => {
      const old = before.find((status) => status.name === container.name);
      const seen = observations.find((observation) => observation.name === container.name);
      return seen === undefined ? unseen(container, old, reason) : observed(kind, container, old, seen);
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function observed(
  kind: ContainerKind,
  container: Container,
  old: ContainerStatus | undefined,
  seen: ContainerObservation,
): ContainerStatus {
  const started = seen.state.running !== undefined && (seen.started ?? true);
  const containerID = seen.containerID ?? old?.containerID;
  return {
    name: container.name,
    state: normalised(seen.state),
    lastState: seen.lastState === undefined ? (old?.lastState ?? {}) : normalised(seen.lastState),
    ready: isReady(kind, container, seen, started),
    restartCount: Math.max(seen.restartCount, old?.restartCount ?? 0),
    image: seen.image ?? container.image ?? '',
    imageID: seen.imageID ?? old?.imageID ?? '',
    ...(containerID === undefined ? {} : { containerID }),
    // A kubelet does not say it of an ephemeral one.
    ...(kind === 'ephemeral' ? {} : { started }),
  };
}

/** As `UpdatePodStatus` in pkg/kubelet/prober: an init container is ready once it has done its work. */
function isReady(kind: ContainerKind, container: Container, seen: ContainerObservation, started: boolean): boolean {
  if (kind === 'ephemeral') return false;
  if (kind === 'init' && !isSidecar(container)) return seen.state.terminated?.exitCode === 0;
  return started && (seen.ready ?? true);
}

/** With times as the API server keeps them. */
function normalised(state: ContainerState): ContainerState {
  if (state.running !== undefined) {
    const startedAt = wholeSeconds(state.running.startedAt);
    return { running: startedAt === undefined ? {} : { startedAt } };
  }
  if (state.terminated === undefined) return state;
  const { startedAt: started, finishedAt: finished, ...rest } = state.terminated;
  const startedAt = wholeSeconds(started);
  const finishedAt = wholeSeconds(finished);
  return {
    terminated: {
      ...rest,
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(finishedAt === undefined ? {} : { finishedAt }),
    },
  };
}

function unseen(container: Container, old: ContainerStatus | undefined, waiting: Waiting): ContainerStatus {
  if (old?.state?.running !== undefined || old?.state?.terminated !== undefined) return old;
  return {
    name: container.name,
    state: { waiting: { ...waiting } },
    lastState: old?.lastState ?? {},
    ready: false,
    restartCount: old?.restartCount ?? 0,
    image: container.image ?? '',
    imageID: old?.imageID ?? '',
    started: false,
  };
}

/** What a kubelet says of a container that it cannot find any more (`TerminatePod` in pkg/kubelet/status). */
const LOST_EXIT_CODE = 137;
const LOST_MESSAGE = 'The container could not be located when the pod was terminated';

/** Every container that has not ended: ended, with an unknown status. Nobody knows that it succeeded, so it did not. */
export function lost(statuses: readonly ContainerStatus[]): ContainerStatus[] {
  return statuses.map((status) =>
    status.state?.terminated !== undefined ? status : { ...status, state: LOST_STATE, ready: false, started: false },
  );
}

const LOST_STATE: ContainerState = {
  terminated: { reason: 'ContainerStatusUnknown', message: LOST_MESSAGE, exitCode: LOST_EXIT_CODE },
};
