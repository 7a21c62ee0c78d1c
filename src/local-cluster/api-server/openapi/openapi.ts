/**
 * `/openapi/v3`: an index, and a document for each group and version; `/openapi/v2`: one document for all, as JSON only.
 * Made from the schema table, so that it says what the server does.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../api-object.ts';
import { notAcceptable } from '../failure.ts';
import type { Kind } from '../kinds/kind.ts';
import { SERVED_KINDS, SERVED_VERSIONS } from '../kinds/served-kinds.ts';
import { type CoreResponse, jsonResponse } from '../server-context.ts';
import { type Dialect, pathsOf } from './paths.ts';
import { definitionName, definitions } from './schemas.ts';

const INFO = { title: 'Kubernetes', version: 'v1.36.3-zonelet' };

/** Documents are large and never change. */
const made = new Map<string, string>();

function once(path: string, make: () => JsonObject): string {
  let text = made.get(path);
  if (text === undefined) {
    text = JSON.stringify(make());
    made.set(path, text);
  }
  return text;
}

/** Undefined: nothing is at that path. */
export function openApi(path: string, accept: string | undefined): CoreResponse | undefined {
  if (path === '/openapi/v3') return jsonResponse(200, once(path, index));
  if (path === '/openapi/v2') {
    // Stock clients ask for its protobuf form, and can do without.
    if (!acceptsJson(accept)) throw notAcceptable(['application/json']);
    return jsonResponse(200, once(path, version2));
  }
  const kinds = documents().get(path.replace(/^\/openapi\/v3\//, ''));
  return kinds === undefined
    ? undefined
    : jsonResponse(
        200,
        once(path, () => version3(kinds)),
      );
}

function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept === '') return true;
  return accept.split(',').some((clause) => /^\s*(application\/json|\*\/\*)\s*(;|$)/.test(clause));
}

function documents(): Map<string, readonly Kind[]> {
  const entries = [...SERVED_VERSIONS].map(
    ([version, kinds]) => [version === 'v1' ? 'api/v1' : `apis/${version}`, kinds] as const,
  );
  return new Map(entries);
}

function index(): JsonObject {
  const paths: JsonObject = {};
  for (const [name, kinds] of documents()) {
    const text = once(`/openapi/v3/${name}`, () => version3(kinds));
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 32).toUpperCase();
    paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` };
  }
  return { paths };
}

const VERSION_3: Dialect = {
  parameter: (name) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } }),
  body: (contentTypes, kind) => ({
    requestBody: {
      required: true,
      content: Object.fromEntries(contentTypes.map((type) => [type, { schema: bodySchema(type, kind) }])),
    },
  }),
  responses: (kind) => ({
    200: { description: 'OK', content: { 'application/json': { schema: refer3(kind) } } },
  }),
};

function bodySchema(type: string, kind: string): JsonObject {
  return type === 'application/json' ? refer3(kind) : { type: 'object' };
}

function refer3(kind: string): JsonObject {
  return { $ref: `#/components/schemas/${definitionName(kind)}` };
}

function version3(kinds: readonly Kind[]): JsonObject {
  const schemas = definitions(kinds, (name) => ({ allOf: [{ $ref: `#/components/schemas/${name}` }], default: {} }));
  return { openapi: '3.0.0', info: INFO, paths: pathsOf(kinds, VERSION_3), components: { schemas } };
}

const VERSION_2: Dialect = {
  parameter: (name) => ({ name, in: 'query', type: 'string', uniqueItems: true }),
  body: (contentTypes) => ({ consumes: [...contentTypes] }),
  responses: (kind) => ({ 200: { description: 'OK', schema: { $ref: `#/definitions/${definitionName(kind)}` } } }),
};

function version2(): JsonObject {
  return {
    swagger: '2.0',
    info: INFO,
    paths: pathsOf(SERVED_KINDS, VERSION_2),
    definitions: definitions(SERVED_KINDS, (name) => ({ $ref: `#/definitions/${name}` })),
  };
}
