/**
 * Taking a zone away, which only its leader can do: what is on the backend goes on the word of a term, so that the fence
 * holds. An operator (`zonelet remove-zone`) has moved the pods away and asks on the Node, again and again while it waits;
 * a request that is repeated no longer is not carried out any further.
 *
 * Order: what is left in the API (pods of DaemonSets, which would come back), what is left on the backend, the node Lease,
 * the Node. A Node that goes with an accepted request tells the other replicas to campaign for the zone no longer; once
 * they have said so, the lock is let go.
 */
import { type Clock, sleep } from '../clock.ts';
import type { Candidates } from '../election/candidates.ts';
import { isCandidateFor } from '../election/eligibility.ts';
import { REMOVAL_OUTCOME_ANNOTATION, REMOVAL_REQUEST_ANNOTATION } from '../election/names.ts';
import { answered, expired, type NodeRequest, readOutcome, readRequest } from '../election/node-request.ts';
import type { Term } from '../election/term.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { TermClient } from '../fence/term-client.ts';
import type { KubeClient } from '../kube/client.ts';
import { readAll } from '../kube/consistent-list.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { Informer } from '../kube/informer.ts';
import { LEASES, NODES, PODS, type Resource } from '../kube/resources.ts';
import type { KubeObject, Node, Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import { NODE_LEASES } from '../node/names.ts';
import { isInApi } from '../pods/live-read.ts';
import type { GuardedProvider } from '../provider/guard.ts';

export interface RemovalOptions {
  readonly zone: string;
  readonly nodeName: string;
  readonly owner: string;
  readonly term: Term;
  readonly client: KubeClient;
  readonly writes: TermClient;
  readonly provider: GuardedProvider;
  /** Nodes of the set. The caller runs it. */
  readonly nodes: Informer<Node>;
  readonly candidates: Candidates;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Logger;
}

const ANNOTATIONS = { request: REMOVAL_REQUEST_ANNOTATION, outcome: REMOVAL_OUTCOME_ANNOTATION };
const LOOK_EVERY_MS = 1_000;
const RETRY_MS = 500;
const TIMEOUT_MS = 5_000;
/** Replicas tell of themselves every 2 s; one that does not is dead, or cut off and not to be waited for. */
const WITHDRAWAL_MS = 5_000;

/** True for a pod that its DaemonSet would make again at once, on any node that is there. */
export function isOfDaemonSet({ metadata }: Pod): boolean {
  return (
    metadata?.ownerReferences?.some(({ controller, kind }) => controller === true && kind === 'DaemonSet') ?? false
  );
}

/** True for a Node whose zone was removed, when it is gone. */
export function wasRemoved(node: Node): boolean {
  const outcome = readOutcome(node, REMOVAL_OUTCOME_ANNOTATION);
  return outcome !== undefined && outcome.refused === undefined;
}

/** Resolves with a request that was accepted; with undefined when the signal aborted first. Never throws. */
export async function acceptRemoval(options: RemovalOptions, signal: AbortSignal): Promise<NodeRequest | undefined> {
  const { nodes, nodeName, clock, log } = options;
  while (!signal.aborted) {
    const node = nodes.get(nodeName);
    if (node !== undefined) {
      try {
        const request = await consider(options, node, signal);
        if (request !== undefined) return request;
      } catch (error) {
        if (signal.aborted || hasCode(error, 'Fenced')) return undefined;
        if (!hasCode(error, 'Conflict')) log.warn({ error: messageOf(error) }, 'a request for removal is not answered');
      }
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
  return undefined;
}

async function consider(options: RemovalOptions, node: Node, signal: AbortSignal): Promise<NodeRequest | undefined> {
  const { zone, term, clock, log, events } = options;
  const request = readRequest(node, REMOVAL_REQUEST_ANNOTATION);
  if (request === undefined) {
    // Accepted by an earlier leader, and withdrawn since.
    if (wasRemoved(node)) await annotate(options, node, answered(ANNOTATIONS, undefined), signal);
    return undefined;
  }
  const refused =
    request === 'unreadable'
      ? 'it is not what "zonelet remove-zone" writes'
      : (expired(request, clock.now()) ?? (await obstacle(options, node, signal)));
  if (request !== 'unreadable' && refused === undefined) {
    const outcome = JSON.stringify({ ...request, epoch: term.epoch });
    await annotate(options, node, { [REMOVAL_OUTCOME_ANNOTATION]: outcome }, signal);
    log.warn({ by: request.by }, 'takes the zone away');
    return request;
  }
  const reason = refused ?? '';
  const outcome = request === 'unreadable' ? undefined : { ...request, epoch: term.epoch, refused: reason };
  await annotate(options, node, answered(ANNOTATIONS, outcome), signal);
  log.warn({ reason }, 'a request to take the zone away is refused');
  events.record(
    { ...node, apiVersion: 'v1', kind: 'Node' },
    'Warning',
    'RemovalRefused',
    `Zone ${zone} stays: ${reason}.`,
  );
  return undefined;
}

async function annotate(
  { writes }: RemovalOptions,
  node: Node,
  annotations: Record<string, string | null>,
  signal: AbortSignal,
): Promise<void> {
  const patch = { type: 'merge', body: { metadata: { annotations } } } as const;
  await writes.patch(NODES, node, patch, { signal, timeoutMs: TIMEOUT_MS });
}

/** Why the zone cannot be taken away now. */
async function obstacle(options: RemovalOptions, node: Node, signal: AbortSignal): Promise<string | undefined> {
  if (node.spec?.unschedulable !== true) return 'its node is not cordoned, so pods may come to it at any time';
  const pods = (await podsOf(options, signal)).filter((pod) => !isOfDaemonSet(pod));
  if (pods.length === 0) return undefined;
  return `${pods.length} pods are bound to its node, such as ${pods[0]?.metadata?.namespace}/${pods[0]?.metadata?.name}`;
}

async function podsOf({ client, nodeName }: RemovalOptions, signal: AbortSignal): Promise<readonly Pod[]> {
  const selection = { fieldSelector: `spec.nodeName=${nodeName}`, signal };
  return (await readAll<Pod>(client, PODS, selection, (pod) => pod)).items;
}

/**
 * Takes the zone away, for as long as the term lasts and somebody asks for it. True when the Node is gone; the caller
 * works on the zone no longer, and campaigns for it no more. Never throws.
 */
export async function removeZone(options: RemovalOptions, accepted: NodeRequest): Promise<boolean> {
  const { term, clock, log } = options;
  const over = AbortSignal.any([term.signal, term.ending]);
  const steps = [removePods, ...(accepted.backend === 'abandon' ? [] : [clearBackend]), removeNodeLease, removeNode];
  while (!over.aborted) {
    try {
      for (const step of steps) {
        if (!(await step(options, over))) break;
        if (step === removeNode) {
          await othersWithdrew(options);
          return true;
        }
      }
      if (!(await stillAsked(options, over))) return false;
    } catch (error) {
      if (over.aborted || hasCode(error, 'Fenced')) return false;
      log.warn({ error: messageOf(error) }, 'the zone is not taken away yet');
    }
    await sleep(clock, RETRY_MS, over);
  }
  return false;
}

async function removePods(options: RemovalOptions, signal: AbortSignal): Promise<boolean> {
  const pods = await podsOf(options, signal);
  if (pods.some((pod) => !isOfDaemonSet(pod))) {
    throw new ZoneletError('Unavailable', `${pods.length} pods have come to the node meanwhile`);
  }
  for (const pod of pods) await gone(options, PODS, pod, signal, { gracePeriodSeconds: 0 });
  return true;
}

/** Everything of the own owner that no pod of the API stands behind any more. */
async function clearBackend(options: RemovalOptions, signal: AbortSignal): Promise<boolean> {
  const { provider, owner, term, zone, client, log } = options;
  const { pods, complete } = await provider.list(owner, signal);
  const ours = pods.filter((pod) => pod.zone === zone);
  if (ours.length === 0) return complete;
  const mutations = provider.forTerm(term, owner);
  for (const { ref } of ours) {
    if (await isInApi(client, ref, signal)) {
      throw new ZoneletError('Unavailable', `${ref.namespace}/${ref.name} is still in the API`);
    }
    await mutations.delete(ref, { gracePeriodSeconds: 0, signal });
  }
  log.info({ removed: ours.length }, 'clears the backend');
  return false;
}

async function removeNodeLease(options: RemovalOptions, signal: AbortSignal): Promise<boolean> {
  const { client, nodeName } = options;
  try {
    const lease = await client.get(LEASES, { namespace: NODE_LEASES, name: nodeName }, { signal });
    await gone(options, LEASES, lease, signal);
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
  return true;
}

/** Only while somebody asks for it: what is gone by then cannot be had back. */
async function removeNode(options: RemovalOptions, signal: AbortSignal): Promise<boolean> {
  const { client, nodeName } = options;
  let node: Node;
  try {
    node = await client.get(NODES, { name: nodeName }, { signal });
  } catch (error) {
    // Deleted before, and the answer was lost.
    if (hasCode(error, 'NotFound')) return true;
    throw error;
  }
  if (!isAsked(options, node)) return false;
  await gone(options, NODES, node, signal);
  return true;
}

function isAsked({ clock }: RemovalOptions, node: Node): boolean {
  const request = readRequest(node, REMOVAL_REQUEST_ANNOTATION);
  return request !== undefined && request !== 'unreadable' && expired(request, clock.now()) === undefined;
}

async function stillAsked(options: RemovalOptions, signal: AbortSignal): Promise<boolean> {
  const { client, nodeName, log } = options;
  const asked = isAsked(options, await client.get(NODES, { name: nodeName }, { signal }));
  if (!asked) log.warn({}, 'nobody asks for it any more: the zone stays');
  return asked;
}

async function gone<T extends KubeObject>(
  { writes }: RemovalOptions,
  of: Resource<T>,
  object: T,
  signal: AbortSignal,
  more: { readonly gracePeriodSeconds?: number } = {},
): Promise<void> {
  try {
    await writes.delete(of, object, { signal, timeoutMs: TIMEOUT_MS, ...more });
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
}

/** Whoever has not heard of it yet would take the lock, and make the Node anew. */
async function othersWithdrew({ candidates, zone, term, clock }: RemovalOptions): Promise<void> {
  const until = clock.monotonic() + WITHDRAWAL_MS;
  while (!term.signal.aborted && clock.monotonic() < until) {
    if (!candidates.living().some((other) => isCandidateFor(other, zone))) return;
    await sleep(clock, 100, term.signal);
  }
}
