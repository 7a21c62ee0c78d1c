/** One request on a kind that the server keeps, with what was read out of it. */
import type { ApiObject, JsonObject } from '../api-object.ts';
import { badRequest, invalid, notSupported } from '../failure.ts';
import { apiVersionOf, type Kind } from '../kinds/kind.ts';
import { DecodeError, decode } from '../schema/decode.ts';
import type { CoreRequest } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';

export interface Call {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly request: CoreRequest;
  /** What the client is to be told without being refused. */
  readonly warnings: string[];
}

export function keyOf(kind: Kind, namespace: string | undefined, name: string): string {
  return kind.namespaced ? `${namespace ?? ''}/${name}` : name;
}

/** How messages about objects of the kind name it. */
export function subjectOf(kind: Pick<Kind, 'group' | 'plural'>): { group: string; resource: string } {
  return { group: kind.group, resource: kind.plural };
}

/** How messages about a wrong object name it. */
export function kindSubject(kind: Pick<Kind, 'group' | 'kind'>): { group: string; resource: string } {
  return { group: kind.group, resource: kind.kind };
}

export function isDryRun({ request }: Call): boolean {
  const dryRun = request.query.dryRun;
  if (dryRun === undefined || dryRun === '') return false;
  if (dryRun !== 'All') {
    const options =
      request.method === 'POST' ? 'CreateOptions' : request.method === 'PUT' ? 'UpdateOptions' : 'PatchOptions';
    throw invalid({ group: 'meta.k8s.io', resource: options }, '', [notSupported('dryRun', [dryRun], ['All'])]);
  }
  return true;
}

/** The object that a client sent, of exactly this type. */
export function decodeAs(
  kind: string,
  apiVersion: string,
  body: JsonObject,
  { request, warnings }: Pick<Call, 'request' | 'warnings'>,
): ApiObject {
  const given = { kind: text(body.kind, kind), apiVersion: text(body.apiVersion, apiVersion) };
  if (given.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${given.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (given.kind !== kind) {
    throw badRequest(`${given.kind} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${kind}`);
  }
  return checked(kind, apiVersion, { ...body, kind, apiVersion }, request, warnings);
}

function checked(
  kind: string,
  apiVersion: string,
  body: JsonObject,
  request: CoreRequest,
  warnings: string[],
): ApiObject {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  const unknown: string[] = [];
  let decoded: JsonObject;
  try {
    decoded = decode(kind, body, unknown);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${error.message}`);
  }
  const mode = request.query.fieldValidation ?? 'Warn';
  if (unknown.length > 0 && mode === 'Strict') {
    const fields = unknown.map((field) => `unknown field "${field}"`).join(', ');
    throw badRequest(
      `${kind} in version "${version}" cannot be handled as a ${kind}: strict decoding error: ${fields}`,
    );
  }
  if (mode === 'Warn') warnings.push(...unknown.map((field) => `unknown field "${field}"`));
  const object = decoded as unknown as ApiObject;
  object.metadata ??= {};
  // Who manages which field is not kept: nothing here asks for it.
  delete object.metadata.managedFields;
  delete object.metadata.selfLink;
  return object;
}

export function decodeObject(call: Call, body: JsonObject): ApiObject {
  const object = decodeAs(call.kind.kind, apiVersionOf(call.kind), body, call);
  call.kind.complete(object);
  return object;
}

function text(value: unknown, fallback: string): string {
  if (value === undefined || value === null || value === '') return fallback;
  if (typeof value === 'string') return value;
  throw badRequest("couldn't get version/kind; json parse error: kind and apiVersion must be strings");
}

/** In canonical form: fields in one order, zero values as they are written. */
export function canonical(kind: Kind, object: ApiObject): ApiObject {
  // Keeps its place: the store writes the real one over it.
  object.metadata.resourceVersion ??= '0';
  return decode(kind.kind, object as unknown as JsonObject, []) as unknown as ApiObject;
}

/** A copy to work on. Stored objects are shared. */
export function workingCopy(stored: Stored): ApiObject {
  return JSON.parse(stored.json) as ApiObject;
}
