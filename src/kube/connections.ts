/** The connections to one API server under one identity: shared and kept alive, apart for what must not wait for others. */
import { Agent } from 'undici';
import type { Identity } from './identity.ts';

export interface Connections {
  /** Requests: many, over few connections. */
  readonly work: Agent;
  /** Watches: each holds a connection for minutes. */
  readonly streams: Agent;
  /** Election and heartbeats. */
  readonly lease: Agent;
  /** Takes no new requests and ends once those under way have ended. */
  close(): Promise<void>;
  /** Ends everything at once. */
  destroy(): Promise<void>;
}

/** Enough to keep an API server busy; more only make its answers wait for one another. */
const WORK_CONNECTIONS = 32;
/** Below the 90 s after which an API server, and the 60 s after which some balancers, close an idle connection. */
const KEEP_ALIVE_MS = 45_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** Two identities with the same key can share connections: tokens are not part of a connection. */
export function connectionKey({ ca, cert, key, insecureSkipTlsVerify, tlsServerName }: Identity): string {
  return JSON.stringify([ca, cert, key, insecureSkipTlsVerify, tlsServerName]);
}

export function openConnections(identity: Identity): Connections {
  const { ca, cert, key, insecureSkipTlsVerify, tlsServerName } = identity;
  const create = (connections: number | null): Agent =>
    new Agent({
      connections,
      // One request at a time on a connection: none waits behind a slow one, and HTTP/2 would put all on one.
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // Every request has a deadline of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        rejectUnauthorized: !(insecureSkipTlsVerify ?? false),
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
      },
    });
  const work = create(WORK_CONNECTIONS);
  const streams = create(null);
  const lease = create(null);
  const all = [work, streams, lease];
  return {
    work,
    streams,
    lease,
    async close() {
      await Promise.allSettled(all.map((agent) => agent.close()));
    },
    async destroy() {
      await Promise.allSettled(all.map((agent) => agent.destroy()));
    },
  };
}
