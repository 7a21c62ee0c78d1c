/**
 * What is to be done next for a pod, from its spec, its record and the time alone; after the kubelet's
 * `computePodActions` and `killContainersWithSyncResult` (pkg/kubelet/kuberuntime). One action at a time: each may make
 * more possible, and whoever carries it out changes the record so that it is not named again. Pure.
 */
import {
  type ContainerRecord,
  endedWell,
  initDone,
  isEnding,
  isOver,
  isStarted,
  type LifeRecord,
  type PodSpec,
  runs,
  type StopReason,
  specOf,
} from './record.ts';

export type Action =
  /** The pod has failed as a whole. */
  | { readonly do: 'fail'; readonly reason: string; readonly message: string }
  /** It begins, for the first time or again. */
  | { readonly do: 'start'; readonly container: ContainerRecord }
  /** It is to end, with this much time. */
  | { readonly do: 'stop'; readonly container: ContainerRecord; readonly why: StopReason; readonly graceMs: number }
  /** Its process is asked to end. */
  | { readonly do: 'ask'; readonly container: ContainerRecord }
  | { readonly do: 'kill'; readonly container: ContainerRecord }
  /** It waited for its restart and is not to begin again. */
  | { readonly do: 'give-up'; readonly container: ContainerRecord };

/** The API's default for `terminationGracePeriodSeconds`. */
const DEFAULT_GRACE_SECONDS = 30;

/** @param now milliseconds, on the clock of the record's times; the same for every step of one round */
export function nextAction(spec: PodSpec | undefined, record: LifeRecord, now: number): Action | undefined {
  const deadline = deadlineOf(spec, record);
  if (deadline !== undefined && deadline <= now) {
    return {
      do: 'fail',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    };
  }
  const ending = isEnding(record);
  return (
    (ending ? endPod(spec, record, now) : mend(spec, record)) ??
    carryOutStop(record, ending, now) ??
    (ending ? undefined : begin(spec, record, now))
  );
}

/** When something is due by itself; undefined when nothing is. */
export function nextTime(spec: PodSpec | undefined, record: LifeRecord): number | undefined {
  let first = deadlineOf(spec, record) ?? Number.POSITIVE_INFINITY;
  for (const { phase, restartAtMs = 0, stop } of record.containers) {
    if (phase === 'resting') first = Math.min(first, restartAtMs);
    if (stop !== undefined && !stop.killed) first = Math.min(first, stop.killAtMs);
  }
  return first === Number.POSITIVE_INFINITY ? undefined : first;
}

function deadlineOf(spec: PodSpec | undefined, record: LifeRecord): number | undefined {
  const seconds = spec?.activeDeadlineSeconds;
  if (seconds === undefined || record.deleting || record.failure !== undefined || isOver(record)) return undefined;
  return record.beganAtMs + seconds * 1000;
}

/** The first container that has not been told yet that its pod ends. */
function endPod(spec: PodSpec | undefined, record: LifeRecord, now: number): Action | undefined {
  const graceMs = record.deleting ? Math.max(0, (record.killAtMs ?? 0) - now) : graceOf(spec);
  for (const container of record.containers) {
    if (container.phase === 'resting') return { do: 'give-up', container };
    if (runs(container) && container.stop === undefined) return { do: 'stop', container, why: 'pod', graceMs };
  }
  return undefined;
}

/** The first container that runs and is not to go on like this. */
function mend(spec: PodSpec | undefined, record: LifeRecord): Action | undefined {
  for (const container of record.containers) {
    if (!runs(container) || container.stop !== undefined) continue;
    const { unhealthy } = container;
    const wanted = specOf(spec, container.name);
    if (unhealthy !== undefined) {
      const probe = { liveness: wanted?.livenessProbe, startup: wanted?.startupProbe, postStart: undefined }[unhealthy];
      const seconds = probe?.terminationGracePeriodSeconds;
      return {
        do: 'stop',
        container,
        why: unhealthy,
        graceMs: seconds === undefined ? graceOf(spec) : seconds * 1000,
      };
    }
    if (wanted?.image !== undefined && wanted.image !== container.image) {
      return { do: 'stop', container, why: 'image', graceMs: graceOf(spec) };
    }
  }
  return undefined;
}

/** The next step of a stop that was begun. */
function carryOutStop(record: LifeRecord, ending: boolean, now: number): Action | undefined {
  for (const [i, container] of record.containers.entries()) {
    const { stop } = container;
    if (stop === undefined || !runs(container)) continue;
    if (stop.killAtMs <= now) {
      // Whatever kept it from being asked, it gets a moment to end by itself.
      if (!stop.asked && !stop.atOnce) return { do: 'ask', container };
      if (!stop.killed) return { do: 'kill', container };
      continue;
    }
    if (stop.asked || stop.preStop) continue;
    if (!ending || isItsTurn(record, i)) return { do: 'ask', container };
  }
  return undefined;
}

/** Sidecars serve the others to their end, and the earlier ones the later ones. */
function isItsTurn({ containers }: LifeRecord, index: number): boolean {
  if (containers[index]?.role !== 'sidecar') return true;
  return containers.every((other, i) => i <= index || other.role === 'ephemeral' || !runs(other));
}

function begin(spec: PodSpec | undefined, record: LifeRecord, now: number): Action | undefined {
  // They are started one after the other, each with its hook.
  if (record.containers.some(({ postStart }) => postStart === true)) return undefined;
  const debug = record.containers.find(({ role, phase }) => role === 'ephemeral' && phase === 'pending');
  if (debug !== undefined) return { do: 'start', container: debug };

  const isDue = (one: ContainerRecord): boolean => one.phase === 'resting' && (one.restartAtMs ?? 0) <= now;
  const started = initDone(record, spec);
  const init = record.containers.filter(({ role }) => role === 'init' || role === 'sidecar');
  const again = init.find((one) => isDue(one) && (one.role === 'sidecar' || !started));
  if (again !== undefined) return { do: 'start', container: again };
  if (!started) {
    // The last one that has begun decides whether the next one may; those before it have let it begin.
    const last = init.findLastIndex(({ phase }) => phase !== 'pending');
    const at = init[last];
    if (at !== undefined && !(at.role === 'init' ? endedWell(at) : isStarted(at, spec))) return undefined;
    const next = init[last + 1];
    return next === undefined ? undefined : { do: 'start', container: next };
  }
  const main = record.containers.find((one) => one.role === 'main' && (one.phase === 'pending' || isDue(one)));
  return main === undefined ? undefined : { do: 'start', container: main };
}

function graceOf(spec: PodSpec | undefined): number {
  return (spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
}
