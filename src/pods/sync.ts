/**
 * One pod, brought in line: what the API wants, what the backend has, what is published. Called by the work queue, never
 * twice at once for the same UID.
 */
import type { Pod } from '../kube/types.ts';
import { apiPod, eventSubject, type PodContext } from './context.ts';
import { createPod, updatePod } from './creation.ts';
import { deadlineLeft, failAtDeadline } from './deadline.ts';
import { removeVanished, terminate } from './deletion.ts';
import { tellHappenings } from './happenings.ts';
import { podHash } from './hash.ts';
import { LOST } from './lost.ts';
import { isTerminalPhase } from './phase.ts';
import { FAILED_MOUNT } from './resolve/resolution.ts';
import { publish } from './status-writer.ts';
import { observe, type TrackedPod, wasCreated } from './tracked-pod.ts';

/**
 * A pod that has nothing to say but that it is being created is not published for this long: most backends answer
 * sooner, and its first status is then Running, one write instead of two.
 */
const QUIET_MS = 1_000;

export async function syncPod(context: PodContext, tracked: TrackedPod): Promise<void> {
  tracked.dirty = false;
  const pod = apiPod(context, tracked);
  if (pod === undefined) return await removeVanished(context, tracked);
  if (tracked.done) return;
  tellHappenings(context, tracked, pod);
  if (pod.metadata?.deletionTimestamp !== undefined) return await terminate(context, tracked, pod);
  // What has ended stays as it is, here and on the backend (its logs are there), until its deletion.
  if (isTerminalPhase(pod.status?.phase)) return context.volumes.forget(tracked.ref.uid);
  const left = deadlineLeft(context, tracked, pod);
  if (left !== undefined && left <= 0) return await failAtDeadline(context, tracked, pod);
  if (left !== undefined) context.queue.addAfter(tracked.ref.uid, left);
  if (tracked.backend === undefined) return await begin(context, tracked, pod);

  const hash = podHash(pod);
  try {
    if (hash !== tracked.backend.hash && hash !== tracked.refusedHash) {
      await updatePod(context, tracked, pod, tracked.backend.hash, hash);
    }
    await context.volumes.tend(context, tracked, pod);
  } finally {
    // What was observed is published also while a change cannot be applied.
    if (!context.signal.aborted) await report(context, tracked);
  }
}

async function begin(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<void> {
  const record = context.state.read(pod);
  if (record?.published?.ended !== undefined) {
    // It ended, a predecessor saw how and could not say so, and the backend has forgotten it since.
    await publish(context, tracked, { observation: undefined });
    return;
  }
  if (!tracked.attempted && wasCreated(pod, record?.handle !== undefined)) {
    // It ran on the backend and is not seen there. It is never created a second time behind its owner's back: the
    // backend's complete lists decide whether it is lost, and then it fails so that its controller replaces it.
    if (!tracked.lost || (await isThereAfterAll(context, tracked))) return;
    await publish(context, tracked, { observation: undefined, lost: LOST });
    return;
  }
  const rejected = tracked.attempted ? undefined : context.admission.admit(tracked.ref.uid, pod);
  if (rejected !== undefined) {
    context.events.record(eventSubject(pod), 'Warning', rejected.reason, rejected.message);
    const { reason, message } = rejected;
    await publish(context, tracked, {
      observation: undefined,
      rejected: { reason, message: `Pod was rejected: ${message}` },
    });
    return;
  }
  const creation = createPod(context, tracked, pod);
  const ended = creation.then(
    () => false as const,
    () => false as const,
  );
  if (await isSlow(context, tracked, ended)) {
    await report(context, tracked);
    await ended;
  }
  try {
    await creation;
  } finally {
    if (!context.signal.aborted) await report(context, tracked);
  }
}

/** Lists that lack a pod are not enough to fail it: the backend is asked for the pod itself, and must say that it is absent. */
async function isThereAfterAll(context: PodContext, tracked: TrackedPod): Promise<boolean> {
  const begun = context.tick();
  const found = await context.provider.get(context.owner, tracked.ref, context.signal);
  if (found === undefined) return false;
  if (tracked.observedAt < begun) observe(tracked, found, context.tick());
  context.enqueue(tracked);
  return true;
}

/** True when the quiet time is over before the work has ended. */
async function isSlow({ clock }: PodContext, tracked: TrackedPod, ended: Promise<false>): Promise<boolean> {
  const quiet = Promise.withResolvers<true>();
  const left = tracked.firstSeen + QUIET_MS - clock.monotonic();
  const timer = clock.setTimer(Math.max(left, 0), () => quiet.resolve(true));
  try {
    return await Promise.race([ended, quiet.promise]);
  } finally {
    timer.cancel();
  }
}

/** Publishes what is known, unless it is not worth a write yet. */
async function report(context: PodContext, tracked: TrackedPod): Promise<void> {
  const { backend, problem } = tracked;
  const left = tracked.firstSeen + QUIET_MS - context.clock.monotonic();
  if (left > 0 && (backend === undefined ? problem?.lasting !== true : isStarting(backend.observation.containers))) {
    context.queue.addAfter(tracked.ref.uid, left);
    return;
  }
  await publish(context, tracked, {
    observation: backend?.observation,
    // Of volumes that are missing a kubelet tells by Events alone.
    ...(backend !== undefined || problem === undefined || problem.reason === FAILED_MOUNT
      ? {}
      : { waiting: { reason: problem.reason, message: problem.message } }),
  });
}

/** No container has anything to tell but that it is being created. */
function isStarting(containers: NonNullable<TrackedPod['backend']>['observation']['containers']): boolean {
  return (
    containers.length === 0 ||
    containers.every(
      ({ state }) =>
        state.waiting !== undefined && (state.waiting.reason ?? 'ContainerCreating') === 'ContainerCreating',
    )
  );
}
