/**
 * The kubelet API of one virtual node: an HTTPS listener that the API server dials for `kubectl logs` and metrics-server for `kubectl top`.
 * Every replica has one per zone; a zone's Node names that of its leader. Nothing is served before the caller was
 * authenticated and authorized, and what is not offered says so: 404, 405 or 501, never an empty success.
 */

import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { KubeletMetrics } from '../metrics/kubelet.ts';
import { verbOf } from './attributes.ts';
import type { Credentials, KubeletAuth, User } from './auth.ts';
import type { ClientCa } from './client-ca.ts';
import { type LogSource, openLogs, pour } from './container-logs.ts';
import { createNodeRoutes, type NodeSource } from './node-routes.ts';
import { parseTarget, type RequestTarget } from './request-target.ts';
import type { CertificateSource } from './serving-certificate.ts';

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
  readonly pods: (namespace: string, name: string) => Pod | undefined;
  readonly logs: LogSource;
  readonly node: NodeSource;
  readonly metrics: KubeletMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** Log streams open at once; more are answered 429. @defaultValue 256: each holds a connection to the client and one to the backend. */
  readonly maxStreams?: number;
  /** For the TLS handshake and for the headers each, in milliseconds. @defaultValue 10000: whoever is slower holds a connection for nothing. */
  readonly slowClientMs?: number;
}

export interface KubeletServer extends AsyncDisposable {
  /** The port that it listens on. */
  readonly port: number;
}

/** Request line and headers together; the longest that an API server sends is a fraction of it. */
const MAX_HEADER_BYTES = 16 * 1024;
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
const NOT_OFFERED = [
  'attach',
  'checkpoint',
  'configz',
  'cri',
  'debug',
  'exec',
  'flagz',
  'logs',
  'metrics',
  'portForward',
  'run',
  'stats',
  'statusz',
];

/** Of these some paths are offered and others not. */
const SHARED = new Set(['metrics', 'stats']);

const OFFERED = ['containerLogs', 'healthz', 'pods', 'runningpods'];

export async function createKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const { zone, nodeName, certificate, clientCa, auth, metrics, clock, log } = options;
  const maxStreams = options.maxStreams ?? 256;
  const slowClientMs = options.slowClientMs ?? 10_000;
  const closing = new AbortController();
  let streams = 0;
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
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        log.error({ error: messageOf(error) }, 'a kubelet API request failed');
        if (response.headersSent) response.destroy();
        else answer(response, 500, 'internal error');
      });
    },
  );
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
    const known =
      nodeRoute !== undefined ||
      (first === 'healthz' && rest.length === 0) ||
      (first === 'containerLogs' && rest.length === 3);
    if (!known) {
      if (NOT_OFFERED.includes(first))
        return answer(
          response,
          501,
          `/${SHARED.has(first) ? target.segments.join('/') : first} is not supported by the virtual node ${nodeName}`,
        );
      return answer(response, 404, '404 page not found');
    }
    if (request.method !== 'GET') {
      response.setHeader('allow', 'GET');
      return answer(response, 405, '405: Method Not Allowed');
    }
    if (first === 'healthz') return answer(response, 200, 'ok');
    if (nodeRoute !== undefined) return await nodeRoute(response, target);
    if (streams >= maxStreams)
      return answer(response, 429, `more than ${maxStreams} log streams of ${nodeName} are open`);
    streams++;
    metrics.streams.set({ zone }, streams);
    try {
      await serveLogs(response, target);
    } finally {
      streams--;
      metrics.streams.set({ zone }, streams);
    }
  }

  async function serveLogs(response: ServerResponse, { segments, query }: RequestTarget): Promise<void> {
    const [, namespace = '', podName = '', container = ''] = segments;
    const gone = new AbortController();
    const stop = (): void => gone.abort();
    response.once('close', stop);
    closing.signal.addEventListener('abort', stop, { once: true });
    try {
      const question = { namespace, podName, container, query };
      const opened = await openLogs(question, options.pods, options.logs, clock, gone.signal);
      if (!opened.ok) return answer(response, opened.status, opened.message);
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      // At once: a followed log may have nothing to say for hours.
      response.flushHeaders();
      await pour(opened.stream, opened.limitBytes, response, clock, gone.signal);
      if (gone.signal.aborted) response.destroy();
      else response.end();
    } catch (error) {
      // The status is out already: only a broken connection can still tell the client that this is not the end.
      if (!gone.signal.aborted) log.warn({ error: messageOf(error) }, 'a log stream broke off');
      response.destroy();
    } finally {
      response.off('close', stop);
      closing.signal.removeEventListener('abort', stop);
      gone.abort();
    }
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
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(response: ServerResponse, status: number, message: string): void {
  // A body that was sent along is not read: the connection cannot be used again.
  if (status !== 200) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  response.end(message);
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

function credentialsOf(request: IncomingMessage, nowMs: number): Credentials {
  const certified = request.socket instanceof TLSSocket ? certifiedUser(request.socket, nowMs) : undefined;
  const bearer = /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  return { ...(certified === undefined ? {} : { certified }), ...(bearer === undefined ? {} : { bearer }) };
}

/** Common name and organisations as Kubernetes reads them; undefined when the certificate does not verify. */
function certifiedUser(socket: TLSSocket, nowMs: number): User | undefined {
  if (!socket.authorized) return undefined;
  const { subject, valid_from, valid_to } = socket.getPeerCertificate();
  // The connection may outlive the certificate.
  if (!(Date.parse(valid_from) <= nowMs && nowMs <= Date.parse(valid_to))) return undefined;
  const name: unknown = subject?.CN;
  if (typeof name !== 'string' || name === '') return undefined;
  const organisations: unknown = subject.O;
  const groups = Array.isArray(organisations)
    ? organisations.map(String)
    : typeof organisations === 'string'
      ? [organisations]
      : [];
  return { name, groups: [...groups, 'system:authenticated'] };
}
