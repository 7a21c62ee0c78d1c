/** From a path that names a resource, and a method, to what is done. */
import type { Pod } from '../../kube/types.ts';
import type { Authenticator } from './auth/authentication.ts';
import { type Action, mayDo, refusal } from './auth/authorization.ts';
import type { User } from './auth/user.ts';
import { forbidden, methodNotAllowed, notFound, pathNotFound } from './failure.ts';
import { type Kind, type PartialUpdate, qualifiedResource } from './kinds/kind.ts';
import { namespaceFinalize } from './kinds/namespaces.ts';
import { pods } from './kinds/pods.ts';
import { findKind, isServed } from './kinds/served-kinds.ts';
import { negotiate } from './media-types.ts';
import { text } from './path-requests.ts';
import { podLogs } from './pod-logs.ts';
import { podStream } from './pod-streams.ts';
import type { ResourceTarget } from './request-target.ts';
import { bindPod } from './requests/bind.ts';
import { type Call, keyOf, subjectOf } from './requests/call.ts';
import { createFromRequest } from './requests/create.ts';
import { deleteOne, deleteStored, readDeleteOptions } from './requests/delete.ts';
import { evictPod } from './requests/evict.ts';
import { listJson, listPage } from './requests/list.ts';
import { patchFromRequest } from './requests/patch.ts';
import { REVIEWS } from './requests/reviews.ts';
import { scaleRequest } from './requests/scale.ts';
import { requestToken } from './requests/token-request.ts';
import { replaceFromRequest } from './requests/update.ts';
import { isTrue, watchResponse } from './requests/watch.ts';
import { type CoreRequest, type CoreResponse, jsonResponse, type ServerContext } from './server-context.ts';
import type { Stored } from './storage/store.ts';
import { tableFor, tableJson, tableOfItems } from './tables/table.ts';

const SUCCESS = '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}';

export async function resourceRequest(
  server: ServerContext,
  authenticator: Authenticator,
  request: CoreRequest,
  target: ResourceTarget,
  user: User,
): Promise<CoreResponse> {
  authorize(request, target, user);
  const { group, version, resource, name, namespace, subresource } = target;
  const review = REVIEWS.find((one) => one.group === group && one.version === version && one.plural === resource);
  if (review !== undefined) {
    if (name !== undefined || namespace !== undefined) throw pathNotFound();
    if (request.method !== 'POST') throw methodNotAllowed();
    return jsonResponse(201, review.answer(server, request, user, authenticator.byToken));
  }
  const warnings: string[] = [];
  if (group === '' && version === 'v1' && resource === 'bindings' && name === undefined && namespace !== undefined) {
    if (request.method !== 'POST') throw methodNotAllowed();
    bindPod(server, { kind: pods, namespace, name: undefined, request, warnings });
    return jsonResponse(201, SUCCESS, warnings);
  }
  if (!isServed(group, version)) return text(404, '404 page not found\n');
  const kind = findKind(group, version, resource);
  if (kind === undefined || (namespace !== undefined && !kind.namespaced)) throw pathNotFound();
  if (kind.namespaced && namespace === undefined && name !== undefined) throw pathNotFound();
  const call: Call = { kind, namespace, name, request, warnings };
  if (subresource !== undefined) return await subresourceRequest(server, call, subresource);
  return name === undefined ? collectionRequest(server, call, target.watch) : objectRequest(server, call, target.watch);
}

function authorize(request: CoreRequest, target: ResourceTarget, user: User): void {
  const { group, resource, namespace, name, subresource } = target;
  const action: Action = {
    verb: verbOf(request, target),
    resource: {
      group,
      resource,
      ...(subresource === undefined ? {} : { subresource }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
    },
  };
  if (!mayDo(user, action)) throw forbidden({ group, resource }, name ?? '', refusal(user, action));
}

function verbOf({ method, query }: CoreRequest, { name, watch }: ResourceTarget): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete';
    default:
      if (watch || isTrue(query.watch)) return 'watch';
      return name === undefined ? 'list' : 'get';
  }
}

function collectionRequest(server: ServerContext, call: Call, watch: boolean): CoreResponse {
  const { kind, request, warnings, namespace } = call;
  const isScoped = !kind.namespaced || namespace !== undefined;
  switch (request.method) {
    case 'GET': {
      const form = negotiate(request.headers.accept, true);
      if (watch || isTrue(request.query.watch)) {
        return watchResponse(server, call, form === 'table' ? tableFor(server, call) : undefined);
      }
      const page = listPage(server, call);
      return jsonResponse(200, form === 'table' ? tableJson(server, call, page) : listJson(call, page));
    }
    case 'POST': {
      if (!isScoped) throw methodNotAllowed();
      negotiate(request.headers.accept, true);
      const stored = createFromRequest(server, call);
      return written(server, call, 201, stored, warnings);
    }
    case 'DELETE': {
      if (!isScoped || kind.kind === 'Namespace') throw methodNotAllowed();
      const options = readDeleteOptions(call);
      const page = listPage(server, call);
      const items = page.items.map((stored) => deleteStored(server, kind, stored, options).stored);
      return jsonResponse(200, listJson(call, { ...page, items, revision: server.store.revision }));
    }
    default:
      throw methodNotAllowed();
  }
}

