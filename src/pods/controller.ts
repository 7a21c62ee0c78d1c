/**
 * The pods of one zone, for one term: take-over, then every pod kept in line until the term ends.
 *
 * Guarantees: nothing is sent once the term's signal has aborted; when the term is to end in good order, what is under
 * way is finished, what was observed is published, and then it returns. It never throws.
 */
import { sleep } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import { keyOf } from '../kube/informer.ts';
import type { Pod } from '../kube/types.ts';
import { Accounting } from './accounting.ts';
import { Admission } from './admission.ts';
import { followBackend, resync } from './backend-view.ts';
import { apiPod, bookPod, type PodContext, type PodControllerOptions } from './context.ts';
import { sameValue } from './equality.ts';
import { Orphans } from './orphans.ts';
import { isTerminalPhase } from './phase.ts';
import { References } from './resolve/references.ts';
import { ServiceAccountTokens } from './resolve/tokens.ts';
import { ApiUnreachable, publish } from './status-writer.ts';
import { syncPod } from './sync.ts';
import { completeLook, firstLook, refreshCache } from './take-over.ts';
import { refOf, type TrackedPod, trackedPod, wasCreated } from './tracked-pod.ts';
import { VolumeRefresh } from './volume-refresh.ts';

const WORKERS = 32;
const WIND_DOWN_MS = 300;
/** How often running pods are charged while nothing else happens. */
const ACCRUE_MS = 10_000;
/** Longest pause that is taken over from a predecessor: what it waited for may have happened meanwhile. */
const RECALLED_PAUSE_MAX_MS = 30_000;
/** Longest pause between two tries at an API server that does not answer: it is to be caught up with in seconds. */
const API_RETRY_MAX_MS = 5_000;
/** Statuses flushed at once at the end of a term. */
const FLUSHERS = 16;

/** Runs until the term is over or has been wound down. */
export async function runPodController(options: PodControllerOptions): Promise<void> {
  const { term, clock, informer, queue } = options;
  const begun = clock.monotonic();
  const life = new AbortController();
  const intake = new AbortController();
  const stop = (): void => {
    intake.abort();
    life.abort(term.signal.reason);
  };
  let underWay = false;
  const windDown = (): void => {
    intake.abort();
    // Nothing has been begun that could be finished: a backend that does not answer holds nobody up.
    if (!underWay) life.abort(term.ending.reason);
  };
  onAbort(term.signal, stop);
  onAbort(term.ending, windDown);

  const context = contextOf(options, life.signal);
  const active = new Set<string>();
  const orphans = new Orphans(options.zone, () => clock.monotonic());
  let unsubscribe: (() => void) | undefined;
  let unsubscribeReadiness: (() => void) | undefined;
  const background: Promise<void>[] = [];
  try {
    if (!(await refreshCache(context)) || intake.signal.aborted) return;
    options.onPhase?.('freshness');
    unsubscribe = informer.subscribe(handlers(context));
    unsubscribeReadiness = followReadiness(context);
    // What the backend shows comes first: without it every pod would look as if it were to be created.
    const complete = await firstLook(context, orphans);
    options.onPhase?.('list');
    holdRoom(context);
    context.accounting.begin(term.leaderlessMs ?? 0);
    if (intake.signal.aborted) return;
    options.onPhase?.('resolve');
    const unseen = new Set(context.pods.keys());
    if (unseen.size === 0) options.onPhase?.('publish');
    underWay = true;
    background.push(
      followBackend(context),
      accrue(context),
      watchOver(context, orphans, complete, begun),
      context.volumes.run(context),
    );
    const working = queue.run(
      options.workers ?? WORKERS,
      async (uid) => {
        active.add(uid);
        try {
          await handle(context, uid);
        } finally {
          active.delete(uid);
          if (unseen.delete(uid) && unseen.size === 0) options.onPhase?.('publish');
        }
      },
      intake.signal,
    );
    await aborted(intake.signal);
    if (!life.signal.aborted) await finish(context, working, active);
    life.abort();
    await working;
  } finally {
    life.abort();
    unsubscribe?.();
    unsubscribeReadiness?.();
    term.signal.removeEventListener('abort', stop);
    term.ending.removeEventListener('abort', windDown);
    await Promise.allSettled(background);
    context.accounting.end();
  }
}

