/** The reference server of the web protocol: one zone's backend behind HTTP. */
import { mkdirSync, realpathSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, isIPv6, type Socket } from 'node:net';
import type { Clock, Random } from '../../../src/clock.ts';
import { codeOf, messageOf, ZoneletError } from '../../../src/errors.ts';
import { holdPath } from '../../../src/exclusive-path.ts';
import type { Logger } from '../../../src/log.ts';
import type { Resources } from '../../../src/provider/contract.ts';
import { createAccess, isLoopback } from './access.ts';
import { answer, answerError } from './answer.ts';
import { Backend } from './backend.ts';
import { createJournal, NO_JOURNAL } from './journal.ts';
import { route } from './routes.ts';
import { createRuntime, type RuntimeOptions } from './runtimes.ts';
import { openStore } from './store.ts';
import { serveUpgrade } from './upgrades.ts';

export interface BackendServerOptions {
  readonly zone: string;
  /** Address to listen on. Without `access` only a loopback one is allowed. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly runtime: RuntimeOptions;
  /** Folder for everything that must outlive the process. Made when it is not there; one backend at a time. */
  readonly dataFolder: string;
  /** Gets a line for each mutation that is asked for. @defaultValue none is kept */
  readonly journalFile?: string;
  /** What the zone reports as its size; stands in for the runtime's own, resource by resource. */
  readonly capacity?: Resources;
  readonly access?: {
    /** Holds the bearer token that callers must show. */
    readonly tokenFile?: string;
    /** Serve HTTPS with this certificate (PEM). */
    readonly tls?: { readonly cert: string; readonly key: string };
    /** Callers may show a certificate of this CA (PEM) instead. Needs `tls`. */
    readonly clientCa?: string;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface BackendServer extends AsyncDisposable {
  /** `http://127.0.0.1:7101` */
  readonly url: string;
  readonly port: number;
  readonly backend: Backend;
  /** Rejects when the server fails by itself. Never resolves. */
  readonly failed: Promise<never>;
}

/** No header takes longer, no request but a stream takes longer; in milliseconds. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than a caller keeps an idle connection, so that none is closed just as it is used. */
const KEEP_ALIVE_MS = 75_000;
const MAX_CONNECTIONS = 4096;

/** Listens once everything that was kept is taken up again. Throws `InvalidInput` for options that do not go together. */
export async function startBackendServer(options: BackendServerOptions): Promise<BackendServer> {
  const { zone, host, clock, random, log, dataFolder } = options;
  const { tokenFile, tls, clientCa } = options.access ?? {};
  if (clientCa !== undefined && tls === undefined) {
    throw new ZoneletError('InvalidInput', 'client certificates need a server certificate and its key');
  }
  if (tokenFile === undefined && clientCa === undefined && !isLoopback(host)) {
    throw new ZoneletError(
      'InvalidInput',
      `${host} can be reached by others: it needs a token or a client CA; without them only a loopback address is allowed`,
    );
  }
  const access = createAccess({
    ...(tokenFile === undefined ? {} : { tokenFile }),
    clientCertificates: clientCa !== undefined,
    clock,
  });
  if (tls === undefined && !isLoopback(host)) {
    log.warn({ host }, 'listening without TLS: the token and all that pods are given can be read on the way');
  }
  await using parts = new AsyncDisposableStack();
  // For this user only: environments may hold secret values.
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const realFolder = realpathSync(dataFolder);
  parts.use(await holdPath('backend', realFolder, `another backend works in ${realFolder}`));
  const store = parts.use(openStore({ folder: dataFolder, zone, runtime: options.runtime.kind }));
  const runtime = parts.use(createRuntime(options.runtime, { zone, clock, random, log, dataFolder }));
  const capacity = { ...runtime.capacity, ...options.capacity };
  const journal = options.journalFile === undefined ? NO_JOURNAL : createJournal(options.journalFile);
  const backend = new Backend({ zone, clock, random, runtime, store, journal, capacity });
  parts.defer(() => backend.leave());

  const stop = new AbortController();
  const instance = random.uuid();
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      // For whoever supervises the process: says nothing that a connection does not say already.
      if (request.url === '/healthz') return answer(response, 200, { status: 'ok' });
      access.check(request);
      const signal = AbortSignal.any([stop.signal, gone.signal]);
      await route(request, response, { backend, clock, instance, signal });
      if (!response.writableEnded) response.destroy();
    } catch (error) {
      if (codeOf(error) === 'Internal') {
        log.error({ error: messageOf(error), method: request.method }, 'a request failed in the backend');
      }
      answerError(response, error);
    }
  };
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // The command of an exec is in the request line.
    maxHeaderSize: 64 * 1024,
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => void handle(request, response);
  const server: Server =
    tls === undefined
      ? createHttpServer(limits, listener)
      : createHttpsServer(
          {
            ...limits,
            ...tls,
            minVersion: 'TLSv1.2',
            // With a token as well, a caller without a certificate must get as far as showing it.
            ...(clientCa === undefined
              ? {}
              : { ca: clientCa, requestCert: true, rejectUnauthorized: tokenFile === undefined }),
          },
          listener,
        );
  server.on('upgrade', (request, socket, head) => {
    const admit = (asked: IncomingMessage): void => access.check(asked);
    void serveUpgrade(request, socket as Socket, head, { backend, clock, admit, stop: stop.signal });
  });
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listen(server, host.replace(/^\[|\]$/g, ''), options.port);
  const failed = new Promise<never>((_, reject) => server.once('error', reject));
  failed.catch(() => {});
  parts.defer(async () => {
    stop.abort();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  });
  const owned = parts.move();
  const shown = isIPv6(host) ? `[${host}]` : host;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${shown}:${port}`,
    port,
    backend,
    failed,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void =>
      reject(new ZoneletError('InvalidInput', `cannot listen on ${host}:${port}: ${error.message}`, { cause: error }));
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
