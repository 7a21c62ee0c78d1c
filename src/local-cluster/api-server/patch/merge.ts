/** JSON Merge Patch (RFC 7386). */
import { isObject, type JsonObject } from '../api-object.ts';

/** The document after the patch; parts that the patch does not name are shared with `document`. */
export function applyMergePatch(document: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = { ...document };
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete result[key];
    else if (isObject(value)) {
      const current = Object.hasOwn(result, key) ? result[key] : undefined;
      result[key] = applyMergePatch(isObject(current) ? current : {}, value);
    } else result[key] = value;
  }
  return result;
}
