/** JSON Patch (RFC 6902). */
import { isObject, type JsonObject, sameJson } from '../api-object.ts';
import { badRequest, Failure } from '../failure.ts';

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** As the API server limits it. */
const MAX_OPERATIONS = 10_000;

/** The document after the patch; `document` itself is not changed. */
export function applyJsonPatch(document: JsonObject, patch: unknown): JsonObject {
  if (!Array.isArray(patch))
    throw badRequest(
      'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
    );
  if (patch.length > MAX_OPERATIONS) {
    throw new Failure(
      413,
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  }
  // The one copy that may be changed.
  let result: unknown = structuredClone(document);
  for (const operation of patch as Operation[]) result = applyOperation(result, operation);
  if (!isObject(result)) throw unprocessable('the patched document is no object');
  return result;
}

function applyOperation(document: unknown, operation: Operation): unknown {
  const { op, path, from, value } = operation;
  if (typeof path !== 'string') throw unprocessable('replace operation does not apply: missing path');
  switch (op) {
    case 'add':
      return add(document, pointer(path), structuredClone(value), op);
    case 'replace':
      if (path !== '') find(document, pointer(path), op);
      return path === '' ? structuredClone(value) : replace(document, pointer(path), structuredClone(value), op);
    case 'remove':
      return remove(document, pointer(path), op);
    case 'test': {
      const found = find(document, pointer(path), op, value === null || value === undefined);
      if (!sameJson(found ?? null, value ?? null)) throw unprocessable(`testing value ${path} failed: test failed`);
      return document;
    }
    case 'move':
    case 'copy': {
      const moved = find(document, pointer(from ?? ''), op);
      const rest = op === 'move' ? remove(document, pointer(from ?? ''), op) : document;
      return add(rest, pointer(path), structuredClone(moved), op);
    }
    default:
      throw unprocessable(`Unexpected kind: ${op}`);
  }
}

function pointer(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw unprocessable(`jsonpatch path ${JSON.stringify(path)} does not begin with /`);
  return path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function find(document: unknown, path: readonly string[], op: string, lenient = false): unknown {
  let at = document;
  for (const part of path) {
    const next = Array.isArray(at) ? at[index(part, at.length - 1, op)] : isObject(at) ? own(at, part) : undefined;
    if (next === undefined) {
      if (lenient) return undefined;
      throw missing(op, path);
    }
    at = next;
  }
  return at;
}

function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function parentOf(document: unknown, path: readonly string[], op: string): { parent: unknown; last: string } {
  return { parent: find(document, path.slice(0, -1), op), last: path.at(-1) ?? '' };
}

function add(document: unknown, path: readonly string[], value: unknown, op: string): unknown {
  if (path.length === 0) return value;
  const { parent, last } = parentOf(document, path, op);
  if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : index(last, parent.length, op), 0, value);
  else if (isObject(parent)) set(parent, last, value);
  else throw missing(op, path);
  return document;
}

function replace(document: unknown, path: readonly string[], value: unknown, op: string): unknown {
  const { parent, last } = parentOf(document, path, op);
  if (Array.isArray(parent)) parent[index(last, parent.length - 1, op)] = value;
  else if (isObject(parent)) set(parent, last, value);
  return document;
}

function remove(document: unknown, path: readonly string[], op: string): unknown {
  find(document, path, op);
  const { parent, last } = parentOf(document, path, op);
  if (Array.isArray(parent)) parent.splice(index(last, parent.length - 1, op), 1);
  else if (isObject(parent)) delete parent[last];
  return document;
}

function set(object: JsonObject, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function index(part: string, max: number, op: string): number {
  const number = /^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN;
  if (!(number <= max)) throw unprocessable(`${op} operation does not apply: invalid array index ${part}`);
  return number;
}

function missing(op: string, path: readonly string[]): Failure {
  return unprocessable(`${op} operation does not apply: doc is missing path: /${path.join('/')}: missing value`);
}

/** What a patch cannot be applied to: 422, reason Invalid. The API server keeps the reason to itself. */
function unprocessable(why: string): Failure {
  const failure = new Failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
  failure.cause = why;
  return failure;
}
