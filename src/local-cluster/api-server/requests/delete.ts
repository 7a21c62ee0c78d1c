/** DELETE, of one and of many. Source: pkg/registry/rest/delete.go, pkg/registry/generic/registry/store.go. */
import { formatTime, parseTime } from '../../../kube/micro-time.ts';
import type { Namespace } from '../../../kube/types.ts';
import { IMMORTAL_NAMESPACES } from '../admission/namespace-lifecycle.ts';
import type { ApiObject, JsonObject } from '../api-object.ts';
import { badRequest, conflict, forbidden, invalid, invalidValue, notFound, notSupported } from '../failure.ts';
import { type Kind, qualifiedResource } from '../kinds/kind.ts';
import { readBody } from '../media-types.ts';
import { DecodeError, decode } from '../schema/decode.ts';
import type { ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { type Call, canonical, keyOf, subjectOf, workingCopy } from './call.ts';

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: readonly string[];
}

export interface Deleted {
  readonly stored: Stored;
  /** False: it is still there, and ends later. */
  readonly gone: boolean;
}

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';
const POLICIES = ['Foreground', 'Background', 'Orphan'];

/** From the body, and from the query for what the body leaves out. */
export function readDeleteOptions({ request }: Call): DeleteOptions {
  const { query } = request;
  let body: JsonObject = {};
  if (request.body.length > 0) {
    try {
      body = decode('DeleteOptions', readBody(request), []);
    } catch (error) {
      if (error instanceof DecodeError) throw badRequest(error.message);
      throw error;
    }
  } else {
    const { gracePeriodSeconds, propagationPolicy, dryRun, orphanDependents } = query;
    if (gracePeriodSeconds !== undefined) {
      if (!/^-?\d+$/.test(gracePeriodSeconds)) {
        throw badRequest(`strconv.ParseInt: parsing "${gracePeriodSeconds}": invalid syntax`);
      }
      body.gracePeriodSeconds = Number(gracePeriodSeconds);
    }
    if (propagationPolicy !== undefined) body.propagationPolicy = propagationPolicy;
    if (dryRun !== undefined) body.dryRun = [dryRun];
    if (orphanDependents !== undefined) body.orphanDependents = orphanDependents === 'true';
  }
  const options = body as DeleteOptions;
  const subject = { group: 'meta.k8s.io', resource: 'DeleteOptions' };
  if (options.orphanDependents !== undefined && options.propagationPolicy !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set';
    throw invalid(subject, '', [invalidValue('propagationPolicy', options.propagationPolicy, why)]);
  }
  if (options.propagationPolicy !== undefined && !POLICIES.includes(options.propagationPolicy)) {
    throw invalid(subject, '', [notSupported('propagationPolicy', options.propagationPolicy, [...POLICIES, 'nil'])]);
  }
  if ((options.dryRun ?? []).some((value) => value !== 'All')) {
    throw invalid(subject, '', [notSupported('dryRun', options.dryRun, ['All'])]);
  }
  return options;
}

export function deleteOne(server: ServerContext, call: Call, options: DeleteOptions): Deleted {
  const { kind, namespace, name = '' } = call;
  const stored = server.store.collection(qualifiedResource(kind)).get(keyOf(kind, namespace, name));
  if (stored === undefined) throw notFound(subjectOf(kind), name);
  if (kind.kind === 'Namespace' && IMMORTAL_NAMESPACES.includes(name)) {
    throw forbidden(subjectOf(kind), name, 'this namespace may not be deleted');
  }
  return deleteStored(server, kind, stored, options);
}

export function deleteStored(server: ServerContext, kind: Kind, stored: Stored, options: DeleteOptions): Deleted {
  const { object } = stored;
  checkPreconditions(kind, object, options);
  const dryRun = (options.dryRun ?? []).length > 0;
  const next = workingCopy(stored);
  const { metadata } = next;
  if (kind.kind === 'Namespace') return endNamespace(server, kind, stored, next, dryRun);

  const requested = options.gracePeriodSeconds;
  const grace = beginEnd(server, kind, next, requested === undefined ? undefined : requested < 0 ? 1 : requested);
  if (grace === 'pending') return { stored, gone: false };
  const updatesFinalizers = applyPropagation(metadata, options);
  const hasFinalizers = (metadata.finalizers ?? []).length > 0;
  if (grace === undefined && hasFinalizers) markDeleting(server, metadata);
  let current = stored;
  if (grace !== undefined || hasFinalizers || updatesFinalizers) {
    // A pod that ends at once is first shown with a grace of 0, then gone: watchers of a real API server see both.
    current = write(server, kind, stored, next, dryRun);
  }
  if (hasFinalizers || (grace ?? 0) > 0) return { stored: current, gone: false };
  if (dryRun) return { stored: current, gone: true };
  return { stored: server.store.remove(qualifiedResource(kind), stored.key, current.object), gone: true };
}

