/**
 * Brings a pod to the backend: everything that could refuse it first, then what it refers to, then create-or-adopt.
 * Whatever fails before the backend has it leaves the pod Pending, with the reason in its containers.
 */
import { codeOf, hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { Pod } from '../kube/types.ts';
import { eventSubject, type PodContext } from './context.ts';
import { changedFields } from './hash.ts';
import { LOST } from './lost.ts';
import type { Note } from './resolve/missing.ts';
import { type Resolution, resolvePod } from './resolve/resolution.ts';
import { publish } from './status-writer.ts';
import { describeUnsupported, UNSUPPORTED, unsupportedFields } from './support.ts';
import { observe, type Problem, type TrackedPod } from './tracked-pod.ts';

/** Returns once the backend has the pod or the pod has a problem; throws what is worth a retry with back-off. */
export async function createPod(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<void> {
  const refused = unsupportedFields(pod, context.provider, context.hostPolicy);
  if (refused.length > 0) {
    refuse(context, tracked, pod, describeUnsupported(refused));
    return;
  }
  const resolved = await resolve(context, tracked, pod);
  if (resolved === undefined) return;

  if ((await context.state.intend(tracked.ref.uid)) === 'gone') {
    // It was removed from the backend before. A UID lives once; its controller makes another one.
    await publish(context, tracked, { observation: undefined, lost: LOST });
    return;
  }
  if (tracked.attempts === 0) tellAll(context, pod, resolved.notes);
  const begun = context.tick();
  tracked.attempted = true;
  tracked.attempts++;
  try {
    const { outcome, pod: created } = await context.mutations.create(resolved.pod, {
      signal: context.signal,
      attempt: tracked.attempts,
    });
    if (tracked.observedAt < begun) observe(tracked, created, context.tick());
    tracked.problem = undefined;
    tracked.attempts = 0;
    context.metrics.created.inc({ zone: context.zone, outcome });
    context.tokens.release(tracked.ref.uid);
    // What was adopted may have been made with something else.
    if (outcome === 'created') context.volumes.created(context, tracked, pod, resolved.volumes);
  } catch (error) {
    if (hasCode(error, 'Fenced', 'Aborted')) throw error;
    if (hasCode(error, 'InvalidInput', 'Unsupported')) {
      refuse(context, tracked, pod, messageOf(error));
      return;
    }
    const reason = WAITING_REASONS[codeOf(error)] ?? 'CreateContainerError';
    setProblem(context, tracked, pod, { reason, message: messageOf(error), lasting: false }, 'FailedCreatePodSandBox');
    throw error instanceof ZoneletError ? error : new ZoneletError('Internal', messageOf(error), { cause: error });
  }
}

/** Waiting reasons of a pod that the backend did not take yet. */
const WAITING_REASONS: Partial<Record<ReturnType<typeof codeOf>, string>> = {
  Unavailable: 'BackendUnavailable',
  Throttled: 'BackendThrottled',
  NoCapacity: 'BackendNoCapacity',
  Ambiguous: 'CreateOutcomeUnknown',
};

/** Applies in place what changed in the pod, or says that this backend cannot. */
export async function updatePod(
  context: PodContext,
  tracked: TrackedPod,
  pod: Pod,
  applied: string,
  hash: string,
): Promise<void> {
  const changed = changedFields(applied, hash);
  const impossible = changed.filter((field) => !context.provider.capabilities.update.includes(field));
  if (impossible.length > 0) {
    refuseUpdate(context, tracked, pod, hash, impossible.map((field) => `spec.${field}`).join(', '));
    return;
  }
  const refused = unsupportedFields(pod, context.provider, context.hostPolicy);
  if (refused.length > 0) {
    refuseUpdate(context, tracked, pod, hash, describeUnsupported(refused));
    return;
  }
  const resolved = await resolve(context, tracked, pod);
  if (resolved === undefined) return;
  const begun = context.tick();
  try {
    const updated = await context.mutations.update(resolved.pod, { signal: context.signal });
    if (tracked.observedAt < begun) observe(tracked, updated, context.tick());
    else if (tracked.backend !== undefined) tracked.backend = { ...tracked.backend, hash: updated.hash };
    context.tokens.release(tracked.ref.uid);
    tracked.problem = undefined;
    context.log.info({ pod: nameOf(tracked), fields: changed }, 'pod updated in place');
  } catch (error) {
    if (!hasCode(error, 'InvalidInput', 'Unsupported')) throw error;
    refuseUpdate(context, tracked, pod, hash, messageOf(error));
  }
}

/** How long the Services may not have been read before anybody is told: a replica that has just begun is about to. */
const SERVICES_PATIENCE_MS = 3_000;
const SERVICES_PAUSE_MS = 500;

/** Undefined when the pod has to wait: it is told why, and it is woken. */
async function resolve(
  context: PodContext,
  tracked: TrackedPod,
  pod: Pod,
): Promise<(Resolution & { readonly state: 'resolved' }) | undefined> {
  const { queue, clock, services } = context;
  const { uid } = tracked.ref;
  if (!services.ready && clock.monotonic() - tracked.firstSeen < SERVICES_PATIENCE_MS) {
    queue.addAfter(uid, SERVICES_PAUSE_MS);
    return undefined;
  }
  const resolution = await resolvePod(context, tracked, pod);
  if (resolution.state === 'resolved') return resolution;
  const { reason, missing, events } = resolution;
  const [first, ...others] = events;
  const told = setProblem(
    context,
    tracked,
    pod,
    { reason, message: missing.message, lasting: true },
    first?.reason ?? reason,
    first?.message,
  );
  if (told) tellAll(context, pod, others);
  if (missing.reference !== undefined) context.references.wakeOnChange(uid, missing.reference, missing.version);
  else if (!services.ready) queue.addAfter(uid, SERVICES_PAUSE_MS);
  // A token that is refused, say: nothing tells when that ends.
  else throw new ZoneletError('Unavailable', missing.message);
  return undefined;
}

function tellAll(context: PodContext, pod: Pod, notes: readonly Note[]): void {
  for (const { reason, message } of notes) context.events.record(eventSubject(pod), 'Warning', reason, message);
}

function refuse(context: PodContext, tracked: TrackedPod, pod: Pod, message: string): void {
  if (tracked.problem?.reason !== UNSUPPORTED) context.metrics.refused.inc({ zone: context.zone });
  setProblem(context, tracked, pod, { reason: UNSUPPORTED, message, lasting: true }, UNSUPPORTED);
}

function refuseUpdate(context: PodContext, tracked: TrackedPod, pod: Pod, hash: string, what: string): void {
  tracked.refusedHash = hash;
  context.events.record(
    eventSubject(pod),
    'Warning',
    'UpdateNotSupported',
    `${what}: cannot change in place on this backend; the pod runs on as it was`,
  );
}

/** One Event for each new problem; true when it is one. The message of a lasting one is kept up to date; that of a passing one may differ each time and is not worth a write. */
function setProblem(
  context: PodContext,
  tracked: TrackedPod,
  pod: Pod,
  problem: Problem,
  event: string,
  message = problem.message,
): boolean {
  const before = tracked.problem;
  if (before?.reason === problem.reason && (!problem.lasting || before.message === problem.message)) return false;
  tracked.problem = problem;
  const told = pod.status?.containerStatuses?.[0]?.state?.waiting;
  // A predecessor said so already.
  if (told?.reason === problem.reason && told.message === problem.message) return false;
  context.events.record(eventSubject(pod), 'Warning', event, message);
  return true;
}

function nameOf(tracked: TrackedPod): string {
  return `${tracked.ref.namespace}/${tracked.ref.name}`;
}
