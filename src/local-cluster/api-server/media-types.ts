/** What clients may send and what they may ask for. */

import { isObject, type JsonObject } from './api-object.ts';
import { badRequest, notAcceptable, unsupportedMediaType } from './failure.ts';

const JSON_TYPE = 'application/json';
const PATCH_TYPES = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
} as const;

export type PatchType = (typeof PATCH_TYPES)[keyof typeof PATCH_TYPES];

function mediaType(header: string | undefined): string {
  return (header?.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** The object in a body. Throws 415 for anything but JSON, 400 for what is no object. */
export function readBody(body: string, contentType: string | undefined): JsonObject {
  const type = mediaType(contentType);
  if (type !== '' && type !== JSON_TYPE) throw unsupportedMediaType([JSON_TYPE]);
  const value = parseJson(body);
  if (!isObject(value)) {
    throw badRequest(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type struct`,
    );
  }
  return value;
}

/** Throws 415 for what is no patch that is known here, server-side apply included. */
export function readPatchType(contentType: string | undefined): PatchType {
  const type = mediaType(contentType);
  if (!Object.hasOwn(PATCH_TYPES, type)) throw unsupportedMediaType(Object.keys(PATCH_TYPES));
  return PATCH_TYPES[type as keyof typeof PATCH_TYPES];
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(
      `couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : 'no JSON'}`,
    );
  }
}

/** The first of the accepted forms that can be given; throws 406 when none can. */
export function negotiate(accept: string | undefined, tables: boolean): 'object' | 'table' {
  const header = accept ?? '';
  if (header.trim() === '') return 'object';
  for (const clause of header.split(',')) {
    const [type = '', ...parameters] = clause.split(';').map((part) => part.trim());
    if (type !== JSON_TYPE && type !== '*/*' && type !== 'application/*') continue;
    const as = parameters.find((parameter) => parameter.startsWith('as='))?.slice('as='.length);
    if (as === undefined) return 'object';
    const group = parameters.find((parameter) => parameter.startsWith('g='))?.slice('g='.length);
    const version = parameters.find((parameter) => parameter.startsWith('v='))?.slice('v='.length);
    if (tables && as === 'Table' && group === 'meta.k8s.io' && version === 'v1') return 'table';
  }
  throw notAcceptable([JSON_TYPE]);
}
