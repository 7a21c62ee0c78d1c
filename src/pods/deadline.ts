/**
 * `activeDeadlineSeconds`, on every backend: a pod that is past it has its containers stopped, with its own grace, and has
 * failed once they have ended. It counts from the pod's start whoever led meanwhile, or nobody.
 */
import type { Pod } from '../kube/types.ts';
import { eventSubject, type PodContext } from './context.ts';
import { endAbsent, stopContainers } from './deletion.ts';
import { isTerminalPhase } from './phase.ts';
import { allEnded } from './status.ts';
import { publish } from './status-writer.ts';
import type { TrackedPod } from './tracked-pod.ts';

/** In the words of a kubelet (pkg/kubelet/active_deadline.go). */
const EXCEEDED = {
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

/** The API's default for `terminationGracePeriodSeconds`. */
const DEFAULT_GRACE_SECONDS = 30;

/**
 * Milliseconds until the deadline, below 0 once it has passed; undefined for a pod without one. From when this leader
 * first looked it counts on the monotonic clock, so that a step of the wall clock ends nobody's pod.
 */
export function deadlineLeft({ clock }: Pick<PodContext, 'clock'>, tracked: TrackedPod, pod: Pod): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  if (seconds === undefined) return undefined;
  if (tracked.beganAt === undefined) {
    const started = Date.parse(pod.status?.startTime ?? '');
    const age = Number.isNaN(started) ? 0 : Math.max(0, clock.now() - started);
    tracked.beganAt = clock.monotonic() - age;
  }
  return tracked.beganAt + seconds * 1000 - clock.monotonic();
}

export async function failAtDeadline(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<void> {
  const { backend } = tracked;
  if (backend === undefined) {
    await failAbsent(context, tracked, pod);
    return;
  }
  if (!allEnded(backend.observation)) {
    if (tracked.killBy === undefined) tell(context, pod);
    if ((await stopContainers(context, tracked, pod, graceOf(pod))) === 'lost') {
      await publish(context, tracked, { observation: undefined, lost: EXCEEDED });
      return;
    }
    if (tracked.backend !== undefined && !allEnded(tracked.backend.observation)) {
      await publish(context, tracked, { observation: tracked.backend.observation });
      return;
    }
  }
  if (tracked.backend?.deleting !== true && tracked.killBy === undefined) {
    // It may have ended by itself in time, and nobody has said so yet.
    const known = await publish(context, tracked, { observation: backend.observation });
    if (known === undefined || isTerminalPhase(known.status?.phase)) return;
    tell(context, pod);
    // What waits for a restart on the backend must not begin again.
    await stopContainers(context, tracked, pod, 0);
  }
  await publish(context, tracked, { observation: tracked.backend?.observation, failed: EXCEEDED, ending: true });
}

/** It waits for something that did not come in time, or the backend is not known to have it. */
async function failAbsent(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<void> {
  const absence = await endAbsent(context, tracked, pod, graceOf(pod));
  if (absence === undefined) return;
  const { created, ended } = absence;
  tell(context, pod);
  await publish(
    context,
    tracked,
    ended !== undefined
      ? { observation: ended, failed: EXCEEDED, ending: true }
      : { observation: undefined, ...(created ? { lost: EXCEEDED } : { failed: EXCEEDED }) },
  );
}

function graceOf({ spec }: Pod): number {
  return spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

function tell(context: PodContext, pod: Pod): void {
  context.events.record(eventSubject(pod), 'Normal', EXCEEDED.reason, EXCEEDED.message);
}
