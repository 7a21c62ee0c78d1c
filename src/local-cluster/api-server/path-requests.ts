/** Paths that are no resource: health, version, discovery, OpenAPI. */
import { mayDo, refusal } from './auth/authorization.ts';
import type { User } from './auth/user.ts';
import { discovery } from './discovery.ts';
import { Failure, methodNotAllowed } from './failure.ts';
import { openApi } from './openapi/openapi.ts';
import { type CoreRequest, type CoreResponse, jsonResponse } from './server-context.ts';

/** The Kubernetes minor that this server behaves like. */
const VERSION = { major: '1', minor: '36', gitVersion: 'v1.36.3-zonelet' };

export function pathRequest(request: CoreRequest, user: User): CoreResponse {
  const { method, path } = request;
  const action = { verb: method.toLowerCase(), path };
  if (!mayDo(user, action)) {
    throw new Failure(403, 'Forbidden', `forbidden: ${refusal(user, action)}`, {});
  }
  const answer = respond(request);
  if (answer === undefined) return text(404, '404 page not found\n');
  if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed();
  return answer;
}

function respond(request: CoreRequest): CoreResponse | undefined {
  const { path, headers } = request;
  switch (path) {
    case '/healthz':
    case '/livez':
    case '/readyz':
      return text(200, 'ok');
    case '/version':
    case '/version/':
      return jsonResponse(200, JSON.stringify(version()));
  }
  if (path === '/openapi' || path.startsWith('/openapi/')) return openApi(path, headers.accept);
  return discovery(path, headers.accept);
}

function version(): object {
  return {
    ...VERSION,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '',
    goVersion: '',
    compiler: 'none',
    platform: 'any',
  };
}

export function text(status: number, body: string): CoreResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}
