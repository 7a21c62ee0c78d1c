/** What a request says: path, headers, query, body; anything odd is refused with its name. */
import type { IncomingMessage } from 'node:http';
import { ZoneletError } from '../../../src/errors.ts';
import type { Fence, LogOptions, ResolvedPod } from '../../../src/provider/contract.ts';
import { EPOCH_HEADER, HOLDER_HEADER, OWNER_HEADER, readHeaderValue, ZONE_HEADER } from '../protocol.ts';
import { Refused } from './refusals.ts';

/** An API server takes objects of 1.5 MiB; the environment comes on top. */
const LARGEST_BODY = 4 * 1024 * 1024;
/** Beyond this the connection is broken off. */
const LARGEST_READ = 16 * LARGEST_BODY;

export interface Target {
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

export function targetOf(request: IncomingMessage): Target {
  const url = URL.parse(request.url ?? '/', 'http://backend');
  if (url === null) throw invalid('the request target is no path');
  try {
    return { segments: url.pathname.split('/').slice(1).map(decodeURIComponent), query: url.searchParams };
  } catch {
    throw invalid('the path is not percent-encoded UTF-8');
  }
}

/** UIDs are those of Kubernetes, or as harmless in a file name. */
export function checkUid(uid: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(uid)) throw invalid('the UID must be letters, digits, dashes, dots');
}

/** Whose pods a read is about. */
export function ownerOf(request: IncomingMessage, zone: string): string {
  const asked = header(request, ZONE_HEADER);
  if (asked !== zone) throw invalid(`this is the backend of zone ${zone}, not of ${asked}`);
  return header(request, OWNER_HEADER);
}

/** On whose word a mutation is asked. The backend itself compares the zone, so that the journal has it. */
export function fenceOf(request: IncomingMessage): Fence {
  const epoch = header(request, EPOCH_HEADER);
  if (!/^\d{1,15}$/.test(epoch)) throw invalid(`the header ${EPOCH_HEADER} must be a whole number`);
  return {
    owner: header(request, OWNER_HEADER),
    zone: header(request, ZONE_HEADER),
    epoch: Number(epoch),
    holder: header(request, HOLDER_HEADER),
  };
}

/** 30 s, the API's default, when it is left out. */
export function gracePeriodOf(query: URLSearchParams): number {
  return integer(query, 'gracePeriodSeconds') ?? 30;
}

export function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw invalid(`the parameter ${name} must be a whole number`);
  return Number(text);
}

export function logOptionsOf(query: URLSearchParams): LogOptions {
  const options: { -readonly [K in keyof LogOptions]: LogOptions[K] } = {
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    timestamps: flag(query, 'timestamps'),
  };
  for (const name of ['tailLines', 'limitBytes', 'sinceTimeMs'] as const) {
    const value = integer(query, name);
    if (value !== undefined) options[name] = value;
  }
  return options;
}

export function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? 'false';
  if (text !== 'true' && text !== 'false') throw invalid(`the parameter ${name} must be true or false`);
  return text === 'true';
}

/** The pod of a create or an update. */
export async function podBodyOf(request: IncomingMessage, uid: string): Promise<ResolvedPod> {
  const type = request.headers['content-type']?.split(';')[0]?.trim();
  if (type !== 'application/json') throw new Refused(415, 'InvalidInput', 'the body must be application/json');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    // Read to its end all the same, or the caller would see a broken connection and no answer.
    if (size <= LARGEST_BODY) chunks.push(chunk);
    else if (size > LARGEST_READ) break;
  }
  if (size > LARGEST_BODY) throw new Refused(413, 'InvalidInput', `the body is larger than ${LARGEST_BODY} bytes`);
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw invalid('the body is no JSON');
  }
  return checkedPod(body, uid);
}

function checkedPod(body: unknown, uid: string): ResolvedPod {
  if (!isRecord(body)) throw invalid('the body must be an object');
  const { ref, pod, env, hash } = body;
  if (!isRecord(ref) || ref.uid !== uid) throw invalid('ref.uid must be the UID in the path');
  for (const field of ['namespace', 'name'] as const) {
    if (typeof ref[field] !== 'string' || ref[field] === '') throw invalid(`ref.${field} must be a name`);
  }
  if (typeof hash !== 'string') throw invalid('hash must be a string');
  if (!isRecord(pod) || !isRecord(pod.spec)) throw invalid('pod must be a pod with a spec');
  const { containers, initContainers = [] } = pod.spec;
  if (!Array.isArray(containers) || containers.length === 0) throw invalid('pod.spec.containers must have containers');
  if (!Array.isArray(initContainers)) throw invalid('pod.spec.initContainers must be a list');
  const names = new Set<string>();
  for (const container of [...initContainers, ...containers] as readonly unknown[]) {
    if (
      !isRecord(container) ||
      typeof container.name !== 'string' ||
      !/^[a-z0-9][a-z0-9-]{0,62}$/.test(container.name)
    ) {
      throw invalid('every container must have a name of lower-case letters, digits and dashes');
    }
    if (names.has(container.name)) throw invalid(`two containers are called ${container.name}`);
    names.add(container.name);
  }
  if (!isRecord(env)) throw invalid('env must map containers to their environment');
  for (const [name, list] of Object.entries(env)) {
    const good = (one: unknown): boolean =>
      isRecord(one) && typeof one.name === 'string' && one.name !== '' && typeof one.value === 'string';
    if (!Array.isArray(list) || !list.every(good)) throw invalid(`env.${name} must be a list of name and value`);
  }
  return { ...(body as unknown as ResolvedPod), volumes: {}, pullSecrets: [] };
}

function header(request: IncomingMessage, name: string): string {
  const raw = request.headers[name];
  const value = typeof raw === 'string' ? readHeaderValue(raw) : undefined;
  if (value === undefined || value === '') throw invalid(`the header ${name} is missing or not percent-encoded`);
  return value;
}

function invalid(message: string): ZoneletError {
  return new ZoneletError('InvalidInput', message);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