function contextOf(options: PodControllerOptions, signal: AbortSignal): PodContext {
  const { queue, client, writes, clock, random, provider, term, owner, zone, metrics } = options;
  let ticks = 0;
  return {
    ...options,
    mutations: provider.forTerm(term, owner),
    references: new References({ client, clock, signal, wake: (uid) => queue.add(uid) }),
    tokens: new ServiceAccountTokens({ writes, clock, random, signal }),
    volumes: new VolumeRefresh(),
    accounting: new Accounting(zone, clock, metrics),
    admission: new Admission(options.node ?? (() => undefined)),
    pods: new Map(),
    signal,
    tick: () => ++ticks,
    enqueue(tracked) {
      tracked.dirty = true;
      queue.add(tracked.ref.uid);
    },
  };
}

/** The pod cache's news. Same name under another UID is the end of one pod and the start of another, also in one event. */
function handlers(context: PodContext): {
  added(pod: Pod): void;
  updated(before: Pod, after: Pod): void;
  deleted(pod: Pod): void;
} {
  const track = (pod: Pod): TrackedPod => {
    const ref = refOf(pod);
    let tracked = context.pods.get(ref.uid);
    if (tracked === undefined) {
      tracked = trackedPod(ref, context.clock.monotonic());
      context.pods.set(ref.uid, tracked);
    }
    bookPod(context, ref.uid, pod);
    return tracked;
  };
  const deleted = (pod: Pod): void => {
    const tracked = context.pods.get(pod.metadata?.uid ?? '');
    if (tracked !== undefined) context.enqueue(tracked);
  };
  return {
    added(pod) {
      const tracked = track(pod);
      const failures = context.state.read(pod)?.failures ?? 0;
      if (failures === 0 || tracked.attempts > 0) {
        context.enqueue(tracked);
        return;
      }
      // A change of leader is no reason to run at a backend that did not take the pod so often.
      tracked.attempts = failures;
      context.queue.resume(tracked.ref.uid, failures, RECALLED_PAUSE_MAX_MS);
    },
    updated(before, after) {
      if (before.metadata?.uid !== after.metadata?.uid) deleted(before);
      const tracked = track(after);
      if (after.metadata?.deletionTimestamp !== undefined && before.metadata?.deletionTimestamp === undefined) {
        tracked.deletionSeen = context.clock.monotonic();
      }
      const inFiles = !sameMetadata(before, after) && context.volumes.metadataChanged(tracked.ref.uid);
      // The echo of the own last write is no news.
      if (tracked.fresh !== undefined && sameVersion(tracked.fresh, after)) {
        tracked.fresh = undefined;
        if (inFiles) context.enqueue(tracked);
      } else context.enqueue(tracked);
    },
    deleted,
  };
}

/** A node that is Ready again has pods to say so of. That they are not ready is said by `not-ready.ts`. */
function followReadiness(context: PodContext): (() => void) | undefined {
  const { nodeReadiness } = context;
  let before = nodeReadiness?.notReady() !== undefined;
  return nodeReadiness?.subscribe(() => {
    const now = nodeReadiness.notReady() !== undefined;
    if (before && !now) for (const tracked of context.pods.values()) context.enqueue(tracked);
    before = now;
  });
}

function sameVersion(a: Pod, b: Pod): boolean {
  return keyOf(a) === keyOf(b) && a.metadata?.resourceVersion === b.metadata?.resourceVersion;
}

