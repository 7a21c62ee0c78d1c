/** `/api`, `/apis` and what is below: which kinds there are. Source: k8s.io/apimachinery pkg/apis/meta/v1 (APIResource). */
import type { Kind } from './kinds/kind.ts';
import { SERVED_VERSIONS } from './kinds/served-kinds.ts';
import { REVIEWS } from './requests/reviews.ts';
import { type CoreResponse, jsonResponse } from './server-context.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

interface ApiResource {
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly group?: string;
  readonly version?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

/** Undefined: nothing is at that path. */
export function discovery(path: string, _accept: string | undefined): CoreResponse | undefined {
  const [, root, group, version, ...more] = path.replace(/\/$/, '').split('/');
  if (root === 'api' && version === undefined) {
    if (group === undefined) return json({ kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] });
    return group === 'v1' ? resources('v1') : undefined;
  }
  if (root !== 'apis' || more.length > 0) return undefined;
  const groups = groupNames().map(apiGroup);
  if (group === undefined) return json({ kind: 'APIGroupList', apiVersion: 'v1', groups });
  if (version === undefined) {
    const known = groups.find(({ name }) => name === group);
    return known === undefined ? undefined : json({ kind: 'APIGroup', apiVersion: 'v1', ...known });
  }
  return resources(`${group}/${version}`);
}

/** Groups other than the core, each in one version. */
export function groupNames(): string[] {
  const groups = [...[...SERVED_VERSIONS.values()].flat(), ...REVIEWS].map(({ group }) => group);
  return [...new Set(groups)].filter((group) => group !== '');
}

function apiGroup(name: string): { name: string; versions: object[]; preferredVersion: object } {
  const version = { groupVersion: `${name}/v1`, version: 'v1' };
  return { name, versions: [version], preferredVersion: version };
}

function resources(groupVersion: string): CoreResponse | undefined {
  const kinds = SERVED_VERSIONS.get(groupVersion) ?? [];
  const reviews = REVIEWS.filter(({ group, version }) => `${group}/${version}` === groupVersion);
  const list: ApiResource[] = [
    ...kinds.flatMap(kindResources),
    ...reviews.map(({ plural, singular, kind }) => ({
      name: plural,
      singularName: singular,
      namespaced: false,
      kind,
      verbs: ['create'],
    })),
  ];
  if (list.length === 0) return undefined;
  if (groupVersion === 'v1') {
    list.push({ name: 'bindings', singularName: 'binding', namespaced: true, kind: 'Binding', verbs: ['create'] });
  }
  list.sort((a, b) => (a.name < b.name ? -1 : 1));
  return json({
    kind: 'APIResourceList',
    groupVersion,
    ...(groupVersion === 'v1' ? {} : { apiVersion: 'v1' }),
    resources: list,
  });
}

function kindResources(of: Kind): ApiResource[] {
  const { plural, singular, namespaced, kind, shortNames, categories, status, scale } = of;
  const base = { singularName: '', namespaced };
  const main: ApiResource = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: kind === 'Namespace' ? VERBS.filter((verb) => verb !== 'deletecollection') : VERBS,
    ...(shortNames === undefined ? {} : { shortNames }),
    ...(categories === undefined ? {} : { categories }),
  };
  const autoscaling = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
  return [
    main,
    ...(status === undefined ? [] : [{ ...base, name: `${plural}/status`, kind, verbs: ['get', 'patch', 'update'] }]),
    ...(scale === undefined
      ? []
      : [{ ...base, name: `${plural}/scale`, ...autoscaling, verbs: ['get', 'patch', 'update'] }]),
    ...(SPECIAL[kind] ?? []).map((special) => ({ ...base, ...special })),
  ];
}

const SPECIAL: Readonly<Record<string, readonly Omit<ApiResource, 'singularName' | 'namespaced'>[]>> = {
  Namespace: [{ name: 'namespaces/finalize', kind: 'Namespace', verbs: ['update'] }],
  Pod: [
    { name: 'pods/binding', kind: 'Binding', verbs: ['create'] },
    { name: 'pods/eviction', group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] },
    { name: 'pods/log', kind: 'Pod', verbs: ['get'] },
  ],
  ServiceAccount: [
    {
      name: 'serviceaccounts/token',
      group: 'authentication.k8s.io',
      version: 'v1',
      kind: 'TokenRequest',
      verbs: ['create'],
    },
  ],
};

function json(value: object): CoreResponse {
  return jsonResponse(200, JSON.stringify(value));
}
