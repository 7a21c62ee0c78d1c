/** What every request handler works with. */
import type { Clock, Random } from '../../clock.ts';
import type { Logger } from '../../log.ts';
import type { Admission } from './admission/admission.ts';
import type { Tokens } from './auth/tokens.ts';
import type { User } from './auth/user.ts';
import type { KubeletDialer, KubeletUpgrade } from './pod-logs.ts';
import type { Store } from './storage/store.ts';

export interface ServerContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly tokens: Tokens;
  readonly admission: Admission;
  /** Undefined: this server reaches no kubelet (it is in a simulation). */
  readonly kubelets: KubeletDialer | undefined;
}

/** A request, from a socket or from the same process. */
export interface CoreRequest {
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The query as it was sent, for options that may be repeated. */
  readonly search?: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Text, or the bytes of what is none. */
  readonly body: string | Buffer;
  /** From a client certificate; undefined: whoever the headers name. */
  readonly user?: User;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface CoreResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A whole body, or one that comes in chunks. */
  readonly body: string | AsyncIterable<Uint8Array>;
  /** Where a request to be upgraded goes; the rest is the answer to one that is not. */
  readonly upgrade?: KubeletUpgrade;
}

export function jsonResponse(status: number, json: string, warnings: readonly string[] = []): CoreResponse {
  const warning = warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ');
  return {
    status,
    headers: { 'content-type': 'application/json', ...(warning === '' ? {} : { warning }) },
    body: json,
  };
}
