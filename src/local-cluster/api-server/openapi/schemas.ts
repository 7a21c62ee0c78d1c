/** The schema table as OpenAPI definitions: what clients validate by and merge lists by. */
import type { JsonObject } from '../api-object.ts';
import { type Field, type FieldType, type Scalar, structNamed } from '../schema/types.ts';

/** How a definition is referred to: the two versions of OpenAPI differ in it. */
export type Refer = (definition: string) => JsonObject;

const PREFIX = 'io.k8s.api.v1.';

const SCALARS: Readonly<Record<Scalar, JsonObject>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int: { type: 'integer', format: 'int32' },
  long: { type: 'integer', format: 'int64' },
  float: { type: 'number', format: 'double' },
  quantity: { type: 'string' },
  intstr: { type: 'string', format: 'int-or-string' },
  time: { type: 'string', format: 'date-time' },
  microtime: { type: 'string', format: 'date-time' },
  bytes: { type: 'string', format: 'byte' },
  any: { type: 'object' },
};

export interface RootKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export function definitionName(struct: string): string {
  return `${PREFIX}${struct}`;
}

/** Definitions of these kinds and of everything that they are made of. */
export function definitions(roots: readonly RootKind[], refer: Refer): JsonObject {
  const made: JsonObject = {};
  for (const { group, version, kind } of roots) {
    define(kind, refer, made);
    const root = made[definitionName(kind)] as JsonObject;
    root['x-kubernetes-group-version-kind'] = [{ group, version, kind }];
  }
  return made;
}

function define(name: string, refer: Refer, made: JsonObject): void {
  if (made[definitionName(name)] !== undefined) return;
  const properties: JsonObject = {};
  const definition: JsonObject = { type: 'object', properties };
  made[definitionName(name)] = definition;
  for (const field of structNamed(name).fields) properties[field.name] = property(field, refer, made);
}

function property(field: Field, refer: Refer, made: JsonObject): JsonObject {
  const schema = typeSchema(field.type, refer, made);
  const strategies = [...(field.mergeKey === undefined ? [] : ['merge']), ...(field.retainKeys ? ['retainKeys'] : [])];
  if (strategies.length > 0) schema['x-kubernetes-patch-strategy'] = strategies.join(',');
  if (field.mergeKey !== undefined && field.mergeKey !== '') schema['x-kubernetes-patch-merge-key'] = field.mergeKey;
  return schema;
}

function typeSchema(type: FieldType, refer: Refer, made: JsonObject): JsonObject {
  switch (type.of) {
    case 'scalar':
      return { ...SCALARS[type.scalar] };
    case 'struct':
      define(type.name, refer, made);
      return refer(definitionName(type.name));
    case 'list':
      return { type: 'array', items: typeSchema(type.items, refer, made) };
    case 'map':
      return { type: 'object', additionalProperties: typeSchema(type.values, refer, made) };
  }
}
