/**
 * The end of a pod: its containers are asked to stop with what is left of its grace period, their exit codes are
 * published, the backend forgets the pod, and only then does it leave the API. Early exits are noticed at once, because
 * every observation brings the pod back here.
 */
import type { Pod } from '../kube/types.ts';
import type { PodObservation } from '../provider/contract.ts';
import { eventSubject, type PodContext } from './context.ts';
import { LOST } from './lost.ts';
import { isTerminalPhase } from './phase.ts';
import { allEnded } from './status.ts';
import { publish, readLive, removeFromApi } from './status-writer.ts';
import { observe, type TrackedPod, wasCreated } from './tracked-pod.ts';

/** After the grace period a backend has this long to report the end by itself before it is asked again, without grace. */
const KILL_SLACK_MS = 2_000;
/** Pause between two looks at a backend that is past that too. */
const RECHECK_MS = 2_000;

/** The pod's deletion was asked for. */
export async function terminate(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<void> {
  bury(context, tracked);
  if (tracked.backend === undefined) {
    await terminateAbsent(context, tracked, pod);
    return;
  }
  if (!allEnded(tracked.backend.observation)) {
    if ((await stopContainers(context, tracked, pod, graceLeft(context, tracked, pod))) === 'lost') {
      await terminateAbsent(context, tracked, pod);
      return;
    }
    if (tracked.backend !== undefined && !allEnded(tracked.backend.observation)) return;
  }
  // The exit codes first: once the backend has forgotten the pod nobody else knows them.
  const { observation } = tracked.backend;
  const published = isTerminalPhase(pod.status?.phase)
    ? pod
    : await publish(context, tracked, { observation, ending: true });
  const result = await context.mutations.delete(tracked.ref, { gracePeriodSeconds: 0, signal: context.signal });
  if (result.state === 'stopping') {
    context.queue.addAfter(tracked.ref.uid, RECHECK_MS);
    return;
  }
  if (published === undefined) tracked.done = true;
  else await removeFromApi(context, tracked, published);
}

/**
 * Asks for the stop once, and again without grace when the time is up. `ended`: the backend has forgotten the pod
 * already, and what it saw last is kept; `lost`: it has forgotten it, and nobody saw how its containers ended.
 */
export async function stopContainers(
  context: PodContext,
  tracked: TrackedPod,
  pod: Pod,
  givenSeconds: number,
): Promise<'stopping' | 'ended' | 'lost'> {
  const now = context.clock.monotonic();
  const { uid } = tracked.ref;
  let graceSeconds = givenSeconds;
  if (tracked.killBy !== undefined) {
    const until = tracked.killBy + KILL_SLACK_MS - now;
    // A second, shorter deletion brings the time forward; nothing puts it off.
    const sooner = now + graceSeconds * 1000 < tracked.killBy - 1000;
    if (until > 0 && !sooner) {
      context.queue.addAfter(uid, until);
      return 'stopping';
    }
    if (!sooner) graceSeconds = 0;
  } else if (tracked.backend?.deleting !== true) {
    for (const { name, state } of tracked.backend?.observation.containers ?? []) {
      if (state.running === undefined) continue;
      context.events.record(eventSubject(pod), 'Normal', 'Killing', `Stopping container ${name}`);
    }
  }
  const begun = context.tick();
  const result = await context.mutations.delete(tracked.ref, {
    gracePeriodSeconds: graceSeconds,
    signal: context.signal,
  });
  tracked.killBy = Math.min(tracked.killBy ?? Number.POSITIVE_INFINITY, now + graceSeconds * 1000);
  if (result.state === 'stopping') {
    if (tracked.observedAt < begun) observe(tracked, result.pod, context.tick());
    context.queue.addAfter(uid, graceSeconds > 0 ? graceSeconds * 1000 + KILL_SLACK_MS : RECHECK_MS);
    return 'stopping';
  }
  // Gone at the first asking: its last state is all there is. What was still running then ended in a way nobody saw.
  const { backend } = tracked;
  const last: PodObservation | undefined = result.last ?? backend?.observation;
  if (backend !== undefined && last !== undefined && allEnded(last)) {
    tracked.backend = { ...backend, observation: last };
    return 'ended';
  }
  tracked.backend = undefined;
  tracked.attempted = false;
  return 'lost';
}

/**
 * Whole seconds that the containers still have. `deletionTimestamp` is when the grace ends; where this leader saw the
 * deletion being asked for it counts from then by its own monotonic clock, so that a wrong wall clock costs nobody their
 * grace. A change of leader does not start the time anew.
 */
function graceLeft(context: PodContext, tracked: TrackedPod, pod: Pod): number {
  const grace = pod.metadata?.deletionGracePeriodSeconds ?? 30;
  const deadline = Date.parse(pod.metadata?.deletionTimestamp ?? '');
  const left =
    tracked.deletionSeen !== undefined
      ? tracked.deletionSeen + grace * 1000 - context.clock.monotonic()
      : deadline - context.clock.now();
  return Math.max(0, Math.min(grace, Math.ceil((Number.isNaN(left) ? 0 : left) / 1000)));
}

/** The backend is not known to have the pod. */
async function terminateAbsent(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<void> {
  const absence = await endAbsent(context, tracked, pod, graceLeft(context, tracked, pod));
  if (absence === undefined) return;
  const { created, ended } = absence;
  const end = ended === undefined ? { observation: undefined, lost: LOST } : { observation: ended };
  const left =
    created && !isTerminalPhase(pod.status?.phase) ? await publish(context, tracked, { ...end, ending: true }) : pod;
  if (left === undefined) tracked.done = true;
  else await removeFromApi(context, tracked, left);
}

/**
 * Ends a pod that the backend is not known to have. Undefined: it was there after all, and is looked at again. Else
 * whether it was ever created, and how its containers ended where the backend still knew.
 */
export async function endAbsent(
  context: PodContext,
  tracked: TrackedPod,
  pod: Pod,
  gracePeriodSeconds: number,
): Promise<{ readonly created: boolean; readonly ended: PodObservation | undefined } | undefined> {
  const record = context.state.read(pod);
  const created = wasCreated(pod, record?.handle !== undefined);
  const attempted = tracked.attempted || record?.intended === true;
  if (!created && !attempted) return { created, ended: undefined };
  const begun = context.tick();
  const found = await context.provider.get(context.owner, tracked.ref, context.signal);
  if (found !== undefined) {
    if (tracked.observedAt < begun) observe(tracked, found, context.tick());
    context.queue.add(tracked.ref.uid);
    return undefined;
  }
  // What was read may be behind, and a create whose reply was lost, by a predecessor too, may still arrive there: that
  // nothing is left is for the deletion to say. Deleting what is absent is no error.
  const result = await context.mutations.delete(tracked.ref, { gracePeriodSeconds, signal: context.signal });
  if (result.state === 'stopping') {
    observe(tracked, result.pod, context.tick());
    context.queue.addAfter(tracked.ref.uid, RECHECK_MS);
    return undefined;
  }
  return { created, ended: result.last !== undefined && allEnded(result.last) ? result.last : undefined };
}

/**
 * The cache shows no pod of this UID any more: deleted by force, or replaced by another of the same name. Nothing is
 * removed from the backend on the cache's word: a live read must say the same.
 */
export async function removeVanished(context: PodContext, tracked: TrackedPod): Promise<void> {
  const { uid } = tracked.ref;
  if (tracked.done || (tracked.backend === undefined && !tracked.attempted)) {
    forget(context, tracked);
    return;
  }
  const pod = await readLive(context, tracked);
  if (pod !== undefined) {
    // The cache is behind, or saw a deletion that did not happen; its next word brings the pod back here.
    context.queue.addAfter(uid, RECHECK_MS);
    return;
  }
  bury(context, tracked);
  const result = await context.mutations.delete(tracked.ref, { gracePeriodSeconds: 0, signal: context.signal });
  if (result.state === 'stopping') {
    context.queue.addAfter(uid, RECHECK_MS);
    return;
  }
  context.log.info({ pod: `${tracked.ref.namespace}/${tracked.ref.name}`, uid }, 'removed a pod that left the API');
  forget(context, tracked);
}

/** Nothing takes the end of this UID back: the API keeps no deletion that could be undone. */
function bury(context: PodContext, tracked: TrackedPod): void {
  if (tracked.buried) return;
  tracked.buried = true;
  context.state.bury(tracked.ref.uid);
}

function forget(context: PodContext, tracked: TrackedPod): void {
  context.state.forget(tracked.ref.uid);
  context.pods.delete(tracked.ref.uid);
  context.accounting.close(tracked.ref.uid);
  context.admission.release(tracked.ref.uid);
  context.references.forget(tracked.ref.uid);
  context.tokens.release(tracked.ref.uid);
  context.volumes.forget(tracked.ref.uid);
  context.queue.forget(tracked.ref.uid);
}
