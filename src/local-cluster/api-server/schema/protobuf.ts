/**
 * Objects in Kubernetes' protobuf form, which stock kubectl sends what it makes itself in (`create deployment`). Only
 * read: everybody who sends it takes JSON as answer. Source: k8s.io/apimachinery pkg/runtime/serializer/protobuf.
 */
import { formatMicroTime, formatTime } from '../../../kube/micro-time.ts';
import type { JsonObject } from '../api-object.ts';
import { DecodeError } from './decode.ts';
import { type Field, type FieldType, findStruct, type Scalar, type Struct, structNamed } from './types.ts';

const MAGIC = Buffer.from('k8s\0');

/** A varint, or the bytes of everything else. */
type Value = bigint | Buffer;
type Message = Map<number, Value[]>;

/** The JSON form of an object; throws `DecodeError` for what is none of a known kind. */
export function readProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new DecodeError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  const envelope = readMessage(body.subarray(MAGIC.length));
  const type = readMessage(bytes(envelope, 1));
  const apiVersion = bytes(type, 1).toString('utf8');
  const kind = bytes(type, 2).toString('utf8');
  const struct = findStruct(kind);
  if (struct === undefined) throw new DecodeError(`no kind ${JSON.stringify(kind)} is registered`);
  return { ...readStruct(struct, bytes(envelope, 2)), kind, apiVersion };
}

function bytes(message: Message, number: number): Buffer {
  const value = message.get(number)?.at(-1);
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function readStruct(struct: Struct, content: Buffer): JsonObject {
  const message = readMessage(content);
  const inner = new Map<number, Message>();
  const object: JsonObject = {};
  for (const field of struct.fields) {
    const [first, second] = field.protobuf;
    if (first === undefined) continue;
    let values: Value[] | undefined;
    if (second === undefined) values = message.get(first);
    else {
      const known = inner.get(first) ?? readMessage(bytes(message, first));
      inner.set(first, known);
      values = known.get(second);
    }
    if (values !== undefined) object[field.name] = readField(field, values);
  }
  return object;
}

function readField({ type }: Field, values: readonly Value[]): unknown {
  switch (type.of) {
    case 'list':
      return values.flatMap((value) => readItems(type.items, value));
    case 'map': {
      const entries = values.map((value) => {
        const entry = readMessage(Buffer.isBuffer(value) ? value : Buffer.alloc(0));
        // A map of lists has messages around the lists.
        const item =
          type.values.of === 'list'
            ? (readMessage(bytes(entry, 2)).get(1) ?? []).map((one) => readValue(listItems(type.values), one))
            : readValue(type.values, entry.get(2)?.at(-1) ?? Buffer.alloc(0));
        return [bytes(entry, 1).toString('utf8'), item] as const;
      });
      return Object.fromEntries(entries);
    }
    default:
      return readValue(type, values.at(-1) ?? Buffer.alloc(0));
  }
}

function listItems(type: FieldType): FieldType {
  return type.of === 'list' ? type.items : type;
}

/** Numbers may come packed: many in one value. */
function readItems(type: FieldType, value: Value): unknown[] {
  const isNumber = type.of === 'scalar' && ['int', 'long', 'bool'].includes(type.scalar);
  if (!isNumber || !Buffer.isBuffer(value)) return [readValue(type, value)];
  const items: unknown[] = [];
  for (let at = 0; at < value.length; ) {
    const [number, next] = readVarint(value, at);
    items.push(readValue(type, number));
    at = next;
  }
  return items;
}

function readValue(type: FieldType, value: Value): unknown {
  if (type.of === 'struct') return readStruct(structNamed(type.name), Buffer.isBuffer(value) ? value : Buffer.alloc(0));
  if (type.of !== 'scalar') throw new DecodeError('a list in a list is not known in protobuf');
  return readScalar(type.scalar, value);
}

function readScalar(scalar: Scalar, value: Value): unknown {
  if (!Buffer.isBuffer(value)) {
    const number = BigInt.asIntN(64, value);
    return scalar === 'bool' ? number !== 0n : Number(number);
  }
  switch (scalar) {
    case 'string':
      return value.toString('utf8');
    case 'bytes':
      return value.toString('base64');
    case 'float':
      return value.readDoubleLE(0);
    case 'quantity':
      return bytes(readMessage(value), 1).toString('utf8') || '0';
    case 'intstr': {
      const message = readMessage(value);
      const isText = message.get(1)?.at(-1) === 1n;
      return isText ? bytes(message, 3).toString('utf8') : Number(BigInt.asIntN(32, integer(message, 2)));
    }
    case 'time':
    case 'microtime': {
      // Nothing in it: no time.
      if (value.length === 0) return null;
      const message = readMessage(value);
      const ms = Number(BigInt.asIntN(64, integer(message, 1))) * 1000 + Number(integer(message, 2)) / 1e6;
      return scalar === 'time' ? formatTime(ms) : formatMicroTime(ms);
    }
    case 'any':
      return JSON.parse(bytes(readMessage(value), 1).toString('utf8') || 'null');
    default:
      throw new DecodeError(`a ${scalar} has the wrong wire type`);
  }
}

function integer(message: Message, number: number): bigint {
  const value = message.get(number)?.at(-1);
  return typeof value === 'bigint' ? value : 0n;
}

function readMessage(content: Buffer): Message {
  const message: Message = new Map();
  for (let at = 0; at < content.length; ) {
    const [tag, afterTag] = readVarint(content, at);
    const number = Number(tag >> 3n);
    const [value, next] = readWire(content, afterTag, Number(tag & 7n));
    at = next;
    const known = message.get(number);
    if (known === undefined) message.set(number, [value]);
    else known.push(value);
  }
  return message;
}

function readWire(content: Buffer, at: number, wireType: number): [value: Value, next: number] {
  switch (wireType) {
    case 0:
      return readVarint(content, at);
    case 1:
      return [slice(content, at, 8), at + 8];
    case 2: {
      const [length, start] = readVarint(content, at);
      return [slice(content, start, Number(length)), start + Number(length)];
    }
    case 5:
      return [slice(content, at, 4), at + 4];
    default:
      throw new DecodeError(`proto: illegal wireType ${wireType}`);
  }
}

function slice(content: Buffer, start: number, length: number): Buffer {
  if (start + length > content.length) throw new DecodeError('unexpected EOF');
  return content.subarray(start, start + length);
}

function readVarint(content: Buffer, start: number): [value: bigint, next: number] {
  let value = 0n;
  for (let at = start, shift = 0n; shift < 70n; at++, shift += 7n) {
    const byte = content[at];
    if (byte === undefined) throw new DecodeError('unexpected EOF');
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return [value, at + 1];
  }
  throw new DecodeError('proto: integer overflow');
}
