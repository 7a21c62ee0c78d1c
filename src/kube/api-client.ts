/**
 * The verbs of the Kubernetes API over any transport (`client.ts` says what they promise).
 * `managedFields` are dropped from everything that is read: nothing here needs them and they are a tenth of the memory.
 */
import type { Clock } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { answerError, watchError } from './api-status.ts';
import type {
  CallOptions,
  KubeClient,
  ListOptions,
  ListPage,
  Selection,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { createLineSplitter } from './line-splitter.ts';
import { type Resource, resourcePath } from './resources.ts';
import type { ApiRequest, Transport } from './transport.ts';
import type { ApiStatus, KubeObject } from './types.ts';
import { type OnWarning, warningsIn } from './warnings.ts';

export interface KubeClientOptions {
  readonly transport: Transport;
  /** Reads a Retry-After that is a date. */
  readonly clock: Clock;
  readonly log?: Logger;
  /** Told what the API server warns of, success by success. */
  readonly onWarning?: OnWarning;
}

const DEFAULT_TIMEOUT_MS = 10_000;

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const;

export function createKubeClient(options: KubeClientOptions): KubeClient {
  const { transport, clock, log, onWarning } = options;

  /** Sends one request and gives the body of its success. */
  async function send(
    method: ApiRequest['method'],
    path: string,
    options: CallOptions,
    extra: Pick<ApiRequest, 'query' | 'body' | 'headers'> = {},
  ): Promise<string> {
    const response = await transport.request({ method, path, ...extra, ...common(options) });
    if (response.status < 200 || response.status > 299)
      throw answerError(response, method !== 'GET', `${method} ${path}`, clock.now());
    for (const text of warningsIn(response.headers.warning)) onWarning?.(text, `${method} ${path}`);
    return response.body;
  }

  async function call(...request: Parameters<typeof send>): Promise<unknown> {
    const body = await send(...request);
    try {
      return JSON.parse(body);
    } catch (cause) {
      // Cut short or not JSON at all. What was asked for may have been done.
      const [method, path] = request;
      const code = method === 'GET' ? 'Unavailable' : 'Ambiguous';
      throw new ZoneletError(code, `${method} ${path}: the answer is not JSON: ${messageOf(cause)}`, { cause });
    }
  }

  return {
    async get(of, at, options = {}) {
      return stripped(await call('GET', resourcePath(of, at), options));
    },

    async list<T extends KubeObject>(of: Resource<T>, options: ListOptions = {}): Promise<ListPage<T>> {
      const path = resourcePath(of, scope(options));
      const answer = await call('GET', path, options, { query: listQuery(options) });
      const { items, metadata } = answer as {
        items?: T[] | null;
        metadata?: { resourceVersion?: string; continue?: string };
      };
      if (metadata?.resourceVersion === undefined) {
        throw new ZoneletError('Unavailable', `GET ${path}: the answer is no list`);
      }
      const apiVersion = of.group === '' ? of.version : `${of.group}/${of.version}`;
      // The items of a list come without apiVersion and kind, those of a watch with them: one shape for both.
      const page = (items ?? []).map((item) => stripped<T>({ apiVersion, kind: of.kind, ...item }));
      const next = metadata.continue;
      return {
        items: page,
        resourceVersion: metadata.resourceVersion,
        ...(next === undefined || next === '' ? {} : { continue: next }),
      };
    },

    async create<T extends KubeObject>(of: Resource<T>, object: T, options: WriteOptions = {}) {
      const { subresource } = options;
      const { name, namespace } = object.metadata ?? {};
      const path = resourcePath(of, {
        ...(namespace === undefined ? {} : { namespace }),
        ...(subresource === undefined ? {} : { subresource, ...(name === undefined ? {} : { name }) }),
      });
      return stripped<T>(await call('POST', path, options, write(object, 'application/json', options.dryRun)));
    },

    async replace<T extends KubeObject>(of: Resource<T>, object: T, options: WriteOptions = {}) {
      const { name, namespace } = object.metadata ?? {};
      if (name === undefined) throw new ZoneletError('InvalidInput', `PUT ${of.plural}: metadata.name is missing`);
      const at = namespace === undefined ? { name } : { name, namespace };
      const path = resourcePath(of, { ...at, ...sub(options.subresource) });
      return stripped<T>(await call('PUT', path, options, write(object, 'application/json', options.dryRun)));
    },

    async patch(of, at, patch, options = {}) {
      const path = resourcePath(of, { ...at, ...sub(options.subresource) });
      return stripped(await call('PATCH', path, options, write(patch.body, PATCH_TYPES[patch.type], options.dryRun)));
    },

    async delete(of, at, options = {}) {
      const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy } = options;
      const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds, propagationPolicy, preconditions };
      // The answer is the object or a status, at the server's choice: nobody has use for it.
      await send('DELETE', resourcePath(of, at), options, write(body, 'application/json', false));
    },

    async *watch<T extends KubeObject>(of: Resource<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
      const path = resourcePath(of, scope(options));
      const what = `watch ${path}`;
      const stream = await transport.stream({ method: 'GET', path, query: watchQuery(options), ...common(options) });
      if (stream.status !== 200) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of stream.chunks) chunks.push(chunk);
        throw answerError({ ...stream, body: Buffer.concat(chunks).toString('utf8') }, false, what, clock.now());
      }
      const lines = createLineSplitter();
      for await (const chunk of stream.chunks) {
        for (const line of lines.push(chunk)) yield parseEvent<T>(line, what);
      }
      const rest = lines.rest();
      if (rest !== '') {
        log?.debug({ path, bytes: rest.length }, 'a watch ended in the middle of an event');
        throw new ZoneletError('Unavailable', `${what}: the stream ended in the middle of an event`);
      }
    },
  };
}

