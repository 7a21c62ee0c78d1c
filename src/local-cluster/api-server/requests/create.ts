/** POST. Source: k8s.io/apiserver pkg/registry/rest/create.go, pkg/registry/generic/registry/store.go. */
import { formatTime } from '../../../kube/micro-time.ts';
import type { ApiObject } from '../api-object.ts';
import { alreadyExists, badRequest, invalid, plainError } from '../failure.ts';
import { qualifiedResource } from '../kinds/kind.ts';
import { readBody } from '../media-types.ts';
import { generateName } from '../name-generator.ts';
import type { ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { metadataProblems } from '../validation/metadata.ts';
import { type Call, canonical, decodeObject, isDryRun, keyOf, kindSubject, subjectOf } from './call.ts';

/** As the API server: then it gives up. */
const NAME_ATTEMPTS = 8;

export function createFromRequest(server: ServerContext, call: Call): Stored {
  const { request } = call;
  const object = decodeObject(call, readBody(request));
  const { namespace } = object.metadata;
  // The default namespace is what some clients put everywhere.
  if (!call.kind.namespaced && namespace === 'default') delete object.metadata.namespace;
  else if (namespace !== undefined && namespace !== (call.namespace ?? '')) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  return createObject(server, call, object, isDryRun(call));
}

/** Creates a decoded and completed object. */
export function createObject(server: ServerContext, call: Call, object: ApiObject, dryRun: boolean): Stored {
  const { kind } = call;
  const { metadata } = object;
  const { store, clock, random } = server;
  if (kind.namespaced) metadata.namespace = call.namespace ?? '';
  const generated = (metadata.name ?? '') === '' && metadata.generateName !== undefined;
  const collection = store.collection(qualifiedResource(kind));
  if (generated) {
    for (let i = 0; i < NAME_ATTEMPTS; i++) {
      metadata.name = generateName(metadata.generateName ?? '', random);
      if (collection.get(keyOf(kind, metadata.namespace, metadata.name)) === undefined) break;
    }
    kind.complete(object);
  }
  metadata.uid = random.uuid();
  metadata.creationTimestamp = formatTime(clock.now());
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  const { resourceVersion } = metadata;
  delete metadata.resourceVersion;
  delete metadata.generation;
  if (kind.generation !== undefined) metadata.generation = 1;

  server.admission.create(kind, object);
  kind.prepareCreate(object, server);
  const name = metadata.name ?? '';
  const problems = [...metadataProblems(metadata, kind.namespaced, kind.nameCheck), ...kind.problems(object)];
  if (problems.length > 0) throw invalid(kindSubject(kind), name, problems);
  const key = keyOf(kind, metadata.namespace, name);
  if (resourceVersion !== undefined) throw plainError('resourceVersion should not be set on objects to be created');
  if (collection.get(key) !== undefined) throw alreadyExists(subjectOf(kind), name);
  const final = canonical(kind, object);
  if (dryRun) delete final.metadata.resourceVersion;
  if (dryRun) return { key, revision: store.revision, object: final, json: JSON.stringify(final) };
  return store.put(collection.name, key, final);
}
