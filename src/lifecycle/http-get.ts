/** One HTTP GET through a connection of the pod's, for probes and hooks, as the kubelet makes it (pkg/probe/http). */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { ZoneletError } from '../errors.ts';
import type { Container } from '../kube/types.ts';
import { dialError } from './dial-error.ts';
import type { Reach } from './reach.ts';

type HttpGetAction = NonNullable<NonNullable<Container['livenessProbe']>['httpGet']>;

export interface HttpTarget {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
}

export interface HttpAnswer {
  readonly status: number;
  /** As much of it as anybody reads. */
  readonly body: string;
}

const LONGEST_BODY = 10 * 1024;
const MOST_REDIRECTS = 10;

export function httpTarget(action: HttpGetAction, container: Container, address: string): HttpTarget {
  const headers: Record<string, string | string[]> = {
    'User-Agent': 'kube-probe/1.34',
    Accept: '*/*',
    Connection: 'close',
  };
  const port = portNumber(action.port, container);
  const tls = action.scheme?.toUpperCase() === 'HTTPS';
  headers.Host = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  for (const { name, value } of action.httpHeaders ?? []) {
    const known = Object.keys(headers).find((key) => key.toLowerCase() === name.toLowerCase());
    const before = known === undefined ? undefined : headers[known];
    if (known !== undefined) delete headers[known];
    // Naming a default replaces it, `Accept` with nothing takes it away; a header named twice is sent twice.
    if (name.toLowerCase() === 'accept' && value === '') continue;
    headers[name] = before === undefined || DEFAULTS.has(name.toLowerCase()) ? value : [before].flat().concat(value);
  }
  const path = action.path ?? '/';
  return { tls, host: address, port, path: path.startsWith('/') ? path : `/${path}`, headers };
}

const DEFAULTS = new Set(['user-agent', 'accept', 'connection', 'host']);

/** Throws `InvalidInput` for a name that the container's ports do not have. */
export function portNumber(port: number | string | undefined, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port);
  if (Number.isInteger(named) && named > 0 && named < 65536) return named;
  throw new ZoneletError('InvalidInput', `strconv.Atoi: parsing ${JSON.stringify(port)}: invalid syntax`);
}

/** Follows redirects that stay on the host, which is what the connection can reach. */
export async function httpGet(reach: Reach, target: HttpTarget, signal: AbortSignal): Promise<HttpAnswer> {
  let { path, port, tls } = target;
  for (let redirects = 0; ; redirects++) {
    const url = urlOf(target, tls, port, path);
    let answer: HttpAnswer & { readonly location?: string };
    try {
      answer = await getOnce(reach, { ...target, path, port, tls }, signal);
    } catch (error) {
      const text = signal.aborted
        ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        : dialError(error, target.host, port);
      throw new ZoneletError('Unavailable', `Get ${JSON.stringify(url)}: ${text}`, { cause: error });
    }
    const next = answer.location === undefined ? undefined : redirectOf(answer.location, url);
    if (next === undefined || next.hostname !== new URL(url).hostname) return answer;
    if (redirects + 1 >= MOST_REDIRECTS) {
      throw new ZoneletError('Unavailable', `Get ${JSON.stringify(url)}: stopped after ${MOST_REDIRECTS} redirects`);
    }
    tls = next.protocol === 'https:';
    port = next.port === '' ? (tls ? 443 : 80) : Number(next.port);
    path = `${next.pathname}${next.search}`;
  }
}

function urlOf({ host }: HttpTarget, tls: boolean, port: number, path: string): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
}

function redirectOf(location: string, from: string): URL | undefined {
  return URL.canParse(location, from) ? new URL(location, from) : undefined;
}

async function getOnce(
  reach: Reach,
  { tls, host, port, path, headers }: HttpTarget,
  signal: AbortSignal,
): Promise<HttpAnswer & { readonly location?: string }> {
  const raw = await reach.dial(port, signal);
  const socket: Duplex = tls ? connectTls({ socket: raw, rejectUnauthorized: false }) : raw;
  // Errors that come late are of a connection that nobody needs any more.
  for (const one of new Set([raw, socket])) one.on('error', () => {});
  const abort = (): void => void socket.destroy(new Error('aborted'));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    const response = await answerOf(
      request({ createConnection: () => socket, method: 'GET', host, port, path, headers, setDefaultHeaders: false }),
    );
    const body = await bodyOf(response);
    const { statusCode = 0 } = response;
    const { location } = response.headers;
    return { status: statusCode, body, ...(isRedirect(statusCode) && location !== undefined ? { location } : {}) };
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
    raw.destroy();
  }
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', resolve);
    // For good: what comes late is of a request that nobody needs any more.
    sent.on('error', reject);
    sent.end();
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).byteLength;
    if (size >= LONGEST_BODY) break;
  }
  return Buffer.concat(chunks).subarray(0, LONGEST_BODY).toString();
}
