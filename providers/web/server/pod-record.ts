/** What the backend keeps of a pod, and what the outside sees of it. Plain data: it is written to disk as it is. */
import { createHash } from 'node:crypto';
import type { Container, ContainerState } from '../../../src/kube/types.ts';
import type { BackendPod, ContainerObservation, PodObservation, ResolvedPod } from '../../../src/provider/contract.ts';
import type { ContainerRole } from './runtime.ts';

/** The part of a pod that a create or an update brings. */
export interface PodPlan extends ResolvedPod {
  readonly owner: string;
  readonly address: string;
  /** When the backend took it on, in milliseconds since the epoch. */
  readonly createdAtMs: number;
}

export interface ContainerRecord {
  readonly name: string;
  readonly role: ContainerRole;
  /** As it runs; the plan's is the one wanted. */
  image: string;
  /**
   * `pending`: has not begun; `starting`: about to, or just has; `running`; `ended`: and stays so; `resting`: ended,
   * begins again at `restartAtMs`.
   */
  phase: 'pending' | 'starting' | 'running' | 'ended' | 'resting';
  startedAtMs?: number;
  /** How the last run ended. */
  end?: { readonly terminated: NonNullable<ContainerState['terminated']> };
  /** How the run before the one that runs, or ended for good, ended. */
  before?: { readonly terminated: NonNullable<ContainerState['terminated']> };
  /** Also the number of the run: the one that runs, or else the last. */
  restartCount: number;
  /** Ends in a row without a long run in between, for the back-off. */
  crashes: number;
  restartAtMs?: number;
  restDelayMs?: number;
  /** It was asked to end by itself, the pod going on; when it is killed, in milliseconds since the epoch. */
  killByMs?: number;
  /** It begins again afterwards, with its new image. */
  replace?: boolean;
}

/** The part that changes by itself. */
export interface PodState {
  epoch: number;
  hash: string;
  deleting: boolean;
  /** When what still runs is killed, in milliseconds since the epoch. */
  killAtMs?: number;
  readonly containers: readonly ContainerRecord[];
}

export interface PodRecord {
  plan: PodPlan;
  readonly state: PodState;
}

export function newRecord(plan: PodPlan, epoch: number): PodRecord {
  const record = (spec: Container, role: ContainerRole): ContainerRecord => ({
    name: spec.name,
    role,
    image: spec.image ?? '',
    phase: 'pending',
    restartCount: 0,
    crashes: 0,
  });
  const { initContainers = [], containers = [] } = plan.pod.spec ?? {};
  return {
    plan,
    state: {
      epoch,
      hash: plan.hash,
      deleting: false,
      containers: [
        ...initContainers.map((spec) => record(spec, spec.restartPolicy === 'Always' ? 'sidecar' : 'init')),
        ...containers.map((spec) => record(spec, 'main')),
      ],
    },
  };
}

/** Names the pod among those of every owner, also where two clusters that were copied have the same UIDs. */
export function podKey(owner: string, uid: string): string {
  return `${uid}-${createHash('sha256').update(owner).digest('hex').slice(0, 8)}`;
}

export function specOf({ plan }: PodRecord, name: string): Container | undefined {
  const { initContainers = [], containers = [] } = plan.pod.spec ?? {};
  return [...initContainers, ...containers].find((container) => container.name === name);
}

export function runs({ phase }: ContainerRecord): boolean {
  return phase === 'running' || phase === 'starting';
}

export function endedWell({ phase, end }: ContainerRecord): boolean {
  return phase === 'ended' && end?.terminated.exitCode === 0;
}

export function viewOf(record: PodRecord, zone: string, runtime: string): BackendPod {
  const { plan, state } = record;
  return {
    ref: plan.ref,
    owner: plan.owner,
    zone,
    epoch: state.epoch,
    hash: state.hash,
    handle: `${runtime}/${plan.ref.uid}`,
    observation: observationOf(record, runtime),
    deleting: state.deleting,
  };
}

export function observationOf(record: PodRecord, runtime: string): PodObservation {
  const { plan, state } = record;
  return {
    reachable: true,
    containers: state.containers.map((container) => containerObservation(record, container, runtime)),
    podIPs: [plan.address],
    startTime: secondsText(plan.createdAtMs),
  };
}

function containerObservation(record: PodRecord, container: ContainerRecord, runtime: string): ContainerObservation {
  const { name, image, restartCount, before, end, phase } = container;
  const id = containerID(record, container, runtime);
  const common = { name, restartCount, image, imageID: `${runtime}://${image}` };
  const last = before === undefined ? {} : { lastState: before };
  switch (phase) {
    case 'pending':
    case 'starting': {
      const waitsForInit = phase === 'pending' && container.role === 'main' && !initDone(record);
      return {
        ...common,
        ...last,
        state: { waiting: { reason: waitsForInit ? 'PodInitializing' : 'ContainerCreating' } },
      };
    }
    case 'running': {
      const { startedAtMs = record.plan.createdAtMs } = container;
      return { ...common, ...last, state: { running: { startedAt: secondsText(startedAtMs) } }, containerID: id };
    }
    case 'resting': {
      const delay = `back-off ${Math.round((container.restDelayMs ?? 0) / 1000)}s`;
      const message = `${delay} restarting failed container=${name}`;
      return {
        ...common,
        ...(end === undefined ? {} : { lastState: end }),
        state: { waiting: { reason: 'CrashLoopBackOff', message } },
      };
    }
    case 'ended':
      return {
        ...common,
        ...last,
        state: end ?? { terminated: { exitCode: 255, reason: 'Unknown' } },
        containerID: id,
      };
  }
}

export function containerID(record: PodRecord, container: ContainerRecord, runtime: string): string {
  return `${runtime}://${record.plan.ref.uid}/${container.name}/${container.restartCount}`;
}

/** Every init container has ended well, and the ones that run beside the others have begun. */
export function initDone({ state }: PodRecord): boolean {
  return state.containers.every(
    (container) =>
      container.role === 'main' ||
      (container.role === 'init'
        ? endedWell(container)
        : container.phase !== 'pending' && container.phase !== 'starting'),
  );
}

/** The API keeps whole seconds; a fraction would make a status differ from what is read back. */
export function secondsText(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}
