/**
 * Publishes a pod's status. Latest wins: what is sent is computed when it is sent. Nothing is sent that changes nothing.
 *
 * Every patch names the UID, so that a status never lands on another pod of the same name, and the resourceVersion it
 * was computed from, so that a list of conditions never drops one that somebody else has just written, and a successor's
 * status is never written over. On a conflict the status is computed anew from the pod as it is by then: as the cache has
 * it, where that has moved on already, else from a live read.
 */
import { type ErrorCode, hasCode, ZoneletError } from '../errors.ts';
import { PODS } from '../kube/resources.ts';
import type { Pod, PodStatus } from '../kube/types.ts';
import type { PodRecord, Riding } from '../state/contract.ts';
import { apiPod, bookPod, eventSubject, type PodContext, rememberFresh } from './context.ts';
import { factsOf, withFacts } from './recall.ts';
import { podStatus, type StatusInput, statusPatch } from './status.ts';
import { isNewer, type TrackedPod } from './tracked-pod.ts';

/** What is known beside the pod itself; the rest of the input follows from it. */
type Report = Pick<StatusInput, 'observation' | 'waiting' | 'ending' | 'lost' | 'failed' | 'rejected'>;

/** Reads and patches before the queue's back-off takes over. */
const TRIES = 4;

/** A request to the API server is not worth waiting for longer. */
const TIMEOUT_MS = 10_000;

/** The API server cannot be reached or does not take more: its return is waited for with short pauses, not with a backend's back-off. */
export class ApiUnreachable extends ZoneletError {
  constructor(cause: ZoneletError) {
    super(cause.code, cause.message, {
      cause,
      ...(cause.retryAfterMs === undefined ? {} : { retryAfterMs: cause.retryAfterMs }),
    });
  }
}

/** Throws `ApiUnreachable` for what says that the API server is away, and for these codes besides. */
export async function reaching<T>(request: Promise<T>, ...codes: readonly ErrorCode[]): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw hasCode(error, 'Unavailable', 'Throttled', ...codes) ? new ApiUnreachable(error) : error;
  }
}

/** Returns the pod as it stands then; undefined when the API has no such UID any more. */
export async function publish(context: PodContext, tracked: TrackedPod, report: Report): Promise<Pod | undefined> {
  let failure: unknown;
  let pod = apiPod(context, tracked);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (pod === undefined) return undefined;
    const nodeNotReady = context.nodeReadiness?.notReady();
    const known = context.state.read(pod);
    const status = podStatus({
      pod: withFacts(pod, known?.published),
      ...report,
      ...(nodeNotReady === undefined ? {} : { nodeNotReady }),
      now: context.clock.now(),
      ...(context.hostIP === undefined ? {} : { hostIP: context.hostIP }),
    });
    const change = statusPatch(pod.status ?? {}, status, { ending: pod.metadata?.deletionTimestamp !== undefined });
    const riding = context.state.keep(pod, recordOf(context, tracked, known, status));
    if (change === undefined) return pod;
    try {
      const written = await send(context, tracked, pod, change, riding);
      tellOf(context, tracked, pod, status);
      return written;
    } catch (error) {
      if (hasCode(error, 'NotFound')) return undefined;
      // A lost reply may have been a success: then the pod, read again, needs nothing more.
      if (!hasCode(error, 'Conflict', 'Ambiguous')) throw error;
      failure = error;
      pod = await afterFailure(context, tracked, pod, error.code);
    }
  }
  // It answers, and not to the point (a 500, a 502 of something in between, nothing in time): as good as away.
  if (hasCode(failure, 'Ambiguous')) throw new ApiUnreachable(failure);
  throw new ZoneletError('Conflict', 'the pod changes faster than its status can be written', { cause: failure });
}

async function send(
  context: PodContext,
  tracked: TrackedPod,
  pod: Pod,
  change: Record<string, unknown>,
  riding: Riding | undefined,
): Promise<Pod> {
  const { writes, metrics, zone } = context;
  const written = await reaching(
    writes.patch(
      PODS,
      pod,
      {
        type: 'merge',
        body: { ...(riding === undefined ? {} : { metadata: { annotations: riding.annotations } }), status: change },
      },
      { subresource: 'status', signal: context.signal, timeoutMs: TIMEOUT_MS },
    ),
  );
  metrics.statusWrites.inc({ zone });
  rememberFresh(tracked, written);
  bookPod(context, tracked.ref.uid, written);
  return written;
}

