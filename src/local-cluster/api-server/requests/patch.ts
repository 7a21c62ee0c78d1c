/** PATCH: the object as it is, patched, then as an update. */
import { isObject, type JsonObject } from '../api-object.ts';
import { badRequest, Failure, invalid, invalidValue, notFound } from '../failure.ts';
import { type PartialUpdate, qualifiedResource } from '../kinds/kind.ts';
import { type PatchType, parseJson, readPatchType } from '../media-types.ts';
import { applyJsonPatch } from '../patch/json.ts';
import { applyMergePatch } from '../patch/merge.ts';
import { applyStrategicPatch } from '../patch/strategic.ts';
import type { CoreRequest, ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { type Call, decodeObject, isDryRun, keyOf, subjectOf, workingCopy } from './call.ts';
import { checkName, updateObject } from './update.ts';

export function patchFromRequest(server: ServerContext, call: Call, part: PartialUpdate | undefined): Stored {
  const { kind, namespace, request } = call;
  const name = call.name ?? '';
  const patch = readPatch(request);
  const dryRun = isDryRun(call);
  const old = server.store.collection(qualifiedResource(kind)).get(keyOf(kind, namespace, name));
  if (old === undefined) throw notFound(subjectOf(kind), name);
  const next = decodePatched(call, patch(workingCopy(old) as unknown as JsonObject, kind.kind));
  checkName(next, name, kind.namespaced ? namespace : undefined);
  return updateObject(server, call, old, next, part, dryRun);
}

/** What a patch makes of an object and is none is the patch's fault: 422, where a body would be 400. */
function decodePatched(call: Call, patched: JsonObject): ReturnType<typeof decodeObject> {
  try {
    return decodeObject(call, patched);
  } catch (error) {
    if (!(error instanceof Failure) || error.status.reason !== 'BadRequest') throw error;
    throw invalid(subjectOf(call.kind), call.name ?? '', [invalidValue('patch', patched, error.message)]);
  }
}

export type ApplyPatch = (document: JsonObject, kind: string) => JsonObject;

/** Reads the patch of a request; throws 415 and 400 before anything else is looked at. */
export function readPatch(request: CoreRequest): ApplyPatch {
  const type = readPatchType(request.headers['content-type']);
  const patch = parseJson(request.body);
  return (document, kind) => applyPatch(type, patch, document, kind);
}

function applyPatch(type: PatchType, patch: unknown, document: JsonObject, kind: string): JsonObject {
  if (type === 'json') return applyJsonPatch(document, patch);
  if (!isObject(patch)) {
    throw badRequest(
      'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    );
  }
  return type === 'merge' ? applyMergePatch(document, patch) : applyStrategicPatch(document, patch, kind);
}
