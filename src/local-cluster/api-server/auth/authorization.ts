/**
 * Who may do what. There are no RBAC objects: `system:masters` may everything; everybody who is known may look around
 * (discovery, version, health) and ask about themselves; everybody else may see health and version. That is what RBAC's
 * own default roles give to people without a binding.
 */
import type { User } from './user.ts';

export interface Action {
  readonly verb: string;
  /** Undefined: a path that is no resource. */
  readonly resource?: {
    readonly group: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly path?: string;
}

const PUBLIC = ['/healthz', '/livez', '/readyz', '/version', '/version/'];
const DISCOVERY = ['/api', '/api/', '/apis', '/apis/', '/openapi', '/openapi/'];
const ABOUT_ONESELF = ['selfsubjectaccessreviews', 'selfsubjectreviews', 'selfsubjectrulesreviews'];

export function mayDo(user: User, action: Action): boolean {
  if (user.groups.includes('system:masters')) return true;
  const isKnown = user.groups.includes('system:authenticated');
  const { verb, resource, path = '' } = action;
  if (resource === undefined) {
    if (verb !== 'get' && verb !== 'head') return false;
    if (PUBLIC.includes(path)) return true;
    return isKnown && DISCOVERY.some((one) => path === one || (one.endsWith('/') && path.startsWith(one)));
  }
  return isKnown && verb === 'create' && ABOUT_ONESELF.includes(resource.resource);
}

/** Why not, as the API server says it. */
export function refusal(user: User, { verb, resource, path = '' }: Action): string {
  if (resource === undefined) return `User "${user.name}" cannot ${verb} path "${path}"`;
  const { group, namespace = '' } = resource;
  const target =
    resource.subresource === undefined ? resource.resource : `${resource.resource}/${resource.subresource}`;
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return `User "${user.name}" cannot ${verb} resource "${target}" in API group "${group}" ${scope}`;
}