/** The pod to decide upon after a write upon `before` that was refused or got no answer. */
async function afterFailure(
  context: PodContext,
  tracked: TrackedPod,
  before: Pod,
  code: ErrorCode,
): Promise<Pod | undefined> {
  if (code === 'Conflict') {
    const cached = apiPod(context, tracked);
    if (isNewer(cached?.metadata?.resourceVersion, before.metadata?.resourceVersion)) return cached;
  }
  return await readLive(context, tracked);
}

/** What a successor should know of the pod, once this status is published. */
function recordOf(
  { term, clock }: PodContext,
  { backend, problem, attempts, attempted }: TrackedPod,
  known: PodRecord | undefined,
  status: PodStatus,
): PodRecord {
  const handle = backend?.handle ?? known?.handle;
  const applied = backend?.hash ?? known?.applied;
  const failures = backend === undefined && problem?.lasting === false ? attempts : 0;
  const published = factsOf(status);
  return {
    epoch: term.epoch,
    ...(handle === undefined ? {} : { handle }),
    ...(applied === undefined ? {} : { applied }),
    ...(handle === undefined && (attempted || known?.intended === true) ? { intended: true } : {}),
    ...(failures === 0
      ? {}
      : { failures, failedAtMs: failures === known?.failures ? (known.failedAtMs ?? 0) : Math.floor(clock.now()) }),
    ...(published === undefined ? {} : { published }),
  };
}

/** A live read. Undefined: this UID is definitely not in the API any more (404, or the name belongs to another UID). */
export async function readLive(context: PodContext, tracked: TrackedPod): Promise<Pod | undefined> {
  const { namespace, name, uid } = tracked.ref;
  try {
    const pod = await reaching(
      context.client.get(
        PODS,
        { namespace, name },
        { signal: context.signal, timeoutMs: Math.min(TIMEOUT_MS, context.term.remainingMs()) },
      ),
      'Ambiguous',
    );
    if (pod.metadata?.uid !== uid) return undefined;
    rememberFresh(tracked, pod);
    return tracked.fresh;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Removes the pod object: it has ended, and its deletion was asked for. `decidedOn`: the pod of which that is known. */
export async function removeFromApi(context: PodContext, tracked: TrackedPod, decidedOn: Pod): Promise<void> {
  let pod: Pod | undefined = decidedOn;
  for (let attempt = 0; pod !== undefined; attempt++) {
    try {
      await reaching(
        context.writes.delete(PODS, pod, { gracePeriodSeconds: 0, signal: context.signal, timeoutMs: TIMEOUT_MS }),
        // With its version named it does no harm to ask again.
        'Ambiguous',
      );
      break;
    } catch (error) {
      if (hasCode(error, 'NotFound')) break;
      if (!hasCode(error, 'Conflict') || attempt + 1 >= TRIES) throw error;
      // Somebody changed it; or the name is another UID's by now, and what was wanted is so.
      pod = await afterFailure(context, tracked, pod, error.code);
    }
  }
  // With finalizers the object stays a while.
  tracked.done = true;
}

/** Events and measures of a status that was written. */
function tellOf(context: PodContext, tracked: TrackedPod, before: Pod, status: PodStatus): void {
  const { events, metrics, zone, clock, provider } = context;
  const old = before.status?.containerStatuses ?? [];
  if (status.phase === 'Running' && before.status?.phase !== 'Running') {
    metrics.startDuration.observe({ zone }, (clock.monotonic() - tracked.firstSeen) / 1000);
    const names = (before.spec?.containers ?? []).map(({ name }) => name).join(', ');
    events.record(eventSubject(before), 'Normal', 'Started', `Started ${names} on ${provider.kind} in ${zone}`);
  }
  for (const { name, state } of status.containerStatuses ?? []) {
    const known = old.find((candidate) => candidate.name === name)?.state?.waiting?.reason;
    if (state?.waiting?.reason !== 'CrashLoopBackOff' || known === 'CrashLoopBackOff') continue;
    events.record(
      eventSubject(before),
      'Warning',
      'BackOff',
      `Back-off restarting failed container ${name} in pod ${podName(before)}`,
    );
  }
}

/** As a kubelet names a pod in its texts. */
function podName({ metadata }: Pod): string {
  return `${metadata?.name ?? ''}_${metadata?.namespace ?? ''}(${metadata?.uid ?? ''})`;
}
