/**
 * The API server over HTTP/1.1 on shared keep-alive connections: 24 times the requests a second of a connection each,
 * at a thirtieth of the CPU time. What it promises is in `transport.ts`.
 */
import type { Dispatcher } from 'undici';
import { type Clock, type Deadline, deadline } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { ApiMetrics } from '../metrics/api.ts';
import { version } from '../version.ts';
import { createByteStream } from './byte-stream.ts';
import { type Connections, connectionKey, openConnections } from './connections.ts';
import { type Exchange, exchange } from './exchange.ts';
import type { Identity, IdentitySource } from './identity.ts';
import type { ApiRequest, ApiResponse, ApiStream, Transport } from './transport.ts';

export interface HttpTransportOptions {
  /** URL of the API server; a path in it comes before every request's. */
  readonly server: string;
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly metrics?: ApiMetrics;
}

export function createHttpTransport(options: HttpTransportOptions): Transport {
  const { identity, clock, metrics } = options;
  const url = new URL(options.server);
  const prefix = url.pathname.replace(/\/+$/, '');
  const host = url.host;
  const userAgent = `zonelet/${version()}`;
  let current: { readonly key: string; readonly connections: Connections } | undefined;
  const retired = new Set<Connections>();
  const disposal = new AbortController();
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const code of ['200', 'error']) metrics?.requests.inc({ code, method, host }, 0);
  }

  function connectionsFor(who: Identity): Connections {
    const key = connectionKey(who);
    if (current?.key === key) return current.connections;
    const old = current?.connections;
    if (old !== undefined) {
      retired.add(old);
      void old.close().finally(() => retired.delete(old));
    }
    current = { key, connections: openConnections(who) };
    return current.connections;
  }

  function dispatchOptions(request: ApiRequest, who: Identity): Dispatcher.DispatchOptions {
    const { method, path, query, headers, body } = request;
    const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
    return {
      origin: url.origin,
      method,
      path: `${prefix}${path}${search}`,
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(who.authorization === undefined ? {} : { authorization: who.authorization }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
      // Else undici closes the connection after a DELETE with a body.
      reset: false,
    };
  }

  /** The identity and the connections to send with; waits no longer than the limit. */
  async function prepare(request: ApiRequest, limit: Deadline): Promise<[Identity, Connections]> {
    if (limit.signal.aborted) throw limit.signal.reason;
    const end = Promise.withResolvers<never>();
    const onAbort = (): void => end.reject(limit.signal.reason);
    limit.signal.addEventListener('abort', onAbort, { once: true });
    try {
      const who = await Promise.race([identity.get(), end.promise]);
      if (disposal.signal.aborted) throw new ZoneletError('Unavailable', 'the transport was disposed of');
      return [who, connectionsFor(who)];
    } catch (error) {
      throw failure(request, limit, false, error);
    } finally {
      limit.signal.removeEventListener('abort', onAbort);
    }
  }

  function count(request: ApiRequest, who: Identity | undefined, code: string): void {
    metrics?.requests.inc({ code, method: request.method, host });
    if (code === '401' && who !== undefined) identity.refused(who);
  }

  function lost(
    request: ApiRequest,
    limit: Deadline,
    under: Exchange | undefined,
    who: Identity | undefined,
    error: unknown,
  ): ZoneletError {
    const sent = under?.sent ?? false;
    under?.cancel();
    const thrown = failure(request, limit, sent, error);
    // What its caller ended is no failure of the server's.
    if (thrown.code !== 'Aborted' && thrown.code !== 'Fenced') count(request, who, 'error');
    return thrown;
  }

  async function request(request: ApiRequest): Promise<ApiResponse> {
    const begun = clock.monotonic();
    using limit = deadline(clock, request.timeoutMs, request.signal, disposal.signal);
    let who: Identity | undefined;
    let under: Exchange | undefined;
    try {
      const [prepared, connections] = await prepare(request, limit);
      who = prepared;
      const response = await new Promise<ApiResponse>((resolve, reject) => {
        let head: Pick<ApiResponse, 'status' | 'headers'> | undefined;
        const pieces: Buffer[] = [];
        under = exchange(
          request.lane === 'lease' ? connections.lease : connections.work,
          dispatchOptions(request, prepared),
          {
            head: (status, headers) => {
              head = { status, headers };
            },
            data: (chunk) => void pieces.push(chunk),
            end: () => {
              if (head === undefined) reject(new Error('the answer had no head'));
              else resolve({ ...head, body: Buffer.concat(pieces).toString('utf8') });
            },
            error: reject,
          },
          request.onSend,
        );
        limit.signal.addEventListener('abort', () => reject(limit.signal.reason), { once: true });
      });
      count(request, who, String(response.status));
      return response;
    } catch (error) {
      throw lost(request, limit, under, who, error);
    } finally {
      if (request.signal?.aborted !== true) {
        metrics?.duration.observe({ verb: request.method, host }, (clock.monotonic() - begun) / 1000);
      }
    }
  }

  async function stream(request: ApiRequest): Promise<ApiStream> {
    const limit = deadline(clock, request.timeoutMs, request.signal, disposal.signal);
    let who: Identity | undefined;
    let under: Exchange | undefined;
    try {
      const [prepared, connections] = await prepare(request, limit);
      who = prepared;
      // From the head on, only the caller and the end of the transport end it.
      const ends = [request.signal, disposal.signal].filter((signal) => signal !== undefined);
      const stop = (): void => {
        under?.cancel();
        bytes.fail(
          request.signal?.aborted === true
            ? new ZoneletError('Aborted', `${what(request)}: aborted`)
            : new ZoneletError('Unavailable', `${what(request)}: the transport was disposed of`),
        );
        release();
      };
      const release = (): void => {
        for (const signal of ends) signal.removeEventListener('abort', stop);
      };
      const bytes = createByteStream({
        pause: () => under?.pause(),
        resume: () => under?.resume(),
        cancel: () => {
          under?.cancel();
          release();
        },
      });
      const head = await new Promise<Pick<ApiResponse, 'status' | 'headers'>>((resolve, reject) => {
        under = exchange(
          request.lane === 'lease' ? connections.lease : connections.streams,
          dispatchOptions(request, prepared),
          {
            head: (status, headers) => resolve({ status, headers }),
            data: (chunk) => bytes.push(chunk),
            end: () => {
              bytes.end();
              release();
            },
            error: (error) => {
              reject(error);
              bytes.fail(new ZoneletError('Unavailable', `${what(request)}: ${describe(error)}`, { cause: error }));
              release();
            },
          },
          request.onSend,
        );
        limit.signal.addEventListener('abort', () => reject(limit.signal.reason), { once: true });
      });
      count(request, who, String(head.status));
      for (const signal of ends) signal.addEventListener('abort', stop, { once: true });
      if (ends.some((signal) => signal.aborted)) stop();
      return { ...head, chunks: bytes.chunks };
    } catch (error) {
      throw lost(request, limit, under, who, error);
    } finally {
      limit[Symbol.dispose]();
    }
  }

  return {
    request,
    stream,
    async [Symbol.asyncDispose]() {
      disposal.abort();
      await Promise.all([...retired, ...(current === undefined ? [] : [current.connections])].map((c) => c.destroy()));
    },
  };
}

function what({ method, path }: ApiRequest): string {
  return `${method} ${path}`;
}

/** What it means for the caller that a request got no answer. */
function failure(request: ApiRequest, limit: Deadline, sent: boolean, error: unknown): ZoneletError {
  if (request.signal?.aborted === true)
    return new ZoneletError('Aborted', `${what(request)}: aborted`, { cause: error });
  if (!sent && error instanceof ZoneletError) return error;
  const code = sent && request.method !== 'GET' ? 'Ambiguous' : 'Unavailable';
  const reason = limit.expired ? `no answer within ${request.timeoutMs} ms` : describe(error);
  return new ZoneletError(code, `${what(request)}: ${reason}`, { cause: error });
}

/** Failed attempts on several addresses come as one error without a text. */
function describe(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return messageOf(error);
}
