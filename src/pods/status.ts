/**
 * From an observation to the status that a kubelet would publish, on top of what the API server has.
 *
 * Guarantees: a terminal phase never changes; restart counts never fall; conditions and fields that others own are kept;
 * the same input gives the same status, so that nothing is written when nothing has changed. Pure.
 */
import type { Container, ContainerStatus, Pod, PodStatus } from '../kube/types.ts';
import type { PodObservation } from '../provider/contract.ts';
import { podConditions } from './conditions.ts';
import { type ContainerKind, containerStatuses, lost, type Waiting } from './container-status.ts';
import { sameValue } from './equality.ts';
import { isTerminalPhase, type PodPhase, podPhase } from './phase.ts';
import { timestamp, wholeSeconds } from './timestamp.ts';

export interface StatusInput {
  /** As the API server has it. */
  readonly pod: Pod;
  /** What the backend shows; undefined when it does not have the pod. */
  readonly observation: PodObservation | undefined;
  /** Why the containers wait while the backend does not have the pod. */
  readonly waiting?: Waiting;
  /** The pod is being deleted: nothing is started again. */
  readonly ending?: boolean;
  /** The backend had the pod and has lost it for good. */
  readonly lost?: { readonly reason: string; readonly message: string };
  /** The pod has failed as a whole; its containers are as they are observed. */
  readonly failed?: { readonly reason: string; readonly message: string };
  /** The node does not take the pod: it has failed before anything was started. */
  readonly rejected?: { readonly reason: string; readonly message: string };
  /** The node says that it is not Ready; so is the pod, whatever its containers do. */
  readonly nodeNotReady?: { readonly reason: string; readonly message: string };
  /** Address of the host, where the backend does not say and the pod has none yet. */
  readonly hostIP?: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: number;
}

export function podStatus(input: StatusInput): PodStatus {
  const { pod, observation } = input;
  const before: PodStatus = pod.status ?? {};
  const now = timestamp(input.now);
  const waiting = input.waiting ?? {
    reason: (pod.spec?.initContainers?.length ?? 0) > 0 ? 'PodInitializing' : 'ContainerCreating',
  };
  const statusesOf = (
    kind: ContainerKind,
    containers: readonly Container[] = [],
    old: readonly ContainerStatus[] = [],
  ): ContainerStatus[] => {
    // A kubelet says nothing of the containers of a pod that it did not take.
    if (input.rejected !== undefined) return [...old];
    const statuses = containerStatuses(kind, containers, old, observation?.containers ?? [], waiting);
    return input.lost === undefined ? statuses : lost(statuses);
  };
  const init = statusesOf('init', pod.spec?.initContainers, before.initContainerStatuses);
  const containers = statusesOf('main', pod.spec?.containers, before.containerStatuses);
  const ephemeral = statusesOf('ephemeral', pod.spec?.ephemeralContainers, before.ephemeralContainerStatuses);
  const all = [...init, ...containers];

  const { phase, reason, message } = phaseOf(input, before, all);
  const podIPs = observation !== undefined && observation.podIPs.length > 0 ? observation.podIPs : undefined;
  const hostIP = observation?.hostIP ?? before.hostIP ?? input.hostIP;
  const generation = pod.metadata?.generation;
  const { reason: _reason, message: _message, ...kept } = before;
  return {
    ...kept,
    phase,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    conditions: podConditions({
      pod,
      phase,
      statuses: all,
      sandbox: !isTerminalPhase(phase) && observation !== undefined && hasSandbox(observation),
      ...(observation?.reachable === false
        ? { unreachable: observation.message ?? 'the backend cannot see the pod now' }
        : {}),
      ...(input.nodeNotReady === undefined ? {} : { nodeNotReady: input.nodeNotReady }),
      now,
    }),
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    ...(containers.length === 0 ? {} : { containerStatuses: containers }),
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
    ...(podIPs === undefined ? {} : { podIP: podIPs[0] ?? '', podIPs: podIPs.map((ip) => ({ ip })) }),
    ...(hostIP === undefined ? {} : { hostIP, hostIPs: hostIPsOf(hostIP, before) }),
    startTime: before.startTime ?? wholeSeconds(observation?.startTime) ?? now,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

function phaseOf(
  input: StatusInput,
  before: PodStatus,
  statuses: readonly ContainerStatus[],
): { phase: PodPhase; reason?: string | undefined; message?: string | undefined } {
  if (isTerminalPhase(before.phase)) {
    return { phase: before.phase, reason: before.reason, message: before.message };
  }
  const ended = input.rejected ?? input.lost ?? input.failed;
  if (ended !== undefined) return { phase: 'Failed', ...ended };
  const { observation } = input;
  const phase = observation?.phase ?? podPhase(input.pod.spec, statuses, input.ending ?? false);
  if (observation?.reason !== undefined) {
    return { phase, reason: observation.reason, message: observation.message };
  }
  // As a kubelet does: the reason belongs to the phase and goes with it.
  return phase === before.phase ? { phase, reason: before.reason, message: before.message } : { phase };
}

function hasSandbox(observation: PodObservation): boolean {
  return (
    observation.podIPs.length > 0 || observation.containers.some((container) => container.state.waiting === undefined)
  );
}

function hostIPsOf(hostIP: string, before: PodStatus): { ip: string }[] {
  return before.hostIP === hostIP && before.hostIPs !== undefined ? before.hostIPs : [{ ip: hostIP }];
}

/** Every container of the pod has ended, as far as the backend shows. */
export function allEnded(observation: PodObservation): boolean {
  return observation.containers.every((container) => container.state.running === undefined);
}

/**
 * A merge patch from one status to the other; undefined when nothing needs to be said. A generation that was only
 * observed is not worth a request of its own on a pod that is going away.
 */
export function statusPatch(
  before: PodStatus,
  after: PodStatus,
  options: { readonly ending: boolean },
): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  let worth = false;
  const old = before as Readonly<Record<string, unknown>>;
  const fresh = after as Readonly<Record<string, unknown>>;
  for (const key of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
    if (sameValue(old[key], fresh[key])) continue;
    patch[key] = fresh[key] ?? null;
    if (key === 'observedGeneration' && options.ending) continue;
    if (key === 'conditions' && options.ending && sameConditions(before, after)) continue;
    worth = true;
  }
  return worth ? patch : undefined;
}

function sameConditions(before: PodStatus, after: PodStatus): boolean {
  const bare = (status: PodStatus): unknown =>
    status.conditions?.map(({ observedGeneration: _generation, ...rest }) => rest);
  return sameValue(bare(before), bare(after));
}
