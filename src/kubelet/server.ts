/**
 * The kubelet API of one virtual node: an HTTPS listener that the API server dials for `kubectl logs`,
 * `exec` and the like, and metrics-server for `kubectl top`.
 * Every replica has one per zone; a zone's Node names that of its leader. Nothing is served before the caller was
 * authenticated and authorized, and what is not offered says so: 404, 405 or 501, never an empty success.
 */

import { constants } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { KubeletMetrics } from '../metrics/kubelet.ts';
import { answer } from './answer.ts';
import { verbOf } from './attributes.ts';
import type { KubeletAuth } from './auth.ts';
import type { ClientCa } from './client-ca.ts';
import type { LogSource } from './container-logs.ts';
import { createLogStreams } from './log-streams.ts';
import { createNodeRoutes, type NodeSource } from './node-routes.ts';
import type { Pods } from './pod-lookup.ts';
import { credentialsOf } from './request-credentials.ts';
import { parseTarget, type RequestTarget } from './request-target.ts';
import type { CertificateSource } from './serving-certificate.ts';
import { createSessions, type SessionKind, type StreamSource } from './streams/sessions.ts';

export interface KubeletServerOptions {
  readonly zone: string;
  readonly nodeName: string;
  /** Port 0 picks a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** The caller runs it. */
  readonly certificate: Pick<CertificateSource, 'current' | 'subscribe'>;
  /** Whose client certificates are believed. The caller runs it. */
  readonly clientCa: Pick<ClientCa, 'bundle' | 'subscribe'>;
  readonly auth: KubeletAuth;
  /** The pods bound to this node. */
  readonly pods: Pods;
  readonly logs: LogSource;
  readonly streams: StreamSource;
  readonly node: NodeSource;
  readonly metrics: KubeletMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** Log streams open at once; more are answered 429. @defaultValue 256: each holds a connection to the client and one to the backend. */
  readonly maxStreams?: number;
  /** Sessions of exec, attach and port-forward open at once; more are answered 429. @defaultValue 1024 */
  readonly maxSessions?: number;
  /** For the TLS handshake and for the headers each, in milliseconds. @defaultValue 10000: whoever is slower holds a connection for nothing. */
  readonly slowClientMs?: number;
}

export interface KubeletServer extends AsyncDisposable {
  /** The port that it listens on. */
  readonly port: number;
}

/** Request line and headers together: commands come in the request line, and a script of 16 KB is no rarity. */
const MAX_HEADER_BYTES = 64 * 1024;
/** As the kubelet's. */
const KEEP_ALIVE_MS = 90_000;
const MAX_CONNECTIONS = 2048;
const MAX_HEADERS = 100;
/** All with forward secrecy and authenticated encryption, the list of the CIS benchmark for kubelets. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/** Paths of the kubelet API that are not offered. */
const NOT_OFFERED = ['checkpoint', 'configz', 'cri', 'debug', 'flagz', 'logs', 'metrics', 'run', 'stats', 'statusz'];

/** Of these some paths are offered and others not. */
const SHARED = new Set(['metrics', 'stats']);

interface Route {
  readonly path: 'healthz' | 'containerLogs' | SessionKind;
  /** How many segments may follow: some paths have a form with the pod's UID. */
  readonly segments: readonly number[];
  readonly methods: readonly string[];
}

/** Beside those of `node-routes.ts`. */
const ROUTES: readonly Route[] = [
  { path: 'healthz', segments: [0], methods: ['GET'] },
  { path: 'containerLogs', segments: [3], methods: ['GET'] },
  { path: 'exec', segments: [3, 4], methods: ['GET', 'POST'] },
  { path: 'attach', segments: [3, 4], methods: ['GET', 'POST'] },
  { path: 'portForward', segments: [2, 3], methods: ['GET', 'POST'] },
];

const OFFERED: readonly string[] = ['pods', 'runningpods', ...ROUTES.map(({ path }) => path)];

