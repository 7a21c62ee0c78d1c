/**
 * One Docker engine's HTTP API over a unix socket, TCP or TLS: requests with a deadline, streams, and connections that
 * are taken over from HTTP (exec and attach). What an outcome means is told by the status, never by the text.
 */
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { type Clock, deadline } from '../../src/clock.ts';
import { type ErrorCode, messageOf, ZoneletError } from '../../src/errors.ts';
import type { EngineOptions } from './options.ts';

export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD';
  /** Without the API's version. */
  readonly path: string;
  /** An object is sent as JSON, bytes as a tar archive. */
  readonly body?: object | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export interface Engine extends Disposable {
  readonly name: string;
  /** The answer's JSON, or `undefined` for one without. */
  json<T>(request: EngineRequest): Promise<T>;
  bytes(request: EngineRequest): Promise<Buffer>;
  /** The status of an answer that is no error. */
  status(request: EngineRequest): Promise<number>;
  /** The deadline covers the answer's beginning; the stream lives until its end or the signal. */
  stream(request: EngineRequest): Promise<http.IncomingMessage>;
  /** The connection itself, once the engine has switched to raw bytes. */
  takeOver(request: EngineRequest): Promise<Duplex>;
}

/** The newest API that was tried; an older engine is spoken to in its own. */
const NEWEST_API = [1, 47] as const;
const PING_TIMEOUT_MS = 5000;
/** Idle connections are closed by us before an engine or something between does. */
const IDLE_MS = 30_000;
const LONGEST_MESSAGE = 2000;

