/**
 * What the backend shows, merged into what is tracked: from its watch, and from a complete list now and then, which also
 * tells what is missing. Unknown is never absent: an incomplete or failed list concludes nothing.
 */
import { sleep } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { BackendPod, WatchEvent } from '../provider/contract.ts';
import type { PodRecord } from '../state/contract.ts';
import { apiPod, type PodContext } from './context.ts';
import { CONFIRM_MS, type Orphans } from './orphans.ts';
import { allEnded } from './status.ts';
import { isOlder, observe, type TrackedPod, wasCreated } from './tracked-pod.ts';

/** Between two lists while nothing is in doubt: the watch tells of changes, this is for what it missed. */
const RESYNC_MS = 60_000;
/** After a list that failed. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 10_000;

/** Lists once and merges. Returns the merged list when it was complete. */
export async function listBackend(context: PodContext, orphans: Orphans): Promise<readonly BackendPod[] | undefined> {
  const begun = context.tick();
  const { pods, complete } = await context.provider.list(context.owner, context.signal);
  const seen = new Set<string>();
  const unknown: BackendPod[] = [];
  for (const pod of pods) {
    seen.add(pod.ref.uid);
    const tracked = context.pods.get(pod.ref.uid);
    if (tracked === undefined) unknown.push(pod);
    else if (tracked.observedAt < begun && observe(tracked, pod, context.tick())) context.enqueue(tracked);
  }
  if (!complete) return undefined;
  orphans.see(unknown);
  context.state.complete(known(context, unknown));
  for (const tracked of context.pods.values()) {
    if (!seen.has(tracked.ref.uid) && tracked.observedAt < begun && shouldBeThere(context, tracked)) {
      miss(context, tracked);
    }
  }
  return pods;
}

/** All pods of API and backend, with what a successor would have to know of those that run. */
function* known(
  context: PodContext,
  unknown: readonly BackendPod[],
): Generator<{ readonly uid: string; readonly record?: PodRecord }> {
  const { epoch } = context.term;
  for (const { ref, backend } of context.pods.values()) {
    if (backend === undefined) yield { uid: ref.uid };
    else yield { uid: ref.uid, record: { epoch, handle: backend.handle, applied: backend.hash } };
  }
  for (const { ref } of unknown) yield { uid: ref.uid };
}

function shouldBeThere(context: PodContext, tracked: TrackedPod): boolean {
  if (tracked.backend !== undefined) return true;
  if (tracked.attempted) return false;
  const pod = apiPod(context, tracked);
  return pod !== undefined && wasCreated(pod, context.state.read(pod)?.handle !== undefined);
}

function miss(context: PodContext, tracked: TrackedPod): void {
  const now = context.clock.monotonic();
  if (tracked.missingSince === undefined) {
    tracked.missingSince = now;
    // A pod that is to end needs no second look: asking for its deletion answers whether it is there.
    context.enqueue(tracked);
    return;
  }
  if (tracked.lost || now - tracked.missingSince < CONFIRM_MS) return;
  tracked.lost = true;
  tracked.backend = undefined;
  tracked.attempted = false;
  context.log.warn(
    { pod: `${tracked.ref.namespace}/${tracked.ref.name}`, uid: tracked.ref.uid },
    'the backend has lost a pod: it was missing in two complete lists',
  );
  context.enqueue(tracked);
}

/** Lists for ever: soon while something is in doubt, else now and then. */
export async function resync(context: PodContext, orphans: Orphans): Promise<void> {
  let failures = 0;
  for (;;) {
    const doubt =
      orphans.pending ||
      [...context.pods.values()].some(({ missingSince, lost }) => missingSince !== undefined && !lost);
    const pause =
      failures > 0
        ? Math.min(RETRY_MIN_MS * 2 ** (failures - 1), RETRY_MAX_MS)
        : doubt
          ? CONFIRM_MS + 1
          : RESYNC_MS * (0.9 + 0.2 * context.random.next());
    await sleep(context.clock, pause, context.signal);
    if (context.signal.aborted) return;
    try {
      const listed = await listBackend(context, orphans);
      failures = 0;
      if (listed !== undefined) await orphans.collect(context, listed.length);
    } catch (error) {
      if (context.signal.aborted) return;
      failures++;
      context.log.warn({ error: messageOf(error) }, 'could not list the backend; nothing is concluded from that');
    }
  }
}

/** Follows the backend until the signal aborts. */
export async function followBackend(context: PodContext): Promise<void> {
  for await (const event of context.provider.watch(context.owner, context.signal)) {
    if (context.signal.aborted) return;
    take(context, event);
  }
}

function take(context: PodContext, event: WatchEvent): void {
  switch (event.type) {
    case 'pod': {
      const tracked = context.pods.get(event.pod.ref.uid);
      if (tracked === undefined) return;
      if (tracked.backend !== undefined && isOlder(tracked.backend.observation, event.pod.observation)) return;
      if (observe(tracked, event.pod, context.tick())) context.enqueue(tracked);
      return;
    }
    case 'gone': {
      const tracked = context.pods.get(event.ref.uid);
      if (tracked?.backend === undefined || tracked.done) return;
      tracked.observedAt = context.tick();
      if (event.last !== undefined && (allEnded(event.last) || !isOlder(tracked.backend.observation, event.last))) {
        tracked.backend = { ...tracked.backend, observation: event.last };
      }
      tracked.missingSince ??= context.clock.monotonic();
      context.enqueue(tracked);
      return;
    }
    case 'sync-end':
      // The backend answers (again): what waited for it need not sit out its back-off.
      if (event.complete) retryFailed(context);
      return;
    case 'sync-start':
      return;
  }
}

function retryFailed(context: PodContext): void {
  for (const tracked of context.pods.values()) {
    // Dirty: its deletion, its update or its status failed; or it is in the queue anyway.
    if (!tracked.dirty && (tracked.problem === undefined || tracked.problem.lasting)) continue;
    context.queue.forget(tracked.ref.uid);
    context.enqueue(tracked);
  }
}
