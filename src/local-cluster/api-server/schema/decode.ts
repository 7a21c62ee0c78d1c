/**
 * From JSON to an object of a kind, as Go's decoder and encoder leave it: unknown fields dropped, types checked, zero
 * values left out or written as the Go type says, quantities and times in canonical form, fields in one order (so that
 * equal objects have equal JSON).
 */
import { formatMicroTime, formatTime, parseTime } from '../../../kube/micro-time.ts';
import { addQuantities, readQuantity } from '../../../quantity.ts';
import { isObject, type JsonObject } from '../api-object.ts';
import { type Field, type FieldType, type Scalar, type Struct, structNamed } from './types.ts';

/** A value of the wrong type: the whole object is refused with 400. */
export class DecodeError extends Error {}

/** Paths of fields that the kind does not have. */
export type UnknownFields = string[];

export function decode(kind: string, value: JsonObject, unknown: UnknownFields): JsonObject {
  return decodeStruct(structNamed(kind), value, '', unknown);
}

function decodeStruct(struct: Struct, value: unknown, path: string, unknown: UnknownFields): JsonObject {
  if (!isObject(value)) throw mismatch(value, path, struct.name);
  const result: JsonObject = {};
  for (const field of struct.fields) {
    const given = value[field.name];
    const decoded =
      given === undefined || given === null
        ? absent(field)
        : decodeField(field, given, path === '' ? field.name : `${path}.${field.name}`, unknown);
    if (decoded !== undefined) result[field.name] = decoded;
  }
  for (const name in value) {
    if (!struct.byName.has(name)) unknown.push(path === '' ? name : `${path}.${name}`);
  }
  return result;
}

/** What Go writes for a field that was not given; undefined when nothing. */
function absent(field: Field): unknown {
  const { type, pointer, keep, omitZero } = field;
  if (pointer) return keep ? null : undefined;
  switch (type.of) {
    case 'struct':
      return omitZero ? undefined : decodeStruct(structNamed(type.name), {}, '', []);
    case 'list':
    case 'map':
      return keep ? null : undefined;
    case 'scalar':
      break;
  }
  switch (type.scalar) {
    // Structs in Go, which `omitempty` does not leave out.
    case 'time':
    case 'microtime':
      return omitZero ? undefined : null;
    case 'quantity':
      return '0';
    case 'intstr':
      return 0;
    case 'string':
      return keep ? '' : undefined;
    case 'bool':
      return keep ? false : undefined;
    case 'int':
    case 'long':
    case 'float':
      return keep ? 0 : undefined;
    default:
      return undefined;
  }
}

function decodeField(field: Field, given: unknown, path: string, unknown: UnknownFields): unknown {
  const value = decodeValue(field.type, given, path, unknown);
  if (field.pointer || field.keep) return value;
  switch (field.type.of) {
    case 'struct':
      return field.omitZero && Object.keys(value as object).length === 0 ? undefined : value;
    case 'list':
      return (value as unknown[]).length === 0 ? undefined : value;
    case 'map':
      for (const _ in value as object) return value;
      return undefined;
    case 'scalar':
      return value === '' || value === false || (value === 0 && field.type.scalar !== 'intstr') ? undefined : value;
  }
}

function decodeValue(type: FieldType, value: unknown, path: string, unknown: UnknownFields): unknown {
  switch (type.of) {
    case 'scalar':
      return decodeScalar(type.scalar, value, path);
    case 'struct':
      return decodeStruct(structNamed(type.name), value ?? {}, path, unknown);
    case 'list':
      if (!Array.isArray(value)) throw mismatch(value, path, `[]${typeName(type.items)}`);
      return value.map((item: unknown, i) => decodeValue(type.items, item, `${path}[${i}]`, unknown));
    case 'map': {
      if (!isObject(value)) throw mismatch(value, path, `map[string]${typeName(type.values)}`);
      const result: JsonObject = {};
      for (const key of Object.keys(value).sort()) {
        const item = value[key];
        // A null in a map is the zero value in Go.
        result[key] = item === null ? zero(type.values) : decodeValue(type.values, item, `${path}.${key}`, unknown);
      }
      return result;
    }
  }
}

function decodeScalar(scalar: Scalar, value: unknown, path: string): unknown {
  switch (scalar) {
    case 'any':
      return value;
    case 'string':
    case 'bytes':
      if (value === null) return '';
      if (typeof value !== 'string') throw mismatch(value, path, 'string');
      if (scalar === 'bytes' && !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)) {
        throw new DecodeError(`illegal base64 data in ${path}`);
      }
      return value;
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(value, path, 'bool');
      return value;
    case 'int':
    case 'long':
      if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(value, path, INTEGERS[scalar].name);
      if (Math.abs(value) > INTEGERS[scalar].max) throw mismatch(value, path, INTEGERS[scalar].name);
      return value;
    case 'float':
      if (typeof value !== 'number') throw mismatch(value, path, 'float64');
      return value;
    case 'intstr':
      if (typeof value !== 'string' && !(typeof value === 'number' && Number.isInteger(value))) {
        throw mismatch(value, path, 'intstr.IntOrString');
      }
      return value;
    case 'quantity':
      return decodeQuantity(value);
    case 'time':
      return formatTime(instant(value));
    case 'microtime':
      // The strict form of RFC3339Micro: six digits, no more, no fewer.
      if (typeof value !== 'string' || !/\.\d{6}(Z|[+-]\d{2}:\d{2})$/.test(value)) {
        throw new DecodeError(
          `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05.000000Z07:00": cannot parse it`,
        );
      }
      return formatMicroTime(instant(value));
  }
}

const INTEGERS = {
  int: { name: 'int32', max: 2 ** 31 },
  long: { name: 'int64', max: Number.MAX_SAFE_INTEGER },
} as const;

function decodeQuantity(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || readQuantity(text) === undefined) {
    throw new DecodeError(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  }
  return addQuantities(text);
}

function instant(value: unknown): number {
  const ms = typeof value === 'string' ? parseTime(value) : undefined;
  if (ms === undefined) {
    throw new DecodeError(`parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse it`);
  }
  return ms;
}

function zero(type: FieldType): unknown {
  if (type.of === 'list') return [];
  if (type.of !== 'scalar') return {};
  if (type.scalar === 'quantity') return '0';
  return type.scalar === 'bool' ? false : type.scalar === 'string' || type.scalar === 'bytes' ? '' : 0;
}

function typeName(type: FieldType): string {
  return type.of === 'struct' ? type.name : type.of === 'scalar' ? type.scalar : type.of;
}

function mismatch(value: unknown, path: string, expected: string): DecodeError {
  const got = Array.isArray(value)
    ? 'array'
    : value === null
      ? 'null'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value;
  const where = path.replaceAll(/\[\d+\]/g, '');
  return new DecodeError(`json: cannot unmarshal ${got} into Go struct field ${where} of type ${expected}`);
}
