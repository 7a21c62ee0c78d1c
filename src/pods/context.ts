/** What every part of the pod controller works with, for one term of one zone. */
import type { Clock, Random } from '../clock.ts';
import type { Term } from '../election/term.ts';
import type { TermClient } from '../fence/term-client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { Informer } from '../kube/informer.ts';
import type { Node, Pod } from '../kube/types.ts';
import type { WorkQueue } from '../kube/work-queue.ts';
import type { Logger } from '../log.ts';
import type { PodMetrics } from '../metrics/pods.ts';
import type { Resources } from '../provider/contract.ts';
import type { GuardedProvider } from '../provider/guard.ts';
import type { TermProvider } from '../provider/term-provider.ts';
import type { TermState } from '../state/contract.ts';
import type { Accounting } from './accounting.ts';
import type { Admission } from './admission.ts';
import type { HostPolicy } from './host-policy.ts';
import { isTerminalPhase } from './phase.ts';
import type { References } from './resolve/references.ts';
import type { ServiceLinks } from './resolve/service-links.ts';
import type { ServiceAccountTokens } from './resolve/tokens.ts';
import { isNewer, type TrackedPod } from './tracked-pod.ts';
import type { VolumeRefresh } from './volume-refresh.ts';

export interface PodControllerOptions {
  readonly zone: string;
  readonly nodeName: string;
  readonly term: Term;
  /** `<UID of the namespace kube-system>/<set>`. */
  readonly owner: string;
  /** Pods of this node; kept warm from term to term. */
  readonly informer: Informer<Pod>;
  readonly client: KubeClient;
  /** What is written to the API server goes through this. */
  readonly writes: TermClient;
  /** Of this zone; mutations go through its term. */
  readonly provider: GuardedProvider;
  /** The shared pod state, in the hands of this term. */
  readonly state: TermState;
  readonly events: EventRecorder;
  /** What containers are told of Services. */
  readonly services: ServiceLinks;
  /** What the zone's Node has to give, as the limit of containers that have none. */
  readonly allocatable: () => Resources;
  /** A new one for each term; keys are pod UIDs. */
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: PodMetrics;
  readonly log: Logger;
  /** Address of the node, for pods whose backend names no host. */
  readonly hostIP?: string;
  /** The zone's Node as it is known, for the admission of pods that no scheduler has fitted in. @defaultValue every pod is admitted */
  readonly node?: () => Node | undefined;
  /** What pods may have of the hosts behind the backend. @defaultValue nothing */
  readonly hostPolicy?: HostPolicy;
  /** Whether the node says of itself that it is not Ready. @defaultValue it is */
  readonly nodeReadiness?: NodeReadiness;
  /** Pods worked on at once. @defaultValue 32: it keeps an API server of two cores busy and does not swamp it. */
  readonly workers?: number;
  /** Time for what is under way when the term is to end, in milliseconds. @defaultValue 300: a hand-over has to stay below half a second. */
  readonly windDownMs?: number;
  /** Told of each phase of the take-over as it ends, in this order, unless the term ends first. */
  readonly onPhase?: (phase: TakeOverPhase) => void;
  /** Told once when every pod of the zone is known: the backend's complete list was merged with the API's. */
  readonly onTakenOver?: (summary: TakeOver) => void;
}

export interface NodeReadiness {
  notReady(): { readonly reason: string; readonly message: string } | undefined;
  /** Calls back when the answer changes. Returns its removal. */
  subscribe(callback: () => void): () => void;
}

/**
 * `freshness`: the pod cache is as fresh as a consistent read. `list`: the backend was listed, or did not answer.
 * `resolve`: API, backend and state are one picture, in which it is settled what is to be done for each pod. `publish`:
 * every pod was looked at once, and what differed was sent.
 */
export type TakeOverPhase = 'freshness' | 'list' | 'resolve' | 'publish';

export interface TakeOver {
  /** Pods that ran on already and were taken over as they were. */
  readonly adopted: number;
  /** Pods of the node in the API. */
  readonly pods: number;
  /** Pods on the backend that the API does not know; they are removed later, after a second look. */
  readonly orphans: number;
  readonly durationMs: number;
}

export interface PodContext extends PodControllerOptions {
  readonly mutations: TermProvider;
  readonly references: References;
  readonly tokens: ServiceAccountTokens;
  readonly volumes: VolumeRefresh;
  readonly accounting: Accounting;
  readonly admission: Admission;
  /** By UID. */
  readonly pods: Map<string, TrackedPod>;
  /** Ends all work of the controller: the term's own signal, or the end of an orderly wind-down. */
  readonly signal: AbortSignal;
  /** Rises with everything that is learnt from the backend. */
  tick(): number;
  enqueue(tracked: TrackedPod): void;
}

/** The pod as freshly as it is known; undefined when the API has no pod of this UID any more, as far as the cache shows. */
export function apiPod(context: Pick<PodContext, 'informer'>, tracked: TrackedPod): Pod | undefined {
  const { namespace, name, uid } = tracked.ref;
  const cached = context.informer.get(`${namespace}/${name}`);
  if (cached?.metadata?.uid !== uid) return undefined;
  const { fresh } = tracked;
  if (fresh === undefined) return cached;
  if (isNewer(fresh.metadata?.resourceVersion, cached.metadata?.resourceVersion)) return fresh;
  tracked.fresh = undefined;
  return cached;
}

/** Keeps the books of a pod as it is now: what it is run for, and the room that it holds. */
export function bookPod(context: Pick<PodContext, 'accounting' | 'admission'>, uid: string, pod: Pod): void {
  context.accounting.book(uid, pod);
  if (isTerminalPhase(pod.status?.phase)) context.admission.release(uid);
}

/** Keeps the answer of a write or a live read until the cache is as fresh. */
export function rememberFresh(tracked: TrackedPod, pod: Pod): void {
  const { managedFields: _dropped, ...metadata } = pod.metadata ?? {};
  tracked.fresh = { ...pod, apiVersion: 'v1', kind: 'Pod', metadata };
}

/** The pod for an Event: items of a list carry neither apiVersion nor kind. */
export function eventSubject(pod: Pod): Pod {
  return pod.kind === 'Pod' && pod.apiVersion !== undefined ? pod : { ...pod, apiVersion: 'v1', kind: 'Pod' };
}
