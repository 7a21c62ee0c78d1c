/** The API server called from the same process, as a `Transport`: no sockets, no threads, the caller's clock. */
import type { Clock } from '../../clock.ts';
import { deadline } from '../../clock.ts';
import { ZoneletError } from '../../errors.ts';
import type { ApiRequest, Transport } from '../../kube/transport.ts';
import { ADMIN, type User } from './auth/user.ts';
import type { ApiServerCore } from './core.ts';
import type { CoreRequest, CoreResponse } from './server-context.ts';

export interface InProcessTransportOptions {
  /** Who calls. @defaultValue the admin, unless a request has a bearer token */
  readonly user?: User;
  /** For the deadline of requests that wait (logs of a kubelet). @defaultValue requests have none: all others answer at once */
  readonly clock?: Clock;
}

const encoder = new TextEncoder();

export function createInProcessTransport(core: ApiServerCore, options: InProcessTransportOptions = {}): Transport {
  const { user = ADMIN, clock } = options;
  let closed = false;
  const closing = new AbortController();

  async function send(request: ApiRequest, signal: AbortSignal): Promise<CoreResponse> {
    if (closed) throw new ZoneletError('Unavailable', 'the transport is closed');
    request.signal?.throwIfAborted();
    request.onSend?.();
    const headers = request.headers ?? {};
    const core_request: CoreRequest = {
      method: request.method,
      path: request.path,
      query: request.query ?? {},
      headers,
      body: request.body ?? '',
      ...(headers.authorization === undefined ? { user } : {}),
      signal,
    };
    return await core.handle(core_request);
  }

  function aborted(request: ApiRequest): ZoneletError | undefined {
    if (request.signal?.aborted !== true) return undefined;
    return new ZoneletError('Aborted', `${request.method} ${request.path} was aborted`);
  }

  return {
    async request(request) {
      const before = aborted(request);
      if (before !== undefined) throw before;
      const { status, headers, body } = await send(request, AbortSignal.any(signals(request.signal, closing.signal)));
      // As on a network: the answer of an aborted request is never seen.
      const after = aborted(request);
      if (after !== undefined) throw after;
      return { status, headers, body: typeof body === 'string' ? body : await collect(body, request, clock) };
    },
    async stream(request) {
      const before = aborted(request);
      if (before !== undefined) throw before;
      const gone = new AbortController();
      const signal = AbortSignal.any([...signals(request.signal, closing.signal), gone.signal]);
      const { status, headers, body } = await send(request, signal);
      return { status, headers, chunks: follow(body) };

      async function* follow(from: CoreResponse['body']): AsyncGenerator<Uint8Array> {
        try {
          if (typeof from === 'string') yield encoder.encode(from);
          else yield* from;
        } finally {
          gone.abort();
        }
        const after = aborted(request);
        if (after !== undefined) throw after;
        if (closed) throw new ZoneletError('Unavailable', 'the transport was closed');
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      closing.abort();
    },
  };
}

function signals(...all: readonly (AbortSignal | undefined)[]): AbortSignal[] {
  return all.filter((signal) => signal !== undefined);
}

async function collect(
  body: AsyncIterable<Uint8Array>,
  request: ApiRequest,
  clock: Clock | undefined,
): Promise<string> {
  using limit = clock === undefined ? undefined : deadline(clock, request.timeoutMs);
  const parts: Uint8Array[] = [];
  for await (const chunk of body) {
    if (limit?.expired === true) {
      throw new ZoneletError('Unavailable', `${request.method} ${request.path}: no answer in ${request.timeoutMs} ms`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}
