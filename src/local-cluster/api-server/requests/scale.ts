/** `scale` of Deployments and ReplicaSets. Source: pkg/registry/apps/deployment/storage (ScaleREST). */
import type { V1Scale } from '@kubernetes/client-node';
import type { Wire } from '../../../kube/types.ts';
import type { ApiObject, JsonObject } from '../api-object.ts';
import { conflict, invalid, invalidValue, MODIFIED, notFound } from '../failure.ts';
import { qualifiedResource, type ScaleFields } from '../kinds/kind.ts';
import { readBody } from '../media-types.ts';
import { decode } from '../schema/decode.ts';
import type { ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { type Call, decodeAs, isDryRun, keyOf, subjectOf, workingCopy } from './call.ts';
import { readPatch } from './patch.ts';
import { checkName, updateObject } from './update.ts';

type Scale = Wire<V1Scale>;

const API_VERSION = 'autoscaling/v1';

/** GET, PUT and PATCH of the scale; gives its JSON. */
export function scaleRequest(server: ServerContext, call: Call, fields: ScaleFields): string {
  const { kind, namespace, name = '', request } = call;
  const stored = server.store.collection(qualifiedResource(kind)).get(keyOf(kind, namespace, name));
  if (stored === undefined) throw notFound(subjectOf(kind), name);
  const current = scaleOf(fields, stored.object);
  if (request.method === 'GET') return JSON.stringify(current);
  const body =
    request.method === 'PATCH'
      ? readPatch(request)(structuredClone(current) as unknown as JsonObject, 'Scale')
      : readBody(request);
  const next = decodeAs('Scale', API_VERSION, body, call);
  checkName(next, name, namespace);
  return JSON.stringify(scaleOf(fields, apply(server, call, fields, stored, next).object));
}

function apply(server: ServerContext, call: Call, fields: ScaleFields, stored: Stored, next: ApiObject): Stored {
  const { metadata } = next;
  const name = metadata.name ?? '';
  const replicas = (next as Scale).spec?.replicas ?? 0;
  const version = metadata.resourceVersion ?? '';
  if (version !== '' && version !== stored.object.metadata.resourceVersion) {
    throw conflict(subjectOf(call.kind), name, MODIFIED);
  }
  if ((metadata.uid ?? '') !== '' && metadata.uid !== stored.object.metadata.uid) {
    throw conflict(
      subjectOf(call.kind),
      name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${stored.object.metadata.uid}`,
    );
  }
  if (replicas < 0) {
    throw invalid({ group: 'autoscaling', resource: 'Scale' }, name, [
      invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ]);
  }
  const object = workingCopy(stored);
  fields.setReplicas(object, replicas);
  return updateObject(server, call, stored, object, undefined, isDryRun(call));
}

function scaleOf(fields: ScaleFields, object: ApiObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return decode(
    'Scale',
    {
      kind: 'Scale',
      apiVersion: API_VERSION,
      metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
      spec: { replicas: fields.replicas(object) },
      status: { replicas: fields.statusReplicas(object), selector: fields.selector(object) },
    },
    [],
  );
}
