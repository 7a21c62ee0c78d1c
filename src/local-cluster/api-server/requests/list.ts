/** GET of many: selectors, pages, and which state is meant by a resourceVersion. */
import {
  badRequest,
  expired,
  Failure,
  forbiddenField,
  invalid,
  invalidValue,
  notSupported,
  plainError,
} from '../failure.ts';
import { apiVersionOf, qualifiedResource } from '../kinds/kind.ts';
import { parseFieldSelector } from '../selectors/fields.ts';
import { parseLabelSelector } from '../selectors/labels.ts';
import type { ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import type { Selects } from '../watching.ts';
import type { Call } from './call.ts';

export interface Page {
  readonly items: readonly Stored[];
  readonly revision: number;
  readonly continue: string | undefined;
  readonly remaining: number | undefined;
}

/** What the namespace, the selectors and the name in the path select. */
export function selection({ kind, namespace, name, request }: Call): Selects {
  const labels = parseLabelSelector(request.query.labelSelector ?? '');
  const fields = parseFieldSelector(request.query.fieldSelector ?? '', kind.kind, kind.namespaced, kind.fieldLabels);
  return (object) =>
    (namespace === undefined || !kind.namespaced || object.metadata.namespace === namespace) &&
    (name === undefined || object.metadata.name === name) &&
    labels(object.metadata.labels) &&
    fields(object);
}

/** Throws for what is no number, in the words of a list (400) or a watch (500). */
export function readRevision(text: string | undefined, forWatch: boolean): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const { message } = invalidValue('', text, `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (forWatch) throw plainError(`resourceVersion: ${message}`);
  throw badRequest(`invalid resource version: resourceVersion: ${message}`);
}

export function listPage(server: ServerContext, call: Call): Page {
  const { kind, request } = call;
  const { query } = request;
  const selects = selection(call);
  const limit = readLimit(query.limit);
  const { store } = server;
  const collection = store.collection(qualifiedResource(kind));
  const revision = readRevision(query.resourceVersion, false);
  const match = query.resourceVersionMatch;
  checkMatch(match, query.resourceVersion, query.continue ?? '');

  const position = query.continue === undefined || query.continue === '' ? undefined : readContinue(query.continue);
  if (position !== undefined && revision !== undefined && revision !== 0) {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  if (position !== undefined) {
    // A position without revision is of a list that need not be consistent any more.
    const at = position.revision < 0 ? store.revision : position.revision;
    const then = at === store.revision ? collection.list() : collection.listAt(at);
    if (then === undefined) throw tooOld(position.start);
    const from = then.findIndex(({ key }) => key >= position.start);
    return cut(from < 0 ? [] : then.slice(from), selects, limit, at, isUnselective(call));
  }
  if (revision !== undefined && revision > store.revision) throw tooLarge(revision, store.revision);
  const exact = match === 'Exact' || (match === undefined && limit > 0 && revision !== undefined && revision > 0);
  if (exact && revision !== undefined) {
    const then = collection.listAt(revision);
    if (then === undefined) throw expired('The resourceVersion for the provided list is too old.');
    return cut(then, selects, limit, revision, isUnselective(call));
  }
  // "Any" state is served from memory as a whole, whatever the limit.
  return cut(collection.list(), selects, revision === 0 ? 0 : limit, store.revision, isUnselective(call));
}

function isUnselective({ request, namespace, kind }: Call): boolean {
  const { labelSelector = '', fieldSelector = '' } = request.query;
  return labelSelector === '' && fieldSelector === '' && (namespace === undefined || kind.namespaced);
}

function cut(all: readonly Stored[], selects: Selects, limit: number, revision: number, unselective: boolean): Page {
  const items: Stored[] = [];
  let rest = 0;
  let next: string | undefined;
  for (const stored of all) {
    if (!selects(stored.object)) continue;
    if (limit === 0 || items.length < limit) items.push(stored);
    else {
      next ??= stored.key;
      rest++;
    }
  }
  return {
    items,
    revision,
    continue: next === undefined ? undefined : writeContinue(next, revision),
    remaining: next !== undefined && unselective ? rest : undefined,
  };
}

function readLimit(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const limit = Number(text);
  return Math.max(0, limit);
}

function checkMatch(match: string | undefined, revision: string | undefined, position: string): void {
  if (match === undefined || match === '') return;
  const subject = { group: 'meta.k8s.io', resource: 'ListOptions' };
  const problems = [];
  if (revision === undefined || revision === '') {
    problems.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
    );
  }
  if (position !== '') {
    problems.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'),
    );
  }
  const values = ['Exact', 'NotOlderThan'];
  if (!values.includes(match)) problems.push(notSupported('resourceVersionMatch', match, [...values, '']));
  if (match === 'Exact' && revision === '0') {
    const why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
    problems.push(forbiddenField('resourceVersionMatch', why));
  }
  if (problems.length > 0) throw invalid(subject, '', problems);
}

/** The form of a real API server: clients must not read it, and cannot tell the two apart. */
function writeContinue(start: string, rv: number): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start })).toString('base64url');
}

function readContinue(token: string): { start: string; revision: number } {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Record<string, unknown>;
    if (v === 'meta.k8s.io/v1' && typeof rv === 'number' && typeof start === 'string') return { start, revision: rv };
  } catch {
    // As below.
  }
  throw badRequest('invalid continue token: continue key is not valid: it was not given out by this server');
}

function tooOld(start: string): Failure {
  const failure = expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
  );
  // The typed client calls the field otherwise than the wire does.
  Object.assign(failure.status, { metadata: { continue: writeContinue(start, -1) } });
  return failure;
}

export function tooLarge(asked: number, current: number): Failure {
  const message = `Too large resource version: ${asked}, current: ${current}`;
  return new Failure(504, 'Timeout', `Timeout: ${message}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** The list as JSON; its items are without kind and apiVersion, as typed lists are. */
export function listJson(call: Call, page: Page): string {
  const { kind } = call;
  const apiVersion = apiVersionOf(kind);
  const prefix = itemPrefix(kind.kind, apiVersion);
  const items = page.items.map(({ json }) => (json.startsWith(prefix) ? `{${json.slice(prefix.length)}` : json));
  const metadata = {
    resourceVersion: String(page.revision),
    ...(page.continue === undefined ? {} : { continue: page.continue }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
  return `{"kind":"${kind.kind}List","apiVersion":"${apiVersion}","metadata":${JSON.stringify(metadata)},"items":[${items.join(',')}]}`;
}

function itemPrefix(kind: string, apiVersion: string): string {
  return `{"kind":"${kind}","apiVersion":"${apiVersion}",`;
}
