/**
 * The phase of a pod, from the states of its containers, as a kubelet finds it (kubelet, `getPhase` in
 * pkg/kubelet/kubelet_pods.go). Pure.
 */
import type { Container, ContainerStatus, Pod } from '../kube/types.ts';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

export function isTerminalPhase(phase: string | undefined): phase is 'Succeeded' | 'Failed' {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** A sidecar: an init container that goes on running beside the others. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** Would a container that ended with this code be started again? */
function restarts(spec: Pod['spec'], exitCode: number): boolean {
  switch (spec?.restartPolicy) {
    case 'Never':
      return false;
    case 'OnFailure':
      return exitCode !== 0;
    default:
      return true;
  }
}

/** How the last run of a container that does not run now ended; undefined when it never ran. */
function lastExitCode(status: ContainerStatus): number | undefined {
  if (status.state?.terminated !== undefined) return status.state.terminated.exitCode;
  if (status.state?.waiting !== undefined) return status.lastState?.terminated?.exitCode;
  return undefined;
}

/**
 * @param statuses of the containers and the init containers together
 * @param ending the pod is being deleted, so that nothing is started again whatever `restartPolicy` says
 */
export function podPhase(spec: Pod['spec'], statuses: readonly ContainerStatus[], ending: boolean): PodPhase {
  const of = (name: string): ContainerStatus | undefined => statuses.find((status) => status.name === name);
  const init = spec?.initContainers ?? [];
  const containers = spec?.containers ?? [];
  const started = containers.some((container) => {
    const state = of(container.name)?.state;
    return state?.running !== undefined || state?.terminated !== undefined;
  });

  let pendingInit = 0;
  for (const container of init) {
    const status = of(container.name);
    if (isSidecar(container)) {
      const up = status?.started === true || (status !== undefined && lastExitCode(status) !== undefined);
      if (!up && !started) pendingInit++;
      continue;
    }
    const exitCode = status === undefined ? undefined : lastExitCode(status);
    if (exitCode === undefined) pendingInit++;
    else if (exitCode !== 0 && (ending || !restarts(spec, exitCode))) return 'Failed';
  }

  let unknown = 0;
  let running = 0;
  let waiting = 0;
  let stopped = 0;
  let final = 0;
  let succeeded = 0;
  for (const container of containers) {
    const status = of(container.name);
    const exitCode = status === undefined ? undefined : lastExitCode(status);
    if (status?.state?.running !== undefined) running++;
    else if (exitCode !== undefined) {
      stopped++;
      if (!restarts(spec, exitCode)) final++;
      if (exitCode === 0 && status?.state?.terminated !== undefined) succeeded++;
    } else if (status?.state?.waiting !== undefined) waiting++;
    else unknown++;
  }

  if (pendingInit > 0 || waiting > 0) return 'Pending';
  if (running > 0 && unknown === 0) return 'Running';
  if (stopped > 0 && unknown === 0) {
    if (!ending && stopped !== final) return 'Running';
    return stopped === succeeded ? 'Succeeded' : 'Failed';
  }
  return 'Pending';
}