/** Nothing was sent. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENOTSOCK',
]);

export function createEngine(options: EngineOptions, clock: Clock): Engine {
  const { name } = options;
  const url = new URL(options.url);
  const tls = options.caFile !== undefined;
  const transport = tls ? https : http;
  /** Ends with the provider. */
  const life = new AbortController();
  let connection: Promise<http.RequestOptions> | undefined;
  let version: Promise<string> | undefined;

  async function connect(): Promise<http.RequestOptions> {
    if (url.protocol === 'unix:') {
      const agent = new http.Agent({ keepAlive: true, timeout: IDLE_MS });
      return { socketPath: decodeURIComponent(url.pathname), agent };
    }
    const target = { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port };
    if (!tls) return { ...target, agent: new http.Agent({ keepAlive: true, timeout: IDLE_MS }) };
    const [ca, cert, key] = await Promise.all([options.caFile, options.certFile, options.keyFile].map(readPem));
    const pem = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
    return { ...target, agent: new https.Agent({ keepAlive: true, timeout: IDLE_MS, ...pem }) };
  }

  /** Certificates are read again, and the API agreed on anew, when nothing could be reached as it was. What is on its way goes on. */
  function forget(): void {
    connection = undefined;
    version = undefined;
  }

  function lost(request: EngineRequest, error: unknown, sent: boolean): ZoneletError {
    if (error instanceof ZoneletError) return error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const what = `engine ${name}: ${messageOf(error)}`;
    if (!sent || NOT_SENT.has(code)) {
      forget();
      return new ZoneletError('Unavailable', what, { cause: error });
    }
    const read = request.method === 'GET' || request.method === 'HEAD';
    if (read && request.signal.aborted) return new ZoneletError('Aborted', what, { cause: error });
    return new ZoneletError(read ? 'Unavailable' : 'Ambiguous', what, { cause: error });
  }

  /** Sends, and resolves with the answer's head or the connection that was taken over. */
  async function send(
    request: EngineRequest,
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly answer: http.IncomingMessage; readonly socket?: Duplex }> {
    if (life.signal.aborted) throw new ZoneletError('Unavailable', 'the provider is closed');
    if (signal.aborted) throw new ZoneletError('Aborted', `${request.method} ${request.path} was not sent any more`);
    connection ??= connect();
    const target = await connection.catch((error: unknown) => {
      throw lost(request, error, false);
    });
    const { body } = request;
    const content = body === undefined || body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
    const type = body instanceof Uint8Array ? 'application/x-tar' : 'application/json';
    const { promise, resolve, reject } = Promise.withResolvers<{ answer: http.IncomingMessage; socket?: Duplex }>();
    const call = transport.request({
      ...target,
      method: request.method,
      path,
      headers: {
        host: url.host === '' ? 'docker' : url.host,
        'content-length': content?.length ?? 0,
        ...(content === undefined ? {} : { 'content-type': type }),
        ...request.headers,
      },
    });
    const abort = (): void => void call.destroy(new Error(messageOf(signal.reason)));
    signal.addEventListener('abort', abort, { once: true });
    call.once('close', () => signal.removeEventListener('abort', abort));
    call.once('response', (answer) => resolve({ answer }));
    call.once('upgrade', (answer, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ answer, socket });
    });
    call.on('error', (error) => {
      // A kept connection may have died unseen, with the engine's last process: a read is sent again on another one.
      const again = call.reusedSocket && request.method === 'GET' && !signal.aborted;
      if (again) resolve(send(request, path, signal));
      else reject(lost(request, error, true));
    });
    call.end(content);
    return await promise;
  }

  async function negotiate(request: EngineRequest): Promise<string> {
    using limit = deadline(clock, PING_TIMEOUT_MS, life.signal);
    const ping = { ...request, method: 'GET', path: '/_ping', body: undefined, headers: {} } as const;
    const { answer } = await send({ ...ping, signal: limit.signal, body: Buffer.alloc(0) }, '/_ping', limit.signal);
    answer.resume();
    const [, major, minor] = /^(\d+)\.(\d+)$/.exec(String(answer.headers['api-version'])) ?? [];
    if (minor === undefined) throw new ZoneletError('Unavailable', `engine ${name} does not say which API it speaks`);
    const newer = Number(major) > NEWEST_API[0] || Number(minor) > NEWEST_API[1];
    return newer ? NEWEST_API.join('.') : `${major}.${minor}`;
  }

  async function open(request: EngineRequest, signal: AbortSignal) {
    version ??= negotiate(request).catch((error: unknown) => {
      version = undefined;
      throw new ZoneletError('Unavailable', `engine ${name} cannot be reached: ${messageOf(error)}`, { cause: error });
    });
    // What another call waits for must not hold this one up.
    const api = await abortable(version, signal, request);
    const opened = await send(request, `/v${api}${request.path}`, signal);
    const { statusCode = 0 } = opened.answer;
    if (opened.socket !== undefined || statusCode < 400) return opened;
    const text = (await readAll(opened.answer).catch(() => Buffer.alloc(0))).toString();
    throw refusal(name, request, statusCode, text);
  }

  async function bytes(request: EngineRequest): Promise<{ readonly status: number; readonly body: Buffer }> {
    using limit = deadline(clock, request.timeoutMs, request.signal, life.signal);
    const { answer } = await open(request, limit.signal);
    try {
      return { status: answer.statusCode ?? 0, body: await readAll(answer) };
    } catch (error) {
      throw lost(request, error, true);
    }
  }

  async function begin(request: EngineRequest) {
    const ending = AbortSignal.any([request.signal, life.signal]);
    using limit = deadline(clock, request.timeoutMs, ending);
    const opened = await open(request, limit.signal);
    const stream: { destroy(): unknown; once(event: 'close', run: () => void): unknown } =
      opened.socket ?? opened.answer;
    const end = (): void => void stream.destroy();
    ending.addEventListener('abort', end, { once: true });
    stream.once('close', () => ending.removeEventListener('abort', end));
    return opened;
  }

  return {
    name,
    async json<T>(request: EngineRequest): Promise<T> {
      const { body } = await bytes(request);
      return (body.length === 0 ? undefined : JSON.parse(body.toString())) as T;
    },
    bytes: async (request) => (await bytes(request)).body,
    status: async (request) => (await bytes(request)).status,
    stream: async (request) => (await begin(request)).answer,
    async takeOver(request) {
      const headers = { ...request.headers, connection: 'Upgrade', upgrade: 'tcp' };
      const { answer, socket } = await begin({ ...request, headers });
      if (socket !== undefined) return socket;
      // The connection must not go back to the others.
      answer.destroy();
      throw new ZoneletError('Unavailable', `engine ${name} did not hand over the connection`);
    },
    [Symbol.dispose]() {
      life.abort();
      void connection?.then(
        ({ agent }) => typeof agent === 'object' && agent.destroy(),
        () => undefined,
      );
    },
  };
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal, request: EngineRequest): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const code: ErrorCode = request.method === 'GET' ? 'Aborted' : 'Unavailable';
  const abort = (): void => aborted.reject(new ZoneletError(code, `${request.method} ${request.path} was not sent`));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

export async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function readPem(file: string | undefined): Promise<Buffer | undefined> {
  return file === undefined ? undefined : await readFile(file);
}

function refusal(name: string, { method, path }: EngineRequest, status: number, text: string): ZoneletError {
  let said = '';
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'message' in body) said = String(body.message);
  } catch {
    // Something between us and the engine; the status has to do.
  }
  const message = said === '' ? `engine ${name} answered ${status} to ${method} ${path.split('?')[0]}` : said;
  return new ZoneletError(codeOfStatus(status), message.slice(0, LONGEST_MESSAGE));
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 400) return 'InvalidInput';
  if (status === 401) return 'Unauthorized';
  if (status === 403) return 'Forbidden';
  if (status === 404) return 'NotFound';
  if (status === 409) return 'Conflict';
  if (status === 429) return 'Throttled';
  return status === 502 || status === 503 || status === 504 ? 'Unavailable' : 'Internal';
}