function checkPreconditions(kind: Kind, { metadata }: ApiObject, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const name = metadata.name ?? '';
  const subject = { group: kind.group, resource: kind.kind };
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`;
    throw conflict(subject, name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`;
    throw conflict(subject, name, why);
  }
}

/**
 * Sets what a graceful end sets. The seconds that it has; undefined when the kind (or this second call) has no grace;
 * `pending` when an earlier end under way is not shortened.
 */
function beginEnd(
  server: ServerContext,
  kind: Kind,
  object: ApiObject,
  requested: number | undefined,
): number | undefined | 'pending' {
  if (kind.graceSeconds === undefined) return undefined;
  const { metadata } = object;
  const nowMs = server.clock.now();
  const current = metadata.deletionGracePeriodSeconds ?? 0;
  if (metadata.deletionTimestamp !== undefined) {
    if (current === 0) return undefined;
    if (requested === undefined || requested >= current) return 'pending';
    const began = (parseTime(metadata.deletionTimestamp) ?? nowMs) - current * 1000;
    let end = began + requested * 1000;
    let seconds = requested;
    if (end < nowMs) {
      end = nowMs;
      // Whoever ends it still sees that it is to end, and ends it.
      if (requested !== 0) seconds = 1;
    }
    metadata.deletionTimestamp = formatTime(end);
    metadata.deletionGracePeriodSeconds = seconds;
    return seconds;
  }
  const seconds = kind.graceSeconds(object, requested);
  metadata.deletionTimestamp = formatTime(nowMs + seconds * 1000);
  metadata.deletionGracePeriodSeconds = seconds;
  if ((metadata.generation ?? 0) > 0) metadata.generation = (metadata.generation ?? 0) + 1;
  return seconds;
}

function markDeleting({ clock }: ServerContext, metadata: ApiObject['metadata']): void {
  if (metadata.deletionTimestamp === undefined) {
    if ((metadata.generation ?? 0) > 0) metadata.generation = (metadata.generation ?? 0) + 1;
    metadata.deletionTimestamp = formatTime(clock.now());
  }
  metadata.deletionGracePeriodSeconds = 0;
}

/** What happens to dependents is a finalizer, which the garbage collector acts on. True when that changed any. */
function applyPropagation(metadata: ApiObject['metadata'], options: DeleteOptions): boolean {
  const before = metadata.finalizers ?? [];
  const { propagationPolicy, orphanDependents } = options;
  const orphan =
    orphanDependents ?? (propagationPolicy === undefined ? before.includes(ORPHAN) : propagationPolicy === 'Orphan');
  const foreground =
    propagationPolicy === undefined
      ? orphanDependents === undefined && before.includes(FOREGROUND)
      : propagationPolicy === 'Foreground';
  const kept = before.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  const after = [...kept, ...(orphan ? [ORPHAN] : []), ...(foreground && !orphan ? [FOREGROUND] : [])];
  if (after.length === before.length && after.every((finalizer) => before.includes(finalizer))) return false;
  if (after.length === 0) delete metadata.finalizers;
  else metadata.finalizers = after;
  return true;
}

/** A namespace ends in two steps: it is marked, and goes when it is empty (`namespace-end.ts`). */
function endNamespace(server: ServerContext, kind: Kind, stored: Stored, next: ApiObject, dryRun: boolean): Deleted {
  const namespace = next as Namespace;
  if (next.metadata.deletionTimestamp === undefined) next.metadata.deletionTimestamp = formatTime(server.clock.now());
  namespace.status = { ...namespace.status, phase: 'Terminating' };
  return { stored: write(server, kind, stored, next, dryRun), gone: false };
}

function write(server: ServerContext, kind: Kind, old: Stored, next: ApiObject, dryRun: boolean): Stored {
  const final = canonical(kind, next);
  const json = JSON.stringify(final);
  if (json === old.json) return old;
  if (dryRun) return { key: old.key, revision: old.revision, object: final, json };
  return server.store.put(qualifiedResource(kind), old.key, final);
}
