/**
 * Shared pod state: the little that neither the API server nor the backend can tell a new leader.
 * Truth stays elsewhere: desired is the API server's, actual the backend's. Losing this costs a rebuild, never a pod.
 */
import type { Term } from '../election/term.ts';
import type { Pod } from '../kube/types.ts';

/** All of it only ever grows for one UID (created once, restarted more often, ended for good), so an old record is never wrong, only short. */
export interface PodRecord {
  /** The backend's own name for the pod: it was created once. */
  readonly handle?: string;
  /** Hash of what was applied last (`ResolvedPod.hash`). */
  readonly applied?: string;
  /** Epoch of the term that wrote this. */
  readonly epoch: number;
  /** A create was about to be sent: the backend may have the pod, now or soon. */
  readonly intended?: true;
  /** Tries in a row that the backend did not take, and the wall time of the last: the successor goes on with its back-off. */
  readonly failures?: number;
  readonly failedAtMs?: number;
  /** What was published last, or would have been had the API server answered. */
  readonly published?: PublishedFacts;
}

/** Of a status, what must never go back. */
export interface PublishedFacts {
  /** Restart counts above 0, by the name of the container, init containers too. */
  readonly restarts?: Readonly<Record<string, number>>;
  /** Set once the pod has ended, and then for good. */
  readonly ended?: {
    readonly phase: 'Succeeded' | 'Failed';
    readonly reason?: string;
    readonly message?: string;
    /** By the name of the container. */
    readonly containers: Readonly<Record<string, EndedContainer>>;
  };
}

export interface EndedContainer {
  readonly exitCode: number;
  readonly reason?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
}

/** The state of one zone, in this replica. */
export interface StateStore {
  /** Keeps what a standby needs at hand until the signal aborts. Never throws: a store that is away is waited for. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Puts the store in the hands of a term: raises its fence, then makes sure that all is read that predecessors wrote.
   * A store that is away is not waited for; it is caught up with when it is back. When a higher epoch stands there the
   * term is lost (`Term.lose`), now or whenever it is found out.
   */
  begin(term: Term): Promise<TermState>;
  /** The zone is taken away, after its last term state was disposed: so is what is kept of it, if the store is there. Never throws. */
  clear(term: Term): Promise<void>;
}

/**
 * For one term. Dispose it at the term's end: what was kept last is written, if that is quick.
 * Nothing here throws, and nothing here waits for longer than a fraction of a second: the pods come first.
 */
export interface TermState extends AsyncDisposable {
  /** What is known of the pod; undefined when nothing is. */
  read(pod: Pod): PodRecord | undefined;
  /**
   * Keeps the record: in the background, the latest of each pod. `metadata` of the pod that the caller may send along
   * with a status patch that it sends anyway, where that is how it is kept; undefined when there is nothing to send.
   */
  keep(pod: Pod, record: PodRecord): Riding | undefined;
  /** Before a create. `gone`: this UID was removed from the backend once and must never come back. */
  intend(uid: string): Promise<'go' | 'gone'>;
  /** It is decided for good that this UID ends. */
  bury(uid: string): void;
  /** The UID is out of API and backend. */
  forget(uid: string): void;
  /**
   * The caller knows all pods of API and backend, these: what is not known of them is kept (`record`, of what the backend
   * has), and records of others are dropped.
   */
  complete(known: Iterable<{ readonly uid: string; readonly record?: PodRecord | undefined }>): void;
}

export interface Riding {
  readonly annotations: Readonly<Record<string, string>>;
}