function objectRequest(server: ServerContext, call: Call, watch: boolean): CoreResponse {
  const { kind, namespace, name = '', request, warnings } = call;
  switch (request.method) {
    case 'GET': {
      const form = negotiate(request.headers.accept, true);
      if (watch) return watchResponse(server, call, form === 'table' ? tableFor(server, call) : undefined);
      const stored = server.store.collection(qualifiedResource(kind)).get(keyOf(kind, namespace, name));
      if (stored === undefined) throw notFound(subjectOf(kind), name);
      return written(server, call, 200, stored, warnings);
    }
    case 'PUT': {
      const { stored, created } = replaceFromRequest(server, call, undefined);
      return written(server, call, created ? 201 : 200, stored, warnings);
    }
    case 'PATCH':
      return written(server, call, 200, patchFromRequest(server, call, undefined), warnings);
    case 'DELETE': {
      const { stored, gone } = deleteOne(server, call, readDeleteOptions(call));
      if (!gone || kind.returnsDeleted) return written(server, call, 200, stored, warnings);
      return jsonResponse(200, deletedStatus(kind, stored));
    }
    default:
      throw methodNotAllowed();
  }
}

function deletedStatus({ group, plural }: Kind, { object }: Stored): string {
  const { name, uid } = object.metadata;
  const details = { name, ...(group === '' ? {} : { group }), kind: plural, uid };
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}

/** The object, in the form that was asked for. */
function written(
  server: ServerContext,
  call: Call,
  status: number,
  stored: Stored,
  warnings: readonly string[],
): CoreResponse {
  const form = negotiate(call.request.headers.accept, true);
  return jsonResponse(status, form === 'table' ? tableOfItems(server, call, [stored]) : stored.json, warnings);
}

async function subresourceRequest(server: ServerContext, call: Call, subresource: string): Promise<CoreResponse> {
  const { kind, namespace, name = '', request, warnings } = call;
  const { method } = request;
  const part = partOf(kind, subresource);
  if (part !== undefined) {
    if (method === 'GET' && subresource === 'status') return objectRequest(server, call, false);
    if (method === 'PUT') return written(server, call, 200, replaceFromRequest(server, call, part).stored, warnings);
    if (method === 'PATCH' && subresource === 'status') {
      return written(server, call, 200, patchFromRequest(server, call, part), warnings);
    }
    throw methodNotAllowed();
  }
  switch (`${kind.plural}/${subresource}`) {
    case 'deployments/scale':
    case 'replicasets/scale':
      if (!['GET', 'PUT', 'PATCH'].includes(method) || kind.scale === undefined) throw methodNotAllowed();
      return jsonResponse(200, scaleRequest(server, call, kind.scale), warnings);
    case 'pods/binding':
      post(method);
      bindPod(server, call);
      return jsonResponse(201, SUCCESS, warnings);
    case 'pods/eviction':
      post(method);
      evictPod(server, call);
      return jsonResponse(201, SUCCESS, warnings);
    case 'serviceaccounts/token':
      post(method);
      return jsonResponse(201, requestToken(server, call), warnings);
    case 'pods/log': {
      if (method !== 'GET') throw methodNotAllowed();
      const stored = server.store.collection('pods').get(keyOf(kind, namespace, name));
      if (stored === undefined) throw notFound(subjectOf(kind), name);
      return await podLogs(server, stored.object as Pod, request);
    }
    case 'pods/exec':
    case 'pods/attach':
    case 'pods/portforward': {
      if (method !== 'GET' && method !== 'POST') throw methodNotAllowed();
      const stored = server.store.collection('pods').get(keyOf(kind, namespace, name));
      if (stored === undefined) throw notFound(subjectOf(kind), name);
      return podStream(server, stored.object as Pod, subresource as 'exec' | 'attach' | 'portforward', request);
    }
    default:
      throw pathNotFound();
  }
}

function partOf(kind: Kind, subresource: string): PartialUpdate | undefined {
  if (subresource === 'status') return kind.status;
  return kind.kind === 'Namespace' && subresource === 'finalize' ? namespaceFinalize : undefined;
}

function post(method: string): void {
  if (method !== 'POST') throw methodNotAllowed();
}
