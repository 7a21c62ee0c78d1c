/** One request to the backend: its deadline, and what its outcome means by status and code, never by text. */
import type { Socket } from 'node:net';
import { type Dispatcher, request as send } from 'undici';
import { type Clock, deadline, sleep } from '../../src/clock.ts';
import { messageOf, ZoneletError } from '../../src/errors.ts';
import type { Fence } from '../../src/provider/contract.ts';
import type { Connection } from './connection.ts';
import {
  ATTEMPT_HEADER,
  DEADLINE_HEADER,
  EPOCH_HEADER,
  HOLDER_HEADER,
  headerValue,
  JSON_TYPE,
  OWNER_HEADER,
  ZONE_HEADER,
} from './protocol.ts';
import { type Effect, refusal } from './refusal.ts';
import { upgrade } from './upgrade.ts';

export interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** Percent-encoded, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly effect: Effect;
}

export interface Client {
  /** The answer's JSON. Settles within the deadline. */
  call<T>(call: Call): Promise<T>;
  /** The bytes of an answer without end. The deadline covers its beginning. */
  stream(call: Call): Promise<AsyncIterable<Uint8Array>>;
  /** A connection of its own for frames both ways. The deadline covers its opening; the signal ends it. */
  upgrade(call: Call): Promise<Socket>;
}

/** Errors of a connection that never came to be: nothing was sent. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_CLOSED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Errors of a connection that broke before the answer came. */
const BROKEN = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);
const READ_TRIES = 3;
const READ_PAUSE_MS = 10;

export function createClient(url: string, connection: Connection, clock: Clock): Client {
  const base = url.replace(/\/+$/, '');

  async function open(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { method, path, body } = call;
    if (signal.aborted) throw new ZoneletError('Aborted', `${method} ${path} was aborted before it was sent`);
    const { agent, headers } = await connection.use();
    if (signal.aborted) throw new ZoneletError('Aborted', `${method} ${path} was aborted before it was sent`);
    try {
      return await send(`${base}${path}`, {
        dispatcher: agent,
        method,
        signal,
        headers: {
          ...call.headers,
          ...headers,
          ...(body === undefined ? {} : { 'content-type': JSON_TYPE }),
          [DEADLINE_HEADER]: String(Math.max(0, Math.round(call.timeoutMs))),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw notAnswered(call, error);
    }
  }

  /** A kept connection may have died unseen, with the backend's last process: a read is asked again on another one. */
  async function openAgain(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    for (let tries = 1; ; tries++) {
      try {
        return await open(call, signal);
      } catch (error) {
        const died = error instanceof ZoneletError && BROKEN.has(errorCode(error.cause) ?? '');
        if (call.effect === 'write' || !died || tries >= READ_TRIES || signal.aborted) throw error;
        await sleep(clock, tries * READ_PAUSE_MS, signal);
      }
    }
  }

  return {
    async call<T>(call: Call): Promise<T> {
      using limit = deadline(clock, call.timeoutMs, call.signal);
      const response = await openAgain(call, limit.signal);
      let text: string;
      try {
        text = await response.body.text();
      } catch (error) {
        throw notAnswered(call, error);
      }
      if (response.statusCode === 401) connection.refused();
      if (response.statusCode >= 300) throw refused(call, response, text);
      try {
        return JSON.parse(text) as T;
      } catch (error) {
        // It says that it was done and not what: as good as no answer.
        throw unanswered(call, 'the backend answered with something that is no JSON', error);
      }
    },

    async stream(call) {
      // Not disposed before the stream ends: the caller's signal must go on ending it.
      const limit = deadline(clock, call.timeoutMs, call.signal);
      let response: Dispatcher.ResponseData;
      try {
        response = await openAgain(call, limit.signal);
        if (response.statusCode >= 300) {
          if (response.statusCode === 401) connection.refused();
          throw refused(call, response, await response.body.text());
        }
      } catch (error) {
        limit[Symbol.dispose]();
        throw notAnswered(call, error);
      }
      limit[Symbol.dispose]();
      return bytesOf(response, call);
    },

    async upgrade(call) {
      using limit = deadline(clock, call.timeoutMs, call.signal);
      const { headers, tls } = await connection.use();
      const timeout = { [DEADLINE_HEADER]: String(Math.max(0, Math.round(call.timeoutMs))) };
      try {
        const opened = await upgrade(`${base}${call.path}`, {
          headers: { ...call.headers, ...headers, ...timeout },
          tls,
          signal: limit.signal,
        });
        if (opened.kind === 'open') return opened.socket;
        if (opened.refusal.statusCode === 401) connection.refused();
        throw refusal(`${call.method} ${call.path}`, call.effect, opened.refusal);
      } catch (error) {
        throw notAnswered(call, error);
      }
    },
  };
}

/** Headers that say whose objects a request is about. */
export function readHeaders(owner: string, zone: string): Record<string, string> {
  return { [OWNER_HEADER]: headerValue(owner), [ZONE_HEADER]: headerValue(zone) };
}

/** And on whose word it is made. */
export function writeHeaders(fence: Fence & { readonly attempt: number }): Record<string, string> {
  return {
    ...readHeaders(fence.owner, fence.zone),
    [EPOCH_HEADER]: String(fence.epoch),
    [HOLDER_HEADER]: headerValue(fence.holder),
    [ATTEMPT_HEADER]: String(fence.attempt),
  };
}

async function* bytesOf(response: Dispatcher.ResponseData, call: Call): AsyncGenerator<Uint8Array, void, void> {
  const { body } = response;
  const end = (): void => void body.destroy();
  call.signal.addEventListener('abort', end, { once: true });
  try {
    if (call.signal.aborted) return;
    for await (const chunk of body as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    if (call.signal.aborted) return;
    throw new ZoneletError('Unavailable', `the stream of the backend broke off: ${messageOf(error)}`, { cause: error });
  } finally {
    call.signal.removeEventListener('abort', end);
    body.destroy();
  }
}

function notAnswered(call: Call, error: unknown): ZoneletError {
  if (error instanceof ZoneletError) return error;
  const code = errorCode(error);
  if (code !== undefined && NOT_SENT.has(code)) {
    return new ZoneletError('Unavailable', `cannot reach the backend: ${messageOf(error)}`, { cause: error });
  }
  if (call.effect === 'read' && call.signal.aborted) {
    return new ZoneletError('Aborted', `${call.method} ${call.path} was aborted`, { cause: error });
  }
  return unanswered(call, `the backend did not answer: ${messageOf(error)}`, error);
}

function unanswered({ effect }: Call, message: string, cause: unknown): ZoneletError {
  return new ZoneletError(effect === 'write' ? 'Ambiguous' : 'Unavailable', message, { cause });
}

/** Of several addresses each has failed in its own way; one that may have been sent to counts. */
function errorCode(error: unknown): string | undefined {
  if (error instanceof AggregateError) {
    const codes = error.errors.map(errorCode);
    return codes.find((code) => code === undefined || !NOT_SENT.has(code)) ?? codes[0];
  }
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function refused(call: Call, { statusCode, headers }: Dispatcher.ResponseData, text: string): ZoneletError {
  const retryAfter = headers['retry-after'];
  return refusal(`${call.method} ${call.path}`, call.effect, {
    statusCode,
    retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
    text,
  });
}
