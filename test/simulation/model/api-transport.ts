/** How a replica reaches the API server: the `Transport` of its client, over a link that can be bad. */
import { ZoneletError } from '../../../src/errors.ts';
import type { ApiRequest, ApiStream, Transport } from '../../../src/kube/transport.ts';
import type { CoreResponse } from '../../../src/local-cluster/api-server/server-context.ts';
import type { ApiServer } from './api-server.ts';
import type { Actor, History } from './history.ts';
import { type Breakable, type Link, roundTrip } from './link.ts';
import type { Process } from './process.ts';
import type { Scheduler } from './scheduler.ts';

export interface ApiTransportOptions {
  readonly server: ApiServer;
  readonly link: Link;
  readonly process: Process;
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly actor: Actor;
}

export function createApiTransport(options: ApiTransportOptions): Transport {
  const { server, link, process, scheduler, history, actor } = options;

  async function trip(request: ApiRequest, signal: AbortSignal): Promise<CoreResponse> {
    if (request.signal?.aborted !== true) request.onSend?.();
    const { method, path, timeoutMs, body } = request;
    history.sending({ at: scheduler.now, actor, method, path, body });
    return await roundTrip({
      link,
      process,
      scheduler,
      what: `${method} ${path}`,
      mutating: method !== 'GET',
      // What proxies try again by themselves when a connection breaks.
      repeatable: method === 'PUT' || method === 'DELETE',
      signal: request.signal,
      timeoutMs,
      aborted: 'Aborted',
      serve: () => server.handle(actor, request, signal),
    });
  }

  return {
    async request(request) {
      const { status, headers, body } = await trip(request, new AbortController().signal);
      if (typeof body !== 'string') throw new Error(`${request.path} answers in pieces`);
      return { status, headers, body };
    },

    async stream(request) {
      const gone = new AbortController();
      const { status, headers, body } = await trip(request, gone.signal);
      return { status, headers, chunks: follow(request, body, gone) };
    },

    async [Symbol.asyncDispose]() {},
  };

  function follow(request: ApiRequest, body: CoreResponse['body'], gone: AbortController): ApiStream['chunks'] {
    let waiting: Uint8Array[] = [];
    let end: 'ended' | ZoneletError | undefined;
    let wake = (): void => {};
    let arrivesAt = 0;
    const { signal } = request;
    const close = (how: 'ended' | ZoneletError): void => {
      end ??= how;
      wake();
      gone.abort();
      link.streams.delete(breakable);
      server.streams.delete(breakable);
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => close(new ZoneletError('Aborted', `${request.path} was aborted`));
    const breakable: Breakable = {
      break: () => {
        gone.abort();
        process.deliver(() => close(new ZoneletError('Unavailable', `${request.path}: the connection broke`)));
      },
    };
    const sent: (() => void)[] = [];
    /** In the order of sending, whatever the delays, and whatever was held meanwhile. */
    const arrive = (run: () => void): void => {
      sent.push(run);
      const deliver = (): void => process.deliver(() => sent.shift()?.());
      if (link.down.blocked) {
        link.hold('down', deliver);
        return;
      }
      const lag = link.watchLagMs === 0 ? 0 : link.watchLagMs * (0.5 + link.dice.next() / 2);
      arrivesAt = Math.max(arrivesAt, scheduler.now + link.delay('down') + lag);
      scheduler.at(arrivesAt, () => {
        // Cut off while it was on its way: it waits behind what waits already.
        if (link.down.blocked) link.hold('down', deliver);
        else deliver();
      });
    };
    const pump = async (): Promise<void> => {
      if (typeof body === 'string') arrive(() => waiting.push(new TextEncoder().encode(body)) && wake());
      else {
        for await (const chunk of body) {
          if (gone.signal.aborted) return;
          arrive(() => {
            waiting.push(chunk);
            wake();
          });
        }
      }
      if (!gone.signal.aborted) arrive(() => close('ended'));
    };
    if (signal?.aborted === true) onAbort();
    else {
      signal?.addEventListener('abort', onAbort, { once: true });
      link.streams.add(breakable);
      server.streams.add(breakable);
      void pump();
    }

    async function* chunks(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          if (waiting.length > 0) {
            const taken = waiting;
            waiting = [];
            yield* taken;
          } else if (end === 'ended') return;
          else if (end !== undefined) throw end;
          else {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        }
      } finally {
        close('ended');
      }
    }
    return chunks();
  }
}
