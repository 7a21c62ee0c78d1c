/** What the backend keeps of a pod, and what the outside sees of it. Plain data: it is written to disk as it is. */
import { createHash } from 'node:crypto';
import { type ContainerRecord, type LifeRecord, newLifeRecord, secondsText } from '../../../src/lifecycle/record.ts';
import { containerView, failureView } from '../../../src/lifecycle/view.ts';
import type {
  BackendPod,
  ContainerObservation,
  PodHappening,
  PodObservation,
  ResolvedPod,
} from '../../../src/provider/contract.ts';

/** What is written down of a resolved pod. The runtime keeps the content of volumes; pull secrets nobody. */
export type KeptPod = Omit<ResolvedPod, 'volumes' | 'pullSecrets'>;

/** The part of a pod that a create or an update brings. */
export interface PodPlan extends KeptPod {
  readonly owner: string;
  readonly address: string;
  /** When the backend took it on, in milliseconds since the epoch. */
  readonly createdAtMs: number;
}

/** The part that changes by itself. */
export interface PodState extends LifeRecord {
  epoch: number;
  hash: string;
}

export interface PodRecord {
  plan: PodPlan;
  readonly state: PodState;
}

export function kept({ ref, pod, env, hash }: ResolvedPod): KeptPod {
  return { ref, pod, env, hash };
}

export function newRecord(plan: PodPlan, epoch: number): PodRecord {
  return { plan, state: { epoch, hash: plan.hash, ...newLifeRecord(plan.pod.spec, plan.createdAtMs) } };
}

/** Names the pod among those of every owner, also where two clusters that were copied have the same UIDs. */
export function podKey(owner: string, uid: string): string {
  return `${uid}-${createHash('sha256').update(owner).digest('hex').slice(0, 8)}`;
}

/** @param events what people are to be told of it */
export function viewOf(
  record: PodRecord,
  zone: string,
  runtime: string,
  events: readonly PodHappening[] = [],
): BackendPod {
  const { plan, state } = record;
  return {
    ref: plan.ref,
    owner: plan.owner,
    zone,
    epoch: state.epoch,
    hash: state.hash,
    handle: `${runtime}/${plan.ref.uid}`,
    observation: observationOf(record, runtime, events),
    deleting: state.deleting,
  };
}

export function observationOf(
  record: PodRecord,
  runtime: string,
  events: readonly PodHappening[] = [],
): PodObservation {
  const { plan, state } = record;
  return {
    reachable: true,
    containers: state.containers.map((container) => containerObservation(record, container, runtime)),
    podIPs: [plan.address],
    startTime: secondsText(plan.createdAtMs),
    ...failureView(state),
    ...(events.length === 0 ? {} : { events }),
  };
}

function containerObservation(record: PodRecord, container: ContainerRecord, runtime: string): ContainerObservation {
  const { ref, pod } = record.plan;
  const view = containerView(container, record.state, pod.spec, `${ref.name}_${ref.namespace}(${ref.uid})`);
  const hasRun = view.state.waiting === undefined;
  return {
    ...view,
    imageID: `${runtime}://${container.image}`,
    ...(hasRun ? { containerID: containerID(record, container, runtime) } : {}),
  };
}

export function containerID(record: PodRecord, container: ContainerRecord, runtime: string): string {
  return `${runtime}://${record.plan.ref.uid}/${container.name}/${container.restartCount}`;
}