function common(options: CallOptions): Pick<ApiRequest, 'timeoutMs' | 'signal' | 'lane' | 'onSend'> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal, lane, onSend } = options;
  return {
    timeoutMs,
    ...(signal === undefined ? {} : { signal }),
    ...(lane === undefined ? {} : { lane }),
    ...(onSend === undefined ? {} : { onSend }),
  };
}

function scope(selection: Selection): { namespace?: string } {
  return selection.namespace === undefined ? {} : { namespace: selection.namespace };
}

function sub(subresource: string | undefined): { subresource?: string } {
  return subresource === undefined ? {} : { subresource };
}

function write(body: unknown, type: string, dryRun = false): Pick<ApiRequest, 'query' | 'body' | 'headers'> {
  const request = { body: JSON.stringify(body), headers: { 'content-type': type } };
  return dryRun ? { ...request, query: { dryRun: 'All' } } : request;
}

function selectors(selection: Selection): Record<string, string> {
  const { labelSelector, fieldSelector } = selection;
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

function listQuery(options: ListOptions): Record<string, string> {
  const { limit, resourceVersion } = options;
  return {
    ...selectors(options),
    ...(limit === undefined ? {} : { limit: String(limit) }),
    ...(options.continue === undefined ? {} : { continue: options.continue }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function watchQuery(options: WatchOptions): Record<string, string> {
  const { resourceVersion, timeoutSeconds } = options;
  return {
    ...selectors(options),
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion,
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds: String(timeoutSeconds) }),
  };
}

function stripped<T>(value: unknown): T {
  const object = value as KubeObject;
  if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
  return value as T;
}

function parseEvent<T extends KubeObject>(line: string, what: string): WatchEvent<T> {
  let event: { type?: string; object?: KubeObject };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (cause) {
    throw new ZoneletError('Unavailable', `${what}: a line is not JSON: ${messageOf(cause)}`, { cause });
  }
  const { type, object } = event;
  if (typeof object !== 'object' || object === null) {
    throw new ZoneletError('Unavailable', `${what}: an event has no object`);
  }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: stripped<T>(object) };
    case 'BOOKMARK':
      return { type, resourceVersion: object.metadata?.resourceVersion ?? '' };
    case 'ERROR':
      throw watchError(object as ApiStatus, what);
    default:
      throw new ZoneletError('Unavailable', `${what}: unknown event type ${JSON.stringify(type)}`);
  }
}
