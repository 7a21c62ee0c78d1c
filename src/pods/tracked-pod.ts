/**
 * What the leader keeps in memory of each pod of its zone, beside the pod cache. Lean, because there are thousands:
 * about one KiB each. Keyed by UID; a pod of the same name under another UID is another entry.
 */
import type { Pod } from '../kube/types.ts';
import type { BackendPod, PodObservation, PodRef } from '../provider/contract.ts';
import { sameValue } from './equality.ts';
import { isTerminalPhase } from './phase.ts';

export interface TrackedPod {
  readonly ref: PodRef;
  /** Monotonic time at which this leader first saw it. */
  readonly firstSeen: number;
  /** What the backend has of it; undefined when it has nothing, or nobody knows. */
  backend: Backend | undefined;
  /** Order of the last observation; a slow answer that was asked for before it is ignored. */
  observedAt: number;
  /** A create was sent in this term: the backend may have the pod whatever else is known. */
  attempted: boolean;
  /** Tries of the present operation at the backend. */
  attempts: number;
  /** Monotonic time of the first complete list that should have shown the pod and did not. */
  missingSince: number | undefined;
  /** Given up as lost for good. */
  lost: boolean;
  /** Why it does not start, as its containers' waiting reason. */
  problem: Problem | undefined;
  /** Answer of the last own write or read, while the pod cache is not as fresh. */
  fresh: Pod | undefined;
  /** Monotonic time by which its containers must have ended, once this leader asked for it. */
  killBy: number | undefined;
  /** Monotonic time from which `activeDeadlineSeconds` counts, for a pod that has it. */
  beganAt: number | undefined;
  /** Number of the last happening on the backend that people were told of. */
  heard: number | undefined;
  /** Monotonic time at which its deletion was seen to be asked for; undefined when it was so before. */
  deletionSeen: number | undefined;
  /** Its end is noted in the shared pod state. */
  buried: boolean;
  /** Hash that the backend cannot apply in place, of which people were told. */
  refusedHash: string | undefined;
  /** Something changed since the last time its status was brought in line. */
  dirty: boolean;
  /** Failures in a row to reach the API server. */
  apiFailures: number;
  /** The pod is out of the API server, by our own hand: nothing is left to do. */
  done: boolean;
}

export interface Backend {
  readonly handle: string;
  readonly hash: string;
  readonly deleting: boolean;
  readonly observation: PodObservation;
}

export interface Problem {
  readonly reason: string;
  readonly message: string;
  /** It lasts until somebody does something, so people are told at once and not after a moment. */
  readonly lasting: boolean;
}

export function trackedPod(ref: PodRef, firstSeen: number): TrackedPod {
  return {
    ref: { uid: ref.uid, namespace: ref.namespace, name: ref.name },
    firstSeen,
    backend: undefined,
    observedAt: 0,
    attempted: false,
    attempts: 0,
    missingSince: undefined,
    lost: false,
    problem: undefined,
    fresh: undefined,
    killBy: undefined,
    beganAt: undefined,
    heard: undefined,
    deletionSeen: undefined,
    buried: false,
    refusedHash: undefined,
    dirty: false,
    apiFailures: 0,
    done: false,
  };
}

export function refOf(pod: Pod): PodRef {
  const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
  return { uid, namespace, name };
}

/** Takes the observation over; true when it says something new. */
export function observe(tracked: TrackedPod, pod: BackendPod, at: number): boolean {
  const before = tracked.backend;
  tracked.observedAt = at;
  tracked.missingSince = undefined;
  tracked.lost = false;
  const { handle, hash, deleting, observation } = pod;
  if (
    before !== undefined &&
    before.handle === handle &&
    before.hash === hash &&
    before.deleting === deleting &&
    sameValue(before.observation, observation)
  ) {
    return false;
  }
  tracked.backend = { handle, hash, deleting, observation };
  return true;
}

/**
 * A watch event that was overtaken by a newer answer shows a container before the state that is known already. It is
 * left out; should the backend really have gone back, the next complete list says so.
 */
export function isOlder(known: PodObservation, seen: PodObservation): boolean {
  return seen.containers.some((container) => {
    const before = known.containers.find(({ name }) => name === container.name);
    if (before === undefined) return false;
    if (container.restartCount !== before.restartCount) return container.restartCount < before.restartCount;
    if (container.state.waiting === undefined || container.lastState?.terminated !== undefined) return false;
    return before.state.waiting === undefined;
  });
}

/** Something says that the pod was on the backend once: then it is never created a second time. */
export function wasCreated(pod: Pod, recorded: boolean): boolean {
  if (recorded || pod.status?.phase === 'Running' || isTerminalPhase(pod.status?.phase)) return true;
  return (pod.status?.containerStatuses ?? []).some(
    ({ state, containerID }) => state?.running != null || state?.terminated != null || (containerID ?? '') !== '',
  );
}

/** True when `a` is a later version of the same object than `b` (they are comparable from Kubernetes 1.35 on, and were always numbers). */
export function isNewer(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return false;
  return a.length === b.length ? a > b : a.length > b.length;
}
