/** One simulated pod: its containers' states and how they change. Holds no timers itself: see `backend.ts`. */
import type { Timer } from '../../src/clock.ts';
import type { Container, ContainerState } from '../../src/kube/types.ts';
import type {
  BackendPod,
  ContainerObservation,
  PodObservation,
  PodRef,
  ResolvedPod,
} from '../../src/provider/contract.ts';
import type { PodBehaviour } from './behaviour.ts';
import type { ContainerLog } from './container-logs.ts';

export interface SimulatedContainer {
  readonly name: string;
  /** `once`: an init container, over at once; `sidecar`: one that runs as long as the pod. */
  readonly role: 'main' | 'once' | 'sidecar';
  /** What it asks for, and so what it is said to use. */
  readonly resources: Container['resources'];
  image: string;
  state: ContainerState;
  lastState: ContainerState | undefined;
  restartCount: number;
  /** Ends in a row, for the back-off between restarts. */
  crashes: number;
  /** Made when something is first written or read. */
  log: ContainerLog | undefined;
  previousLog: ContainerLog | undefined;
  timer: Timer | undefined;
}

export interface SimulatedPod {
  readonly ref: PodRef;
  readonly owner: string;
  readonly address: string;
  readonly startTime: string;
  readonly behaviour: PodBehaviour;
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  readonly containers: readonly SimulatedContainer[];
  epoch: number;
  hash: string;
  deleting: boolean;
  /** Monotonic time at which what still runs is killed. */
  killAt: number;
  stop: Timer | undefined;
  start: Timer | undefined;
  /** What the outside sees; undefined once something changed. */
  view: BackendPod | undefined;
}

export function newPod(
  { ref, pod, hash }: ResolvedPod,
  owner: string,
  epoch: number,
  address: string,
  startTime: string,
  behaviour: PodBehaviour,
): SimulatedPod {
  const spec = pod.spec;
  const container = (of: Container, role: SimulatedContainer['role']): SimulatedContainer => ({
    name: of.name,
    role,
    resources: of.resources,
    image: of.image ?? '',
    state: { waiting: { reason: 'ContainerCreating' } },
    lastState: undefined,
    restartCount: 0,
    crashes: 0,
    log: undefined,
    previousLog: undefined,
    timer: undefined,
  });
  return {
    ref,
    owner,
    address,
    startTime,
    behaviour,
    restartPolicy: restartPolicy(spec?.restartPolicy),
    containers: [
      ...(spec?.initContainers ?? []).map((c) => container(c, c.restartPolicy === 'Always' ? 'sidecar' : 'once')),
      ...(spec?.containers ?? []).map((c) => container(c, 'main')),
    ],
    epoch,
    hash,
    deleting: false,
    killAt: Number.POSITIVE_INFINITY,
    stop: undefined,
    start: undefined,
    view: undefined,
  };
}

export function isRunning(pod: SimulatedPod): boolean {
  return pod.containers.some((container) => container.state.running !== undefined);
}

export function containerID(pod: SimulatedPod, container: SimulatedContainer): string {
  return `simulated://${pod.ref.uid}/${container.name}/${container.restartCount}`;
}

/** Shared by everybody who asks until the pod changes: ten thousand pods are listed without being copied. */
export function viewOf(pod: SimulatedPod, zone: string): BackendPod {
  pod.view ??= {
    ref: pod.ref,
    owner: pod.owner,
    zone,
    epoch: pod.epoch,
    hash: pod.hash,
    handle: `simulated/${pod.ref.uid}`,
    observation: observationOf(pod),
    deleting: pod.deleting,
  };
  return pod.view;
}

function observationOf(pod: SimulatedPod): PodObservation {
  return {
    reachable: true,
    containers: pod.containers.map((container) => containerObservation(pod, container)),
    podIPs: [pod.address],
    startTime: pod.startTime,
  };
}

function containerObservation(pod: SimulatedPod, container: SimulatedContainer): ContainerObservation {
  const { name, state, lastState, restartCount, image } = container;
  return {
    name,
    state,
    restartCount,
    image,
    imageID: `simulated://${image}`,
    ...(lastState === undefined ? {} : { lastState }),
    ...(state.waiting === undefined ? { containerID: containerID(pod, container) } : {}),
  };
}

function restartPolicy(policy: string | undefined): SimulatedPod['restartPolicy'] {
  return policy === 'Never' || policy === 'OnFailure' ? policy : 'Always';
}
