/** What happened to a pod on its backend, told as Events: each once in a term, and none that a predecessor has told. */
import type { Pod } from '../kube/types.ts';
import { eventSubject, type PodContext } from './context.ts';
import type { TrackedPod } from './tracked-pod.ts';

export function tellHappenings(context: Pick<PodContext, 'events'>, tracked: TrackedPod, pod: Pod): void {
  const happenings = tracked.backend?.observation.events;
  if (tracked.backend === undefined) return;
  // Of a pod that this leader did not start, what it finds was there before: its predecessor has told it.
  tracked.heard ??= tracked.attempted ? 0 : (happenings?.at(-1)?.number ?? 0);
  for (const { number, type, reason, message } of happenings ?? []) {
    if (number <= tracked.heard) continue;
    tracked.heard = number;
    context.events.record(eventSubject(pod), type, reason, message);
  }
}
