/** From a request to what it asks of the backend. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../src/clock.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type {
  CapabilitiesAnswer,
  ClaimAnswer,
  CreateAnswer,
  DeleteAnswer,
  ListAnswer,
  PodAnswer,
  StatsAnswer,
} from '../protocol.ts';
import { answer, write } from './answer.ts';
import type { Backend } from './backend.ts';
import { podBodyOf, volumesBodyOf, zoneBodyOf } from './pod-body.ts';
import { Refused } from './refusals.ts';
import { checkUid, fenceOf, flag, gracePeriodOf, integer, logOptionsOf, ownerOf, targetOf } from './request.ts';
import { streamWatch, streamZone } from './streams.ts';

export interface RouteContext {
  readonly backend: Backend;
  readonly clock: Clock;
  /** Tells this process's pages from those of an earlier one. */
  readonly instance: string;
  /** Aborts when the caller is gone or the server stops. */
  readonly signal: AbortSignal;
}

type Handler = (request: IncomingMessage, response: ServerResponse, context: RouteContext) => void | Promise<void>;

/** Pods of one page, unless the caller wants fewer. */
const PAGE = 1000;

/** Answers the request, or throws what it is refused with. */
export async function route(request: IncomingMessage, response: ServerResponse, context: RouteContext): Promise<void> {
  const { segments } = targetOf(request);
  const handlers = handlersOf(segments);
  if (handlers === undefined) throw new Refused(404, 'Unsupported', `there is no ${request.url?.split('?')[0]} here`);
  const handler = handlers[request.method ?? ''];
  if (handler === undefined) {
    response.setHeader('allow', Object.keys(handlers).join(', '));
    throw new Refused(405, 'Unsupported', `${request.method} is not offered for this path`);
  }
  await handler(request, response, context);
}

function handlersOf([version, resource, uid, sub, container, last, ...more]: readonly string[]):
  | Readonly<Record<string, Handler>>
  | undefined {
  if (version !== 'v2' || more.length > 0) return undefined;
  if (resource !== 'pods') {
    if (uid !== undefined || resource === undefined || !Object.hasOwn(SINGLE, resource)) return undefined;
    return SINGLE[resource];
  }
  if (uid === undefined) return { GET: list };
  checkUid(uid);
  if (sub === undefined) return { GET: get(uid), PUT: create(uid), DELETE: remove(uid) };
  if (sub === 'spec' && container === undefined) return { PUT: update(uid) };
  if (sub === 'volumes' && container === undefined) return { PUT: refreshVolumes(uid) };
  if (sub === 'containers' && container !== undefined && last === 'log') return { GET: log(uid, container) };
  return undefined;
}

const SINGLE: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  claim: {
    PUT(request, response, { backend }) {
      const fence = fenceOf(request);
      backend.claim(fence);
      answer(response, 200, { epoch: fence.epoch, holder: fence.holder } satisfies ClaimAnswer);
    },
  },
  watch: {
    GET: (request, response, { backend, clock, signal }) =>
      streamWatch(backend, ownerOf(request, backend.zone), response, clock, signal),
  },
  zone: {
    GET(request, response, { backend, clock, signal }) {
      if (flag(targetOf(request).query, 'watch')) return streamZone(backend, response, clock, signal);
      return answer(response, 200, backend.report());
    },
    async PUT(request, response, { backend, signal }) {
      const zone = await zoneBodyOf(request);
      assertStillThere(signal);
      backend.switchZone(zone);
      answer(response, 200, backend.report());
    },
  },
  stats: {
    GET(request, response, { backend }) {
      answer(response, 200, { pods: backend.stats(ownerOf(request, backend.zone)) } satisfies StatsAnswer);
    },
  },
  capabilities: {
    GET(_request, response, { backend }) {
      const { zone, runtime } = backend;
      const { capabilities } = runtime;
      answer(response, 200, { protocol: 2, zone, runtime: runtime.kind, capabilities } satisfies CapabilitiesAnswer);
    },
  },
};

const list: Handler = (request, response, { backend, instance }) => {
  const owner = ownerOf(request, backend.zone);
  const { query } = targetOf(request);
  const limit = Math.max(1, integer(query, 'limit') ?? PAGE);
  const [ofInstance, position = '0'] = (query.get('continue') ?? `${instance}.0`).split('.');
  if (ofInstance !== instance) throw new ZoneletError('Expired', 'the backend was restarted: begin the list again');
  const page = [...backend.list(owner, Number(position) || 0).take(limit + 1)];
  const last = page.length > limit ? page[limit - 1] : undefined;
  const body: ListAnswer = {
    pods: page.slice(0, limit).map(({ pod }) => pod),
    complete: true,
    ...(last === undefined ? {} : { continue: `${instance}.${last.position}` }),
  };
  answer(response, 200, body);
};

const get =
  (uid: string): Handler =>
  (request, response, { backend }) => {
    const pod = backend.get(ownerOf(request, backend.zone), uid);
    if (pod === undefined) throw new ZoneletError('NotFound', `there is no pod ${uid}`);
    answer(response, 200, { pod } satisfies PodAnswer);
  };

const create =
  (uid: string): Handler =>
  async (request, response, { backend, signal }) => {
    const fence = fenceOf(request);
    const pod = await podBodyOf(request, uid);
    assertStillThere(signal);
    const result: CreateAnswer = backend.create(pod, fence);
    answer(response, result.outcome === 'created' ? 201 : 200, result);
  };

const update =
  (uid: string): Handler =>
  async (request, response, { backend, signal }) => {
    const fence = fenceOf(request);
    const pod = await podBodyOf(request, uid);
    assertStillThere(signal);
    answer(response, 200, { pod: backend.update(pod, fence) } satisfies PodAnswer);
  };

const refreshVolumes =
  (uid: string): Handler =>
  async (request, response, { backend, signal }) => {
    const fence = fenceOf(request);
    const volumes = await volumesBodyOf(request);
    assertStillThere(signal);
    backend.refreshVolumes(uid, volumes, fence);
    answer(response, 200, {});
  };

const remove =
  (uid: string): Handler =>
  (request, response, { backend, signal }) => {
    const grace = gracePeriodOf(targetOf(request).query);
    assertStillThere(signal);
    const result: DeleteAnswer = backend.delete(uid, grace, fenceOf(request));
    answer(response, result.state === 'stopping' ? 202 : 200, result);
  };

const log =
  (uid: string, container: string): Handler =>
  async (request, response, { backend, signal }) => {
    const options = logOptionsOf(targetOf(request).query);
    const chunks = backend.log(ownerOf(request, backend.zone), uid, container, options, signal);
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
    response.flushHeaders();
    for await (const chunk of chunks) if (!(await write(response, chunk))) return;
    // Aborted: the connection breaks, because this is not the end of the log.
    if (signal.aborted) response.destroy();
    else response.end();
  };

/** A caller that went away has taken the outcome for unknown: better that nothing was done. */
function assertStillThere(signal: AbortSignal): void {
  if (signal.aborted) throw new ZoneletError('Aborted', 'the caller went away before it was acted on');
}
