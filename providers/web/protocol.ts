/**
 * Web protocol v2, as both sides see it: headers, JSON bodies, statuses. README.md is its specification in words; a
 * backend in another language needs that page only.
 */
import type { ErrorCode } from '../../src/errors.ts';
import type {
  BackendPod,
  Capabilities,
  CreateOutcome,
  Fence,
  PodObservation,
  PodStats,
  Unsupported,
  WatchEvent,
  ZoneReport,
} from '../../src/provider/contract.ts';

/** Whose objects; on every request but those for the zone itself. */
export const OWNER_HEADER = 'zonelet-owner';
export const ZONE_HEADER = 'zonelet-zone';
/** On every mutation, besides the two above. */
export const EPOCH_HEADER = 'zonelet-epoch';
export const HOLDER_HEADER = 'zonelet-holder';
/** Milliseconds that the caller waits, counted from when it sent the request. */
export const DEADLINE_HEADER = 'zonelet-deadline';
/** 1 for the first try. */
export const ATTEMPT_HEADER = 'zonelet-attempt';

export const JSON_TYPE = 'application/json';
/** One JSON object a line, without end. */
export const LINES_TYPE = 'application/x-ndjson';

/** A stream is never silent for longer than this, in milliseconds: a heartbeat or a report comes in between. */
export const HEARTBEAT_INTERVAL_MS = 5000;

/** Name in `Upgrade` of a connection that carries frames, see `frames.ts`. */
export const STREAM_PROTOCOL = 'zonelet-stream';

/** Answer to a create: 201 `created`, 200 `adopted`. */
export interface CreateAnswer {
  readonly outcome: CreateOutcome;
  readonly pod: BackendPod;
}

/** Answer to an update or a get, 200. */
export interface PodAnswer {
  readonly pod: BackendPod;
}

/** Answer to a delete: 202 `stopping`, 200 `gone`. */
export type DeleteAnswer =
  | { readonly state: 'stopping'; readonly pod: BackendPod }
  | { readonly state: 'gone'; readonly last?: PodObservation };

/** Answer to `GET /v2/pods`, 200. */
export interface ListAnswer {
  readonly pods: readonly BackendPod[];
  /** False: some may be missing. */
  readonly complete: boolean;
  /** Where the next page begins; left out on the last. */
  readonly continue?: string;
}

/** Answer to `PUT /v2/claim`, 200: the fence as it is now. */
export type ClaimAnswer = Pick<Fence, 'epoch' | 'holder'>;

/** Answer to `GET /v2/capabilities`, 200. */
export interface CapabilitiesAnswer {
  readonly protocol: 2;
  readonly zone: string;
  /** What the backend is, for people. */
  readonly runtime: string;
  readonly capabilities: Capabilities;
}

/** Answer to `GET /v2/stats`, 200. */
export interface StatsAnswer {
  readonly pods: readonly PodStats[];
}

/** Payload of the last frame of a stream. `exitCode` after an exec. */
export type StreamEnd = { readonly exitCode?: number } | ErrorAnswer;

/** One line of `GET /v2/watch`. */
export type WatchLine = WatchEvent | { readonly type: 'heartbeat' };

/** Answer to `GET /v2/zone`, and one line of `GET /v2/zone?watch=true`. */
export type ZoneLine = ZoneReport;

/** Body of `PUT /v2/zone`: what an operator says of the zone. `Up` leaves the word to the backend. */
export interface ZoneSwitch {
  readonly state: 'Up' | 'NoNew' | 'Down';
  /** For people. */
  readonly reason: string;
}

/** The body of every answer that is no success. */
export interface ErrorAnswer {
  readonly error: {
    readonly code: ErrorCode;
    /** For people. Never decides anything. */
    readonly message: string;
    readonly retryAfterMs?: number;
    /** With `Fenced`: the fence that refused it. */
    readonly current?: Pick<Fence, 'epoch' | 'holder'>;
    /** With `Unsupported`: each field that cannot be honoured. */
    readonly unsupported?: readonly Unsupported[];
  };
}

/** The status that goes with each code. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  InvalidInput: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 409,
  Expired: 410,
  Fenced: 412,
  Unsupported: 422,
  Throttled: 429,
  Internal: 500,
  Ambiguous: 500,
  Aborted: 503,
  Unavailable: 503,
  NoCapacity: 507,
};

/** Header values are visible ASCII; everything else is percent-encoded UTF-8. */
export function headerValue(text: string): string {
  return encodeURI(text);
}

/** `undefined` when it was not encoded so. */
export function readHeaderValue(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}
