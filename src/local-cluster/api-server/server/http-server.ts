/** The core behind HTTP or HTTPS. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { messageOf, ZoneletError } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import type { User } from '../auth/user.ts';
import type { ApiServerCore } from '../core.ts';
import { internal } from '../failure.ts';
import { PROTOBUF_TYPE } from '../media-types.ts';
import type { KubeletDialer } from '../pod-logs.ts';
import { type CoreRequest, type CoreResponse, jsonResponse } from '../server-context.ts';
import type { KeyPair } from './certificate-authority.ts';

export interface HttpServerOptions {
  readonly core: ApiServerCore;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Undefined: plain HTTP, without client certificates. */
  readonly tls: { readonly serving: KeyPair; readonly clientCa: string } | undefined;
  readonly log: Logger;
  /** Whom upgrades are passed on to. @defaultValue nobody: they are refused */
  readonly kubelets?: KubeletDialer;
}

export interface ListeningServer extends AsyncDisposable {
  readonly port: number;
}

/** As `--max-request-bytes` of etcd, with room for what is around the object. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

export async function listen(options: HttpServerOptions): Promise<ListeningServer> {
  const { core, host, tls, log, kubelets } = options;
  const closing = new AbortController();
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    respond(core, incoming, outgoing, closing.signal).catch((error: unknown) => {
      log.debug({ path: incoming.url, error: messageOf(error) }, 'a connection broke off');
      outgoing.destroy();
    });
  };
  const server =
    tls === undefined
      ? createHttpServer(serve)
      : createHttpsServer(
          {
            cert: tls.serving.certificate,
            key: tls.serving.key,
            ca: tls.clientCa,
            requestCert: true,
            // Whoever has no certificate may have a token.
            rejectUnauthorized: false,
            ALPNProtocols: ['http/1.1'],
          },
          serve,
        );
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.on('error', () => {});
    if (head.length > 0) socket.unshift(head);
    const outgoing = new ServerResponse(incoming);
    if (socket instanceof Socket) outgoing.assignSocket(socket);
    outgoing.shouldKeepAlive = false;
    outgoing.once('finish', () => socket.end());
    const passOn = async (): Promise<void> => {
      const request = requestOf(incoming, '', closing.signal);
      const response = await core.handle(request);
      if (response.upgrade === undefined || kubelets === undefined)
        return await send(outgoing, response, closing.signal);
      try {
        await kubelets.upgrade(response.upgrade, incoming, () => {
          if (socket instanceof Socket) outgoing.detachSocket(socket);
        });
      } catch (error) {
        const { status } = internal(messageOf(error));
        await send(outgoing, jsonResponse(status.code, JSON.stringify(status)), closing.signal);
      }
    };
    passOn().catch(() => socket.destroy());
  });
  // Watches last for long; clients keep connections open between requests.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 120_000;
  server.listen(options.port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ZoneletError('Unavailable', `cannot listen on ${host}:${options.port}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      closing.abort();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
      await closed;
    },
  };
}

async function respond(
  core: ApiServerCore,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  const stop = (): void => gone.abort();
  outgoing.once('close', stop);
  closing.addEventListener('abort', stop, { once: true });
  try {
    const body = await readBody(incoming);
    if (body === undefined) return await send(outgoing, TOO_LARGE, gone.signal);
    await send(outgoing, await core.handle(requestOf(incoming, body, gone.signal)), gone.signal);
  } finally {
    closing.removeEventListener('abort', stop);
    gone.abort();
  }
}

const TOO_LARGE: CoreResponse = {
  status: 413,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `Request entity too large: limit is ${MAX_BODY_BYTES}`,
    reason: 'RequestEntityTooLarge',
    code: 413,
  }),
};

/** Undefined when it is too large. */
async function readBody(incoming: IncomingMessage): Promise<string | Buffer | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    const part = chunk as Buffer;
    size += part.length;
    if (size <= MAX_BODY_BYTES) parts.push(part);
  }
  if (size > MAX_BODY_BYTES) return undefined;
  const body = Buffer.concat(parts);
  return incoming.headers['content-type'] === PROTOBUF_TYPE ? body : body.toString('utf8');
}

function requestOf(incoming: IncomingMessage, body: string | Buffer, signal: AbortSignal): CoreRequest {
  const target = incoming.url ?? '/';
  const cut = target.indexOf('?');
  const user = incoming.socket instanceof TLSSocket ? certifiedUser(incoming.socket) : undefined;
  return {
    method: incoming.method ?? 'GET',
    path: cut < 0 ? target : target.slice(0, cut),
    query: cut < 0 ? {} : Object.fromEntries(new URLSearchParams(target.slice(cut + 1))),
    search: cut < 0 ? '' : target.slice(cut + 1),
    headers: Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(', ') : (value ?? ''),
      ]),
    ),
    body,
    ...(user === undefined ? {} : { user }),
    signal,
  };
}

/** Common name and organisations of a certificate that our CA signed. */
function certifiedUser(socket: TLSSocket): User | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  const name: unknown = subject?.CN;
  if (typeof name !== 'string' || name === '') return undefined;
  const organizations: unknown = subject.O;
  const list: unknown[] = Array.isArray(organizations) ? organizations : [organizations];
  const groups = list.filter((group) => typeof group === 'string');
  return { name, groups: [...groups, 'system:authenticated'] };
}

async function send(outgoing: ServerResponse, response: CoreResponse, gone: AbortSignal): Promise<void> {
  const { status, headers, body } = response;
  if (typeof body === 'string') {
    outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
    outgoing.end(body);
    return;
  }
  outgoing.writeHead(status, headers);
  // At once: nothing may come for a long time.
  outgoing.flushHeaders();
  for await (const chunk of body) {
    if (gone.aborted) break;
    if (!outgoing.write(chunk)) await drained(outgoing, gone);
  }
  outgoing.end();
}

function drained(outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    outgoing.once('drain', done);
    if (gone.aborted) done();
    else gone.addEventListener('abort', done, { once: true });
  });
}
