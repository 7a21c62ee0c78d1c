/**
 * Strategic merge patch: a merge patch that knows the kind, so that lists with a merge key are merged by it.
 * Source: k8s.io/apimachinery pkg/util/strategicpatch; which list merges how stands in the schema.
 */
import { isObject, type JsonObject, sameJson } from '../api-object.ts';
import { badRequest, plainError } from '../failure.ts';
import { type Field, type FieldType, type Struct, structNamed } from '../schema/types.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';
const ELEMENT_ORDER = '$setElementOrder/';

/** The document after the patch; `document` itself is not changed. */
export function applyStrategicPatch(document: JsonObject, patch: JsonObject, kind: string): JsonObject {
  return mergeObject(document, patch, structNamed(kind), undefined);
}

/** `struct` undefined: a map, whose values have `values`. */
function mergeObject(
  document: JsonObject,
  patch: JsonObject,
  struct: Struct | undefined,
  values: FieldType | undefined,
): JsonObject {
  const directive = patch[DIRECTIVE];
  if (directive === 'replace') return clean(omit(patch, DIRECTIVE)) as JsonObject;
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw unknownDirective(directive);

  let result: JsonObject = { ...document };
  const retain = patch[RETAIN_KEYS];
  if (retain !== undefined) {
    if (!Array.isArray(retain)) throw badRequest('$retainKeys must be a list of strings');
    result = Object.fromEntries(Object.entries(result).filter(([key]) => retain.includes(key)));
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(ELEMENT_ORDER)) continue;
    if (key.startsWith(DELETE_PRIMITIVES)) {
      const name = key.slice(DELETE_PRIMITIVES.length);
      const list = result[name];
      if (!Array.isArray(value)) throw badRequest(`${key} must be a list`);
      if (Array.isArray(list)) result[name] = list.filter((item) => !value.some((gone) => sameJson(gone, item)));
      continue;
    }
    const field = struct?.byName.get(key);
    const type = field?.type ?? values;
    const current = Object.hasOwn(result, key) ? result[key] : undefined;
    if (value === null) delete result[key];
    else if (Array.isArray(value)) result[key] = mergeList(current, value, field, patch[`${ELEMENT_ORDER}${key}`]);
    else if (isObject(value)) {
      const under = childOf(type);
      result[key] = mergeObject(isObject(current) ? current : {}, value, under.struct, under.values);
      if (value[DIRECTIVE] === 'delete') delete result[key];
    } else result[key] = value;
  }
  // An order for a list whose elements do not change.
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(ELEMENT_ORDER)) continue;
    const name = key.slice(ELEMENT_ORDER.length);
    if (Object.hasOwn(patch, name)) continue;
    const list = result[name];
    if (Array.isArray(list)) result[name] = ordered(list, list, order, struct?.byName.get(name)?.mergeKey);
  }
  return result;
}

function childOf(type: FieldType | undefined): { struct?: Struct; values?: FieldType } {
  if (type?.of === 'struct') return { struct: structNamed(type.name) };
  return type?.of === 'map' ? { values: type.values } : {};
}

function mergeList(current: unknown, patch: readonly unknown[], field: Field | undefined, order: unknown): unknown[] {
  const key = field?.mergeKey;
  const list: readonly unknown[] = Array.isArray(current) ? current : [];
  if (key === undefined) return replaced(patch);
  if (patch.some((item) => isObject(item) && item[DIRECTIVE] === 'replace')) return replaced(patch);
  const struct = field?.type.of === 'list' ? childOf(field.type.items).struct : undefined;
  if (key === '' || struct === undefined) {
    const added = patch.filter((item) => !list.some((old) => sameJson(old, item)));
    return ordered([...list, ...added], list, order, undefined);
  }

  const result: unknown[] = [...list];
  for (const item of patch) {
    if (!isObject(item)) throw badRequest(`an element of ${field?.name} in the patch is no object`);
    const id = item[key];
    if (id === undefined) {
      throw plainError(`map: ${goMap(item)} does not contain declared merge key: ${key}`);
    }
    const at = result.findIndex((old) => isObject(old) && sameJson(old[key], id));
    const directive = item[DIRECTIVE];
    if (directive === 'delete') {
      if (at >= 0) result.splice(at, 1);
      continue;
    }
    if (directive !== undefined && directive !== 'merge') throw unknownDirective(directive);
    const before = result[at];
    const merged = mergeObject(isObject(before) ? before : {}, omit(item, DIRECTIVE), struct, undefined);
    if (at >= 0) result[at] = merged;
    else result.push(merged);
  }
  return ordered(result, list, order, key);
}

function replaced(patch: readonly unknown[]): unknown[] {
  return patch.filter((item) => !(isObject(item) && item[DIRECTIVE] !== undefined)).map(clean);
}

/** Named elements in the order given; the others stay where they were among them, after the one they followed. */
function ordered(list: unknown[], before: readonly unknown[], order: unknown, key: string | undefined): unknown[] {
  if (!Array.isArray(order)) return list;
  const same = (item: unknown, named: unknown): boolean =>
    key === undefined || key === ''
      ? sameJson(item, named)
      : isObject(item) && isObject(named) && sameJson(item[key], named[key]);
  const wanted: readonly unknown[] = order;
  const named: unknown[] = wanted.flatMap((one) => list.filter((item) => same(item, one)).slice(0, 1));
  const others = list.filter((item) => !named.includes(item));
  const position = (item: unknown): number =>
    before.findIndex((old) => (key === undefined || key === '' ? sameJson(old, item) : same(old, item)));
  const result: unknown[] = [...named];
  for (const item of others) {
    const at = position(item);
    const next = result.findIndex((one) => position(one) > at && at >= 0);
    result.splice(next < 0 ? result.length : next, 0, item);
  }
  return result;
}

/** A part of the patch that becomes part of the document: without directives and nulls. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([key, item]) => !key.startsWith('$') && item !== null);
  return Object.fromEntries(entries.map(([key, item]) => [key, clean(item)]));
}

function omit(object: JsonObject, key: string): JsonObject {
  const { [key]: _, ...rest } = object;
  return rest;
}

function unknownDirective(directive: unknown): Error {
  return badRequest(`unrecognized patch directive: ${JSON.stringify(directive)}`);
}

/** As Go prints a map. */
function goMap(item: JsonObject): string {
  const keys = Object.keys(item).sort();
  return `map[${keys.map((key) => `${key}:${typeof item[key] === 'string' ? item[key] : JSON.stringify(item[key])}`).join(' ')}]`;
}
