/**
 * The fields of every kind, compiled from `types.json` (made by `test/kubernetes/local-cluster-schema.ts` from the Go
 * types). A field's text there is its type, then flags:
 *
 * - type: `string bool int long float quantity intstr time microtime bytes any`, the name of a struct, `T[]`, `map:T`
 * - `ptr`: a zero value that was given is kept; without it, Go's `omitempty` leaves zero values out
 * - `keep`: always written, as its zero value when it was not given
 * - `omitzero`: a struct or time that is left out when it was not given
 * - `merge=KEY`: strategic merge patches merge the list by that key (by value when it is empty), or the map
 * - `retainKeys`: strategic merge patches may name the keys that stay
 * - `#1.2`: its number in protobuf, behind that of the message it is in where JSON has its fields among the others
 */
import table from './types.json' with { type: 'json' };

export type Scalar =
  | 'string'
  | 'bool'
  | 'int'
  | 'long'
  | 'float'
  | 'quantity'
  | 'intstr'
  | 'time'
  | 'microtime'
  | 'bytes'
  | 'any';

export type FieldType =
  | { readonly of: 'scalar'; readonly scalar: Scalar }
  | { readonly of: 'struct'; readonly name: string }
  | { readonly of: 'list'; readonly items: FieldType }
  | { readonly of: 'map'; readonly values: FieldType };

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly pointer: boolean;
  readonly keep: boolean;
  readonly omitZero: boolean;
  /** Undefined: strategic merge patches replace the list. */
  readonly mergeKey: string | undefined;
  readonly retainKeys: boolean;
  /** Numbers from the struct's message to the field. Empty: protobuf has it elsewhere (kind and apiVersion). */
  readonly protobuf: readonly number[];
}

export interface Struct {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byName: ReadonlyMap<string, Field>;
}

const SCALARS: ReadonlySet<string> = new Set<Scalar>([
  'string',
  'bool',
  'int',
  'long',
  'float',
  'quantity',
  'intstr',
  'time',
  'microtime',
  'bytes',
  'any',
]);

function readType(text: string): FieldType {
  if (text.startsWith('map:')) return { of: 'map', values: readType(text.slice(4)) };
  if (text.endsWith('[]')) return { of: 'list', items: readType(text.slice(0, -2)) };
  if (SCALARS.has(text)) return { of: 'scalar', scalar: text as Scalar };
  return { of: 'struct', name: text };
}

function readField(name: string, text: string): Field {
  const [type = '', ...flags] = text.split(' ');
  return {
    name,
    type: readType(type),
    pointer: flags.includes('ptr'),
    keep: flags.includes('keep'),
    omitZero: flags.includes('omitzero'),
    mergeKey: flags.find((flag) => flag.startsWith('merge='))?.slice('merge='.length),
    retainKeys: flags.includes('retainKeys'),
    protobuf: (
      flags
        .find((flag) => flag.startsWith('#'))
        ?.slice(1)
        .split('.') ?? []
    ).map(Number),
  };
}

const structs = new Map<string, Struct>();

/** The struct of that name, such as `Pod` or `PodSpec`; undefined when there is none. */
export function findStruct(name: string): Struct | undefined {
  const known = structs.get(name);
  if (known !== undefined) return known;
  const texts = (table as Readonly<Record<string, Readonly<Record<string, string>>>>)[name];
  if (texts === undefined) return undefined;
  const fields = Object.entries(texts).map(([field, text]) => readField(field, text));
  const struct = { name, fields, byName: new Map(fields.map((field) => [field.name, field])) };
  structs.set(name, struct);
  return struct;
}

export function structNamed(name: string): Struct {
  const struct = findStruct(name);
  if (struct === undefined) throw new Error(`no API type ${name}`);
  return struct;
}
