/**
 * The provider contract: what Zonelet asks of a backend. These comments are its specification, and
 * `conformance/` holds every provider to them.
 *
 * Words: a *backend* really runs a zone's pods; a *provider* is the adapter to one kind of backend, one instance per
 * zone and replica; an *observation* is what the provider last saw of a pod there.
 *
 * General rules
 * - Everything is keyed by pod UID. What the backend keeps of a pod names its owner, zone, namespace, name and UID, so
 *   that `list` after a restart of everything finds it again; a provider needs no state of its own.
 * - Reads are three-valued: found, absent (definite), unknown (an error is thrown). Unknown never means absent.
 * - Errors are `ZoneletError`s with the codes of `src/errors.ts`; anything else counts as `Internal`. A mutation whose
 *   outcome is not known throws `Ambiguous`. A mutation refused for its epoch throws `Fenced`.
 * - A provider never reads the Kubernetes API: it gets the pod with everything resolved.
 * - A provider reads no clock but the one it is given, and settles every promise within the operation's deadline.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Random } from '../clock.ts';
import type { ContainerState, Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { ResolvedPod, VolumeContent } from './resolved-pod.ts';
import type { ExecOptions, ExecResult, PodStats, StandardStreams } from './streams.ts';

export type * from './resolved-pod.ts';
export type * from './streams.ts';

/** Identity of a pod. The UID decides; the names are for people. */
export interface PodRef {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** On whose word something is done. The backend compares (epoch, holder). */
export interface Fence {
  /** `<UID of the namespace kube-system>/<set>`: whose objects these are. */
  readonly owner: string;
  readonly zone: string;
  readonly epoch: number;
  readonly holder: string;
}

/** What comes with every mutation. */
export interface Operation extends Fence {
  /** Aborts when the term is lost or the deadline has passed; the provider then stops waiting and sends nothing more. */
  readonly signal: AbortSignal;
  /** The deadline, in milliseconds from now; never more than what is left of the term. */
  readonly timeoutMs: number;
  /** 1 for the first try. */
  readonly attempt: number;
}

export interface ReadOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** What the provider last saw of one container. */
export interface ContainerObservation {
  readonly name: string;
  readonly state: ContainerState;
  /** The state before the last restart, once there was one. */
  readonly lastState?: ContainerState;
  /** Restarts so far; never falls. */
  readonly restartCount: number;
  /** Whether the backend holds it for ready. Left out: a running container is ready. */
  readonly ready?: boolean;
  /** Whether its startup probe has succeeded and its postStart hook has ended. Left out: a running container has started. */
  readonly started?: boolean;
  readonly image?: string;
  readonly imageID?: string;
  /** `<runtime>://<id>`. */
  readonly containerID?: string;
}

/** Something that happened to a pod on its backend and that people are told as an Event about it. */
export interface PodHappening {
  /** Rises with each of this pod, also over a restart of the backend: a leader tells only what it has not seen. */
  readonly number: number;
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, a kubelet's where it has one: `Unhealthy`, `Killing`, `FailedPostStartHook`. */
  readonly reason: string;
  /** For people; never a secret. */
  readonly message: string;
}

export interface PodObservation {
  /** False: the backend knows the pod and cannot see it now. Its state stays as it was, it is only not ready. */
  readonly reachable: boolean;
  readonly containers: readonly ContainerObservation[];
  readonly podIPs: readonly string[];
  readonly hostIP?: string;
  /** RFC 3339; when the backend took the pod on. */
  readonly startTime?: string;
  /** Set when the backend itself ended or refused the pod as a whole (evicted, no capacity): becomes the pod's reason and message. */
  readonly reason?: string;
  readonly message?: string;
  /** The pod as a whole failed or succeeded whatever its containers say. */
  readonly phase?: 'Failed' | 'Succeeded';
  /** The last few, oldest first. */
  readonly events?: readonly PodHappening[];
}

/** A pod as the backend has it. */
export interface BackendPod {
  readonly ref: PodRef;
  readonly owner: string;
  readonly zone: string;
  /** The epoch that last wrote it. */
  readonly epoch: number;
  /** Hash of what was applied last. */
  readonly hash: string;
  /** The backend's own name for it. */
  readonly handle: string;
  readonly observation: PodObservation;
  /** `delete` was asked and its containers are being stopped or have been. */
  readonly deleting: boolean;
}

export type CreateOutcome = 'created' | 'adopted';

export type DeleteResult =
  /** Containers are still running; the watch tells when they have ended. */
  | { readonly state: 'stopping'; readonly pod: BackendPod }
  /** The backend has nothing of this UID any more (or never had). `last` is what it knew when it removed it. */
  | { readonly state: 'gone'; readonly last?: PodObservation };

export type WatchEvent =
  /** A full snapshot follows, up to `sync-end`. Sent first, and again whenever something may have been missed. */
  | { readonly type: 'sync-start' }
  | { readonly type: 'pod'; readonly pod: BackendPod }
  | {
      readonly type: 'gone';
      readonly ref: PodRef;
      readonly last?: PodObservation;
    }
  /** `complete: false`: the snapshot may lack pods, nothing is to be concluded from an absence. */
  | { readonly type: 'sync-end'; readonly complete: boolean };

export type ZoneState =
  /** Takes pods. */
  | 'Up'
  /** Runs what it has and takes no new pods. */
  | 'NoNew'
  /** The backend itself says that its pods are lost or cannot be reached. */
  | 'Down'
  /** The provider cannot tell. */
  | 'Unknown';

/** Quantities by resource name (`cpu`, `memory`, `pods`, `ephemeral-storage`, extended ones). */
export type Resources = Readonly<Record<string, string>>;

export interface ZoneReport {
  readonly state: ZoneState;
  readonly capacity?: Resources;
  readonly allocatable?: Resources;
  /** The largest pod that would fit now. */
  readonly largestPod?: Resources;
  /** What was asked and what it answered, for people. */
  readonly evidence: string;
}

export interface Capabilities {
  /** `epoch`: the backend refuses a stale (epoch, holder). `none`: it cannot, and operators are told. */
  readonly fence: 'epoch' | 'none';
  /** Who restarts containers by `restartPolicy`. */
  readonly restarts: 'backend' | 'none';
  /** Each of these says whether the method of that name is there and served. */
  readonly logs: boolean;
  readonly exec: boolean;
  readonly attach: boolean;
  readonly portForward: boolean;
  readonly stats: boolean;
  readonly initContainers: boolean;
  readonly probes: boolean;
  readonly lifecycleHooks: boolean;
  /** Volume kinds that pods may mount, by their field name in the API, such as `emptyDir`. */
  readonly volumes: readonly string[];
  /**
   * Whether containers can be given the ServiceAccount tokens of `projected` volumes. False: no token is requested, and the
   * `kube-api-access-*` volume is not resolved. @defaultValue true where `volumes` has `projected`
   */
  readonly serviceAccountTokens?: boolean;
  /**
   * Whether the backend puts a pod's addresses where `ResolvedPod.podIPMarkers` says, once it has given them and before it
   * starts a container. @defaultValue false: a pod whose environment asks for them is refused
   */
  readonly podIPsInEnvironment?: boolean;
  /** Fields that `update` applies in place, as JSON paths of the spec, such as `containers[*].image`. */
  readonly update: readonly string[];
}

/** Why a pod cannot be run: one entry per offending field. */
export interface Unsupported {
  /** JSON path, such as `spec.containers[0].readinessProbe`. */
  readonly path: string;
  readonly reason: string;
}

export interface LogOptions {
  readonly follow: boolean;
  /** The container before the last restart. `NotFound` when there was none. */
  readonly previous: boolean;
  /** Every line begins with its RFC 3339 time (nanoseconds) and a space. */
  readonly timestamps: boolean;
  /** Lines from the end; 0 means none. Left out: all. */
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Only lines at or after this time, milliseconds since the epoch. */
  readonly sinceTimeMs?: number;
}

export interface Provider extends AsyncDisposable {
  readonly kind: string;
  readonly zone: string;
  /**
   * What pods may use here. One that has to ask its backend first says little until it knows, and knows by the end of its
   * first mutation: read it when it is needed, and keep no copy. `fence` never changes.
   */
  readonly capabilities: Capabilities;
  /** Every field that the backend cannot honour. Pure, synchronous, before any side effect; nothing is silently ignored. */
  validate(pod: Pod): readonly Unsupported[];
  /**
   * Raises the backend's fence to (epoch, holder) and persists it: from then on a lower epoch, or an equal one of
   * another holder, is refused with `Fenced`. Claiming again the same is no error. Required where `fence` is `epoch`.
   * No read ever raises it.
   */
  claim?(operation: Operation): Promise<void>;
  /**
   * Create-or-adopt, idempotent by UID alone. A pod that is there is adopted as it is, whatever its hash. A backend that can
   * remember what it was told to delete refuses to create that again (`Conflict`): such a create was long on its way. One
   * that cannot has the pod removed as an orphan later.
   */
  create(pod: ResolvedPod, operation: Operation): Promise<{ outcome: CreateOutcome; pod: BackendPod }>;
  /** Applies what may change in place. `NotFound` when the UID is absent. */
  update(pod: ResolvedPod, operation: Operation): Promise<BackendPod>;
  /**
   * Replaces all that is in these volumes of a pod, at once for whoever reads them. Left out: they keep what they had at
   * the start. Contents that are the same already are no change; volumes that are not named stay as they are.
   * `NotFound` when the UID is absent.
   */
  refreshVolumes?(ref: PodRef, volumes: Readonly<Record<string, VolumeContent>>, operation: Operation): Promise<void>;
  /**
   * Stops the pod's containers, with `gracePeriodSeconds` between the asking and the killing (0: kill at once), and
   * removes the pod once none is running. While any runs: `stopping`. A pod that is stopped stays visible, with its
   * exit codes, until `delete` is called again: that call removes it and answers `gone`. A shorter grace than before
   * shortens it. An absent UID is `gone`, never an error.
   */
  delete(ref: PodRef, options: { readonly gracePeriodSeconds: number }, operation: Operation): Promise<DeleteResult>;
  /** `undefined` only when the backend definitely has no such UID of this owner. */
  get(owner: string, ref: PodRef, options: ReadOptions): Promise<BackendPod | undefined>;
  /** Everything of this owner in this zone. An incomplete list must say so. */
  list(
    owner: string,
    options: ReadOptions,
  ): Promise<{
    readonly pods: readonly BackendPod[];
    readonly complete: boolean;
  }>;
  /** Level-triggered: each event carries the whole observation. Never ends before the signal aborts; reconnects by itself, beginning again with `sync-start`. */
  watch(owner: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** The zone's health and size: at once, at every change, and at least every 10 s. Never ends before the signal aborts and never throws: what it cannot tell is `Unknown`. */
  zoneReports(signal: AbortSignal): AsyncIterable<ZoneReport>;
  /** A container's output. `NotFound` for an unknown pod or container. The stream ends with the container, or without `follow` at the end of what there is. */
  logs?(
    owner: string,
    ref: PodRef,
    container: string,
    options: LogOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Runs a command in a running container and resolves when it has ended and all its output was written. `NotFound` for
   * an unknown pod or container, `Conflict` for a container that is not running. When the signal aborts, the client is
   * gone: the connection is let go, and the process with it where the backend can end it.
   */
  exec?(
    owner: string,
    ref: PodRef,
    container: string,
    options: ExecOptions,
    streams: StandardStreams,
    signal: AbortSignal,
  ): Promise<ExecResult>;
  /** Connects to the container's own process, from now on. Resolves when the container has ended. Errors as for `exec`. */
  attach?(owner: string, ref: PodRef, container: string, streams: StandardStreams, signal: AbortSignal): Promise<void>;
  /**
   * A connection to a TCP port as it is seen from inside the pod (loopback included). Each end can be closed by itself.
   * `NotFound` for an unknown pod, `Conflict` for one that is not running, `Unavailable` where nothing listens.
   */
  portForward?(owner: string, ref: PodRef, port: number, signal: AbortSignal): Promise<Duplex>;
  /** Usage of every pod of this owner that the backend can tell of. */
  stats?(owner: string, options: ReadOptions): Promise<readonly PodStats[]>;
}

/** What a provider is made with. */
export interface ProviderContext {
  readonly set: string;
  readonly zone: string;
  readonly region: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** What a provider's module exports as `provider`: how its options are checked and how it is made. */
export interface ProviderModule<Options = unknown> {
  readonly kind: string;
  /** `CONTRACT_VERSION` of the contract that it was written against. Demanded of a module from outside this project. */
  readonly contract?: number;
  /** Checks the configuration's `provider` object, `kind` included. All problems at once, each with the path inside that object. */
  parseOptions(raw: unknown):
    | { readonly ok: true; readonly options: Options }
    | {
        readonly ok: false;
        readonly problems: readonly {
          readonly path: readonly (string | number)[];
          readonly message: string;
        }[];
      };
  /** No side effect before the first call; a backend that is not there shows in `zoneReports`. */
  create(options: Options, context: ProviderContext): Provider;
}
