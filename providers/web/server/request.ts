/** What a request says: path, headers, query; anything odd is refused with its name. */
import type { IncomingMessage } from 'node:http';
import { ZoneletError } from '../../../src/errors.ts';
import type { Fence, LogOptions } from '../../../src/provider/contract.ts';
import { EPOCH_HEADER, HOLDER_HEADER, OWNER_HEADER, readHeaderValue, ZONE_HEADER } from '../protocol.ts';

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

function header(request: IncomingMessage, name: string): string {
  const raw = request.headers[name];
  const value = typeof raw === 'string' ? readHeaderValue(raw) : undefined;
  if (value === undefined || value === '') throw invalid(`the header ${name} is missing or not percent-encoded`);
  return value;
}

function invalid(message: string): ZoneletError {
  return new ZoneletError('InvalidInput', message);
}
