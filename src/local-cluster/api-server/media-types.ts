/** What clients may send and what they may ask for. */

import { isObject, type JsonObject } from './api-object.ts';
import { badRequest, Failure, notAcceptable, unsupportedMediaType } from './failure.ts';
import { DecodeError } from './schema/decode.ts';
import { readProtobuf } from './schema/protobuf.ts';
import type { CoreRequest } from './server-context.ts';

const JSON_TYPE = 'application/json';
export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';
const PATCH_TYPES = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
} as const;

export type PatchType = (typeof PATCH_TYPES)[keyof typeof PATCH_TYPES];

function mediaType(header: string | undefined): string {
  return (header?.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** The object in the body of a write: JSON, or protobuf as stock kubectl sends it. Throws 415 and 400. */
export function readBody({ body, headers }: Pick<CoreRequest, 'body' | 'headers'>): JsonObject {
  const type = mediaType(headers['content-type']);
  if (type === PROTOBUF_TYPE) {
    try {
      return readProtobuf(Buffer.isBuffer(body) ? body : Buffer.from(body, 'latin1'));
    } catch (error) {
      if (error instanceof DecodeError) throw badRequest(error.message);
      throw error;
    }
  }
  if (type !== '' && type !== JSON_TYPE) throw unsupportedMediaType([JSON_TYPE, PROTOBUF_TYPE]);
  const value = parseJson(body);
  if (isObject(value)) return value;
  const what = Array.isArray(value) ? 'array' : typeof value;
  throw badRequest(
    `couldn't get version/kind; json parse error: json: cannot unmarshal ${what} into Go value of type struct`,
  );
}

/** Throws 415 for what is no patch that is known here, server-side apply included. */
export function readPatchType(contentType: string | undefined): PatchType {
  const type = mediaType(contentType);
  if (type.startsWith('application/apply-patch+')) throw unsupportedMediaType(Object.keys(PATCH_TYPES));
  if (!Object.hasOwn(PATCH_TYPES, type)) {
    throw new Failure(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  }
  return PATCH_TYPES[type as keyof typeof PATCH_TYPES];
}

export function parseJson(body: CoreRequest['body']): unknown {
  try {
    return JSON.parse(body.toString());
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