/** What runs already has its room before anything new is admitted. */
function holdRoom(context: PodContext): void {
  for (const tracked of context.pods.values()) {
    const pod = apiPod(context, tracked);
    if (pod === undefined || isTerminalPhase(pod.status?.phase)) continue;
    const created = tracked.backend !== undefined || wasCreated(pod, context.state.read(pod)?.handle !== undefined);
    if (created) context.admission.hold(tracked.ref.uid, pod);
  }
}

function sameMetadata(a: Pod, b: Pod): boolean {
  return (
    sameValue(a.metadata?.labels, b.metadata?.labels) && sameValue(a.metadata?.annotations, b.metadata?.annotations)
  );
}

async function handle(context: PodContext, uid: string): Promise<void> {
  const tracked = context.pods.get(uid);
  if (tracked === undefined) return;
  try {
    await syncPod(context, tracked);
    tracked.apiFailures = 0;
    context.queue.forget(uid);
  } catch (error) {
    tracked.dirty = true;
    if (context.signal.aborted) return;
    // The right to act has run out; whoever notices that ends the term, and nothing is done meanwhile.
    if (hasCode(error, 'Fenced', 'Aborted')) return context.queue.addAfter(uid, 250);
    const fields = { pod: `${tracked.ref.namespace}/${tracked.ref.name}`, uid, error: messageOf(error) };
    if (error instanceof ApiUnreachable) {
      context.log.debug(fields, 'the API server does not answer');
      const pause = Math.min(200 * 2 ** tracked.apiFailures++, API_RETRY_MAX_MS) * (0.5 + context.random.next() / 2);
      return context.queue.addAfter(uid, Math.max(pause, error.retryAfterMs ?? 0));
    }
    context.log.warn(fields, 'the pod could not be brought in line; it is tried again');
    throw error;
  }
}

/** Completes the take-over, tells of it, and goes on comparing. */
async function watchOver(context: PodContext, orphans: Orphans, complete: boolean, begun: number): Promise<void> {
  if (!complete && !(await completeLook(context, orphans))) return;
  let adopted = 0;
  for (const { backend, attempted } of context.pods.values()) if (backend !== undefined && !attempted) adopted++;
  if (adopted > 0) context.metrics.created.inc({ zone: context.zone, outcome: 'adopted' }, adopted);
  const durationMs = context.clock.monotonic() - begun;
  const summary = { adopted, pods: context.pods.size, orphans: orphans.size, durationMs };
  context.log.info(summary, 'took the pods of the zone over');
  context.onTakenOver?.(summary);
  await resync(context, orphans);
}

async function accrue(context: PodContext): Promise<void> {
  while (!context.signal.aborted) {
    await sleep(context.clock, ACCRUE_MS, context.signal);
    context.accounting.accrue();
  }
}

/** The term ends in good order: what is under way may finish, and what was seen of pods that nobody worked on is published. */
async function finish(context: PodContext, working: Promise<void>, active: ReadonlySet<string>): Promise<void> {
  const limit = sleep(context.clock, context.windDownMs ?? WIND_DOWN_MS, context.signal);
  await Promise.race([working, limit]);
  const left = [...context.pods.values()].filter(
    (tracked) => tracked.dirty && tracked.backend !== undefined && !active.has(tracked.ref.uid),
  );
  const flush = async (): Promise<void> => {
    for (let tracked = left.pop(); tracked !== undefined && !context.signal.aborted; tracked = left.pop()) {
      const pod = apiPod(context, tracked);
      if (pod === undefined || isTerminalPhase(pod.status?.phase)) continue;
      try {
        await publish(context, tracked, {
          observation: tracked.backend?.observation,
          ending: pod.metadata?.deletionTimestamp !== undefined,
        });
      } catch (error) {
        context.log.debug({ uid: tracked.ref.uid, error: messageOf(error) }, 'a last status was not written');
      }
    }
  };
  await Promise.race([Promise.all(Array.from({ length: FLUSHERS }, flush)), limit]);
}

function onAbort(signal: AbortSignal, run: () => void): void {
  if (signal.aborted) run();
  else signal.addEventListener('abort', run, { once: true });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => onAbort(signal, resolve));
}
