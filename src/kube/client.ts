/**
 * The verbs of the Kubernetes API on typed resources, over any transport.
 * Every call has a deadline. Failures are `ApiError`s (or the transport's own errors), told apart by `code`.
 */
import { type ErrorCode, type ErrorOptions, ZoneletError } from '../errors.ts';
import type { Resource } from './resources.ts';
import type { ApiStatus, KubeObject } from './types.ts';

/** An answer of the API server that is not a success. */
export class ApiError extends ZoneletError {
  /** HTTP status. */
  readonly status: number;
  /** The machine-readable reason of the `Status` object, such as `AlreadyExists`; empty when there was none. */
  readonly reason: string;
  readonly details: ApiStatus['details'] | undefined;

  constructor(
    code: ErrorCode,
    status: number,
    body: Pick<ApiStatus, 'message' | 'reason' | 'details'>,
    options: ErrorOptions = {},
  ) {
    super(code, body.message ?? `the API server answered ${status}`, options);
    this.status = status;
    this.reason = body.reason ?? '';
    this.details = body.details;
  }
}

export interface ObjectName {
  readonly name: string;
  /** Left out for cluster-scoped kinds. */
  readonly namespace?: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** @defaultValue 10000: well above a busy API server's worst answer, below anything a user waits for. */
  readonly timeoutMs?: number;
  /** Called at the moment of sending, after every wait; what it throws ends the request unsent. */
  readonly onSend?: () => void;
  /** `lease`: the separate connections of election and heartbeat. @defaultValue 'work' */
  readonly lane?: 'work' | 'lease';
}

export interface WriteOptions extends CallOptions {
  readonly subresource?: string;
  readonly dryRun?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Preconditions: the object is only deleted when they hold, else `Conflict`. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
}

/** A patch body and how it is to be read. Preconditions go into `metadata.uid` and `metadata.resourceVersion` of the body. */
export interface Patch {
  readonly type: 'merge' | 'json' | 'strategic';
  readonly body: unknown;
}

export interface Selection extends CallOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions extends Selection {
  /** Objects per page; the server may return fewer. */
  readonly limit?: number;
  readonly continue?: string;
  /** Left out: a consistent read. */
  readonly resourceVersion?: string;
}

export interface ListPage<T> {
  readonly items: T[];
  readonly resourceVersion: string;
  /** Set while there are more pages. */
  readonly continue?: string;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion: string;
  /** The server ends the watch after this; pick 5 to 10 minutes at random. */
  readonly timeoutSeconds?: number;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export interface KubeClient {
  get<T extends KubeObject>(of: Resource<T>, at: ObjectName, options?: CallOptions): Promise<T>;
  /** One page. */
  list<T extends KubeObject>(of: Resource<T>, options?: ListOptions): Promise<ListPage<T>>;
  create<T extends KubeObject>(of: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  /** PUT: the whole object, with its resourceVersion as precondition. */
  replace<T extends KubeObject>(of: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(of: Resource<T>, at: ObjectName, patch: Patch, options?: WriteOptions): Promise<T>;
  /** `NotFound` when it was not there; `Conflict` when a precondition did not hold. */
  delete(of: Resource<KubeObject>, at: ObjectName, options?: DeleteOptions): Promise<void>;
  /**
   * Events after `resourceVersion`, with bookmarks. Ends when the server ends it; throws `Expired` when the position is
   * too old (as HTTP status or as ERROR event), `Unavailable` when the connection broke.
   */
  watch<T extends KubeObject>(of: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}
