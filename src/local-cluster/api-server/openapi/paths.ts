/** The operations on each kind, as far as clients look at them: which patches and which parameters it takes. */
import type { JsonObject } from '../api-object.ts';
import type { Kind } from '../kinds/kind.ts';

/** How a parameter and a body are written: the two versions of OpenAPI differ in it. */
export interface Dialect {
  parameter(name: string): JsonObject;
  /** What an operation takes and gives, merged into it. */
  body(contentTypes: readonly string[], kind: string): JsonObject;
  responses(kind: string): JsonObject;
}

const JSON_TYPE = ['application/json'];
const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];
const WRITE = ['dryRun', 'fieldManager', 'fieldValidation'];

export function pathsOf(kinds: readonly Kind[], dialect: Dialect): JsonObject {
  const paths: JsonObject = {};
  for (const kind of kinds) {
    const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
    const collection = `${root}${kind.namespaced ? '/namespaces/{namespace}' : ''}/${kind.plural}`;
    const operation = (
      action: string,
      body: readonly string[] | undefined,
      parameters: readonly string[],
    ): JsonObject => ({
      ...(body === undefined ? {} : dialect.body(body, kind.kind)),
      parameters: parameters.map((name) => dialect.parameter(name)),
      responses: dialect.responses(kind.kind),
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind },
    });
    paths[collection] = {
      get: operation('list', undefined, ['labelSelector', 'fieldSelector', 'limit', 'continue', 'watch']),
      post: operation('post', JSON_TYPE, WRITE),
    };
    const item: JsonObject = {
      get: operation('get', undefined, []),
      put: operation('put', JSON_TYPE, WRITE),
      patch: operation('patch', PATCHES, WRITE),
      delete: operation('delete', undefined, ['dryRun', 'gracePeriodSeconds', 'propagationPolicy']),
    };
    paths[`${collection}/{name}`] = item;
    if (kind.status !== undefined) {
      const { get, put, patch } = item;
      paths[`${collection}/{name}/status`] = { get, put, patch };
    }
  }
  return paths;
}
