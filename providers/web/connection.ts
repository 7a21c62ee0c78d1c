/**
 * Keep-alive connections to one backend and what it wants to see of us. Files are read when first needed and again when
 * they may have changed, so that tokens and certificates can be replaced while a replica runs.
 */
import { readFile } from 'node:fs/promises';
import { Agent } from 'undici';
import type { Clock } from '../../src/clock.ts';
import { messageOf, ZoneletError } from '../../src/errors.ts';
import type { WebOptions } from './options.ts';

export interface Connection extends AsyncDisposable {
  /** Throws `Unavailable` when a file cannot be read. */
  use(): Promise<{
    readonly agent: Agent;
    readonly headers: Readonly<Record<string, string>>;
    /** For connections beside the agent's. */
    readonly tls: TlsFiles;
  }>;
  /** What was shown was refused: read the files again before the next request. */
  refused(): void;
}

/** So long what was read from files is believed, in milliseconds. */
const REREAD_MS = 10_000;
/** To open a connection, in milliseconds; a call's own deadline may be shorter. */
const CONNECT_TIMEOUT_MS = 5000;
/** Idle connections are closed by us before the backend may, so that none dies under a mutation. */
const IDLE_MS = 60_000;

export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

interface Files {
  readonly token: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export function createConnection(options: WebOptions, clock: Clock): Connection {
  let files: Files | undefined;
  let readAt = 0;
  let reading: Promise<void> | undefined;
  let agent: Agent | undefined;
  let closed = false;

  async function refresh(): Promise<void> {
    const [token, ca, cert, key] = await Promise.all(
      [options.tokenFile, options.caFile, options.certFile, options.keyFile].map(readText),
    );
    const next: Files = { token: token?.trim(), ca, cert, key };
    if (agent === undefined || next.ca !== files?.ca || next.cert !== files?.cert || next.key !== files?.key) {
      // Requests on their way end on the connections that they have.
      agent?.close().catch(() => {});
      agent = new Agent({
        keepAliveTimeout: IDLE_MS,
        keepAliveMaxTimeout: IDLE_MS,
        connect: {
          timeout: CONNECT_TIMEOUT_MS,
          ...tlsOf(next),
        },
        // Streams are held to the heartbeat, calls to their deadline.
        bodyTimeout: 0,
        headersTimeout: 0,
      });
    }
    files = next;
    readAt = clock.monotonic();
  }

  return {
    async use() {
      if (closed) throw new ZoneletError('Unavailable', 'the provider is closed');
      if (agent === undefined || clock.monotonic() - readAt >= REREAD_MS) {
        reading ??= refresh().finally(() => {
          reading = undefined;
        });
        await reading;
      }
      if (agent === undefined || closed) throw new ZoneletError('Unavailable', 'the provider is closed');
      const token = files?.token;
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return { agent, headers, tls: files === undefined ? {} : tlsOf(files) };
    },
    refused() {
      readAt = Number.NEGATIVE_INFINITY;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await agent?.destroy();
    },
  };
}

function tlsOf({ ca, cert, key }: Files): TlsFiles {
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) };
}

async function readText(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ZoneletError('Unavailable', `cannot read a file for the backend: ${messageOf(error)}`, { cause: error });
  }
}
