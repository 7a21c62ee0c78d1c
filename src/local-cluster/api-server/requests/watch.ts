/** GET with `watch`. */
import type { ApiObject, JsonObject } from '../api-object.ts';
import { forbiddenField, invalid, notSupported } from '../failure.ts';
import { apiVersionOf, qualifiedResource } from '../kinds/kind.ts';
import { decode } from '../schema/decode.ts';
import type { CoreResponse, ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { openWatch } from '../watching.ts';
import type { Call } from './call.ts';
import { readRevision, selection } from './list.ts';

/** Without `timeoutSeconds`: the API server's 30 minutes (it adds up to as much again, so that not all end at once). */
const DEFAULT_TIMEOUT_S = 1800;

export function watchResponse(
  server: ServerContext,
  call: Call,
  render: ((type: string, stored: Stored) => string) | undefined,
): CoreResponse {
  const { kind, request } = call;
  const { query } = request;
  const since = readRevision(query.resourceVersion, true);
  const bookmarks = isTrue(query.allowWatchBookmarks);
  const initialEvents = isTrue(query.sendInitialEvents);
  checkInitialEvents(query, initialEvents);
  const timeoutS = Number(query.timeoutSeconds ?? '0');
  const random = DEFAULT_TIMEOUT_S * (1 + server.random.next());
  const chunks = openWatch(server.store, server.clock, {
    collection: qualifiedResource(kind),
    selects: selection(call),
    since,
    initialEvents,
    bookmark: bookmarks ? (revision, end) => bookmarkObject(call, revision, end) : undefined,
    timeoutMs: (timeoutS > 0 ? timeoutS : random) * 1000,
    ...(render === undefined ? {} : { render }),
    signal: request.signal,
  });
  return { status: 200, headers: { 'content-type': 'application/json' }, body: chunks };
}

export function isTrue(value: string | undefined): boolean {
  return value === 'true' || value === '1';
}

function checkInitialEvents(query: Readonly<Record<string, string>>, wanted: boolean): void {
  const given = query.sendInitialEvents;
  const match = query.resourceVersionMatch;
  const problems = [];
  if (given !== undefined && match !== 'NotOlderThan') {
    const why = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    problems.push(forbiddenField('resourceVersionMatch', why));
  }
  if (wanted && problems.length === 0 && !isTrue(query.allowWatchBookmarks)) {
    problems.push(forbiddenField('allowWatchBookmarks', 'sendInitialEvents requires allowWatchBookmarks'));
  }
  if (given === undefined && match !== undefined && match !== '') {
    const why = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
    problems.push(forbiddenField('resourceVersionMatch', why));
  }
  const hasMatch = match !== undefined && match !== '';
  if (hasMatch && match !== 'NotOlderThan') {
    problems.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']));
  }
  if (problems.length > 0) throw invalid({ group: 'meta.k8s.io', resource: 'ListOptions' }, '', problems);
}

/** An empty object of the kind that says how far the watch has come. */
function bookmarkObject({ kind }: Call, revision: number, end: boolean): ApiObject {
  const metadata = {
    resourceVersion: String(revision),
    ...(end ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
  };
  const object: JsonObject = { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata };
  return decode(kind.kind, object, []) as unknown as ApiObject;
}