export async function createKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const { zone, nodeName, certificate, clientCa, auth, metrics, clock, log } = options;
  const maxStreams = options.maxStreams ?? 256;
  const slowClientMs = options.slowClientMs ?? 10_000;
  const closing = new AbortController();
  const { pods, logs, streams: source, maxSessions } = options;
  const shared = { zone, nodeName, pods, metrics, clock, log };
  const serveLogs = createLogStreams({ ...shared, logs, maxStreams, signal: closing.signal });
  const sessions = createSessions({ ...shared, source, ...(maxSessions === undefined ? {} : { maxSessions }) });
  const nodeRoutes = createNodeRoutes({ nodeName, source: options.node, clock, log, signal: closing.signal });

  const tls = () => ({
    cert: certificate.current.certificate,
    key: certificate.current.key,
    // An empty list trusts nobody. Left out, it would be everybody with a certificate of a public CA.
    ca: clientCa.bundle === undefined ? [] : [clientCa.bundle],
    minVersion: 'TLSv1.2' as const,
    ciphers: CIPHERS,
    // No resumption: a session that was verified against an old client CA must not come back.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  });
  const server = createServer(
    {
      ...tls(),
      // Asked for and not demanded: callers with a bearer token have none.
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: slowClientMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: slowClientMs,
      requestTimeout: 2 * slowClientMs,
      connectionsCheckingInterval: slowClientMs / 2,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAlive: true,
    },
    serve,
  );
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    if (head.length > 0) socket.unshift(head);
    // Node makes none for an upgrade. It is let go of before the session begins to write.
    const response = new ServerResponse(request);
    if (socket instanceof Socket) response.assignSocket(socket);
    response.once('finish', () => socket.end());
    serve(request, response);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  server.on('tlsClientError', (error) => log.debug({ error: messageOf(error) }, 'TLS handshake failed'));

  const unsubscribeCa = clientCa.subscribe(() => {
    try {
      server.setSecureContext(tls());
      server.closeIdleConnections();
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the client CA cannot be used; the one before stays');
    }
  });
  const unsubscribeCertificate = certificate.subscribe(() => {
    try {
      // For connections to come: those that are open stay.
      server.setSecureContext(tls());
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the serving certificate cannot be used; the one before stays');
    }
  });
  const unsubscribe = (): void => {
    unsubscribeCa();
    unsubscribeCertificate();
  };

  function serve(request: IncomingMessage, response: ServerResponse): void {
    handle(request, response).catch((error: unknown) => {
      log.error({ error: messageOf(error) }, 'a kubelet API request failed');
      if (response.headersSent) response.destroy();
      else answer(response, 500, 'internal error');
    });
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = parseTarget(request.url);
    const path = knownPath(target);
    response.once('close', () => metrics.requests.inc({ zone, path, code: String(response.statusCode) }));
    if (target === undefined) return answer(response, 400, 'bad request');
    if (hasBody(request)) return answer(response, 413, 'no path of this API takes a body');
    const verb = verbOf(request.method ?? '', request.headers.upgrade !== undefined);
    if (verb === undefined) return answer(response, 405, 'method not allowed');
    const verdict = await auth.check(credentialsOf(request, clock.now()), verb, target.path);
    if (!verdict.allowed) return answer(response, verdict.status, verdict.message);
    await route(request, response, target);
  }

  async function route(request: IncomingMessage, response: ServerResponse, target: RequestTarget): Promise<void> {
    const [first = '', ...rest] = target.segments;
    const nodeRoute = nodeRoutes.get(target.path);
    const route = ROUTES.find(({ path, segments }) => path === first && segments.includes(rest.length));
    if (nodeRoute === undefined && route === undefined) {
      if (NOT_OFFERED.includes(first))
        return answer(
          response,
          501,
          `/${SHARED.has(first) ? target.segments.join('/') : first} is not supported by the virtual node ${nodeName}`,
        );
      return answer(response, 404, '404 page not found');
    }
    const methods = route?.methods ?? ['GET'];
    if (!methods.includes(request.method ?? '')) {
      response.setHeader('allow', methods.join(', '));
      return answer(response, 405, '405: Method Not Allowed');
    }
    if (nodeRoute !== undefined) return await nodeRoute(response, target);
    if (route === undefined || route.path === 'healthz') return answer(response, 200, 'ok');
    if (route.path === 'containerLogs') return await serveLogs(response, target);
    const refusal = await sessions.serve(route.path, request, target, () => response.detachSocket(request.socket));
    if (refusal === undefined) return;
    for (const [name, value] of Object.entries(refusal.headers ?? {})) response.setHeader(name, value);
    answer(response, refusal.status, refusal.message);
  }

  server.listen(options.listen.port, options.listen.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    unsubscribe();
    const { host, port } = options.listen;
    throw new ZoneletError('Unavailable', `the kubelet API cannot listen on ${host}:${port}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const { port } = server.address() as AddressInfo;
  log.info({ node: nodeName, port }, 'the kubelet API is listening');

  return {
    port,
    async [Symbol.asyncDispose]() {
      unsubscribe();
      closing.abort();
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      // They are told why; requests that are not upgraded have no word for it.
      await sessions[Symbol.asyncDispose]();
      server.closeAllConnections();
      await closed;
    },
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

/** A bounded set of label values, whatever is asked for. */
function knownPath(target: RequestTarget | undefined): string {
  const first = target?.segments[0];
  if (first === undefined) return 'other';
  return OFFERED.includes(first) || NOT_OFFERED.includes(first) ? first : 'other';
}
