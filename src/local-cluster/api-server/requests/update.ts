/** PUT and what a PATCH comes down to. Source: pkg/registry/rest/update.go, pkg/registry/generic/registry/store.go. */
import type { Namespace } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { badRequest, conflict, invalid, invalidValue, MODIFIED, notFound, plainError } from '../failure.ts';
import { type PartialUpdate, qualifiedResource } from '../kinds/kind.ts';
import { readBody } from '../media-types.ts';
import type { ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { metadataProblems, metadataUpdateProblems } from '../validation/metadata.ts';
import { type Call, canonical, decodeObject, isDryRun, keyOf, kindSubject, subjectOf } from './call.ts';
import { createObject } from './create.ts';

export interface Updated {
  readonly stored: Stored;
  readonly created: boolean;
}

/** `part`: the subresource, undefined for the object itself. */
export function replaceFromRequest(server: ServerContext, call: Call, part: PartialUpdate | undefined): Updated {
  const { kind, request, namespace } = call;
  const name = call.name ?? '';
  const next = decodeObject(call, readBody(request));
  checkName(next, name, kind.namespaced ? namespace : undefined);
  const old = server.store.collection(qualifiedResource(kind)).get(keyOf(kind, namespace, name));
  const uid = next.metadata.uid ?? '';
  if (old === undefined && (!kind.allowCreateOnUpdate || part !== undefined)) throw notFound(subjectOf(kind), name);
  if (uid !== '' && uid !== (old?.object.metadata.uid ?? '')) throw uidConflict(call, uid, old);
  if (old === undefined) {
    delete next.metadata.resourceVersion;
    return { stored: createObject(server, call, next, isDryRun(call)), created: true };
  }
  return { stored: updateObject(server, call, old, next, part, isDryRun(call)), created: false };
}

/** The names in an object must be those of its path. */
export function checkName({ metadata }: ApiObject, name: string, namespace: string | undefined): void {
  const given = metadata.name ?? '';
  if (given === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  if (given !== name) {
    throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  }
  const space = metadata.namespace ?? '';
  if (namespace !== undefined && space !== '' && space !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

function uidConflict({ kind, namespace, name = '' }: Call, uid: string, old: Stored | undefined): Error {
  const path = `/registry/${kind.plural}/${keyOf(kind, namespace, name)}`;
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old?.object.metadata.uid ?? ''}`;
  return conflict(
    subjectOf(kind),
    name,
    `StorageError: invalid object, Code: 4, Key: ${path}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`,
  );
}

/** `next` is decoded and completed, and may be changed; nothing is written when it changes nothing. */
export function updateObject(
  server: ServerContext,
  { kind, namespace }: Call,
  old: Stored,
  next: ApiObject,
  part: PartialUpdate | undefined,
  dryRun: boolean,
): Stored {
  const { metadata } = next;
  const before = old.object.metadata;
  const name = before.name ?? '';
  server.admission.update(kind, next, old.object);
  const given = metadata.resourceVersion ?? '';
  if (!/^\d*$/.test(given)) throw plainError(`strconv.ParseUint: parsing ${JSON.stringify(given)}: invalid syntax`);
  if (given === '' || given === '0') {
    if (!kind.allowUnconditionalUpdate) {
      const problem = invalidValue('metadata.resourceVersion', 0, 'must be specified for an update');
      throw invalid(subjectOf(kind), name, [problem]);
    }
  } else if (given !== before.resourceVersion) throw conflict(subjectOf(kind), name, MODIFIED);

  if (kind.namespaced) metadata.namespace ??= namespace ?? '';
  setOrDelete(metadata, 'generation', before.generation);
  if (part === undefined) kind.prepareUpdate(next, old.object);
  else part.prepare(next, old.object);
  if (part === undefined && kind.generation?.(next, old.object) === true) {
    metadata.generation = (before.generation ?? 0) + 1;
  }
  if ((metadata.uid ?? '') === '') setOrDelete(metadata, 'uid', before.uid);
  setOrDelete(metadata, 'creationTimestamp', before.creationTimestamp);
  if (before.deletionTimestamp !== undefined) metadata.deletionTimestamp = before.deletionTimestamp;
  if (before.deletionGracePeriodSeconds !== undefined) {
    metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds;
  }
  setOrDelete(metadata, 'resourceVersion', before.resourceVersion);

  const problems = [
    ...metadataProblems(metadata, kind.namespaced, kind.nameCheck),
    ...metadataUpdateProblems(metadata, before),
    // Once for all kinds and once by the kind, as the API server does.
    ...metadataUpdateProblems(metadata, before),
    ...(part === undefined ? kind.problems(next) : []),
    ...(part === undefined ? kind.updateProblems(next, old.object) : part.problems(next, old.object)),
  ];
  if (problems.length > 0) throw invalid(kindSubject(kind), name, problems);
  return commit(server, kind, old, canonical(kind, next), dryRun);
}

/** Writes the new state, or ends the object when nothing holds it any more. */
export function commit(
  server: ServerContext,
  kind: Call['kind'],
  old: Stored,
  final: ApiObject,
  dryRun: boolean,
): Stored {
  const json = JSON.stringify(final);
  if (json === old.json) return old;
  if (dryRun) return { key: old.key, revision: old.revision, object: final, json };
  const collection = qualifiedResource(kind);
  if (isReleased(final)) return server.store.remove(collection, old.key, final);
  return server.store.put(collection, old.key, final);
}

/** It is being deleted, its grace is over, and no finalizer is left. */
function isReleased(object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  if (deletionTimestamp === undefined || (deletionGracePeriodSeconds ?? 0) > 0) return false;
  if (object.kind === 'Namespace' && ((object as Namespace).spec?.finalizers ?? []).length > 0) return false;
  return (finalizers ?? []).length === 0;
}

function setOrDelete<K extends keyof ApiObject['metadata']>(
  metadata: ApiObject['metadata'],
  field: K,
  value: ApiObject['metadata'][K] | undefined,
): void {
  if (value === undefined) delete metadata[field];
  else metadata[field] = value;
}
