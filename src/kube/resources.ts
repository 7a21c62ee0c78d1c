/** The kinds of object that Zonelet reads or writes, and their paths in the API. */
import type {
  CertificateSigningRequest,
  ConfigMap,
  Deployment,
  Event,
  Eviction,
  KubeObject,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Secret,
  SelfSubjectReview,
  Service,
  SubjectAccessReview,
  TokenRequest,
  TokenReview,
} from './types.ts';

export interface Resource<T extends KubeObject> {
  /** `''` for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Carries the type; never set. */
  readonly type?: T;
}

function resource<T extends KubeObject>(
  groupVersion: string,
  plural: string,
  kind: string,
  namespaced: boolean,
): Resource<T> {
  const slash = groupVersion.indexOf('/');
  const group = slash < 0 ? '' : groupVersion.slice(0, slash);
  return { group, version: groupVersion.slice(slash + 1), plural, kind, namespaced };
}

export const PODS: Resource<Pod> = resource('v1', 'pods', 'Pod', true);
/** Created as the subresource `eviction` of the pod of the same name. */
export const EVICTIONS: Resource<Eviction> = resource('v1', 'pods', 'Eviction', true);
export const NODES: Resource<Node> = resource('v1', 'nodes', 'Node', false);
export const NAMESPACES: Resource<Namespace> = resource('v1', 'namespaces', 'Namespace', false);
export const CONFIG_MAPS: Resource<ConfigMap> = resource('v1', 'configmaps', 'ConfigMap', true);
export const SECRETS: Resource<Secret> = resource('v1', 'secrets', 'Secret', true);
export const SERVICES: Resource<Service> = resource('v1', 'services', 'Service', true);
/** Created as the subresource `token` of the ServiceAccount of the same name. */
export const TOKEN_REQUESTS: Resource<TokenRequest> = resource('v1', 'serviceaccounts', 'TokenRequest', true);
export const EVENTS: Resource<Event> = resource('v1', 'events', 'Event', true);
export const LEASES: Resource<Lease> = resource('coordination.k8s.io/v1', 'leases', 'Lease', true);
export const DEPLOYMENTS: Resource<Deployment> = resource('apps/v1', 'deployments', 'Deployment', true);
export const REPLICA_SETS: Resource<ReplicaSet> = resource('apps/v1', 'replicasets', 'ReplicaSet', true);
export const TOKEN_REVIEWS: Resource<TokenReview> = resource(
  'authentication.k8s.io/v1',
  'tokenreviews',
  'TokenReview',
  false,
);
export const CERTIFICATE_SIGNING_REQUESTS: Resource<CertificateSigningRequest> = resource(
  'certificates.k8s.io/v1',
  'certificatesigningrequests',
  'CertificateSigningRequest',
  false,
);
export const SELF_SUBJECT_REVIEWS: Resource<SelfSubjectReview> = resource(
  'authentication.k8s.io/v1',
  'selfsubjectreviews',
  'SelfSubjectReview',
  false,
);
export const SUBJECT_ACCESS_REVIEWS: Resource<SubjectAccessReview> = resource(
  'authorization.k8s.io/v1',
  'subjectaccessreviews',
  'SubjectAccessReview',
  false,
);

/** `/api/v1/namespaces/ns/pods/name/status` and its shorter forms. */
export function resourcePath(
  of: Resource<KubeObject>,
  at: { readonly namespace?: string; readonly name?: string; readonly subresource?: string } = {},
): string {
  const root = of.group === '' ? `/api/${of.version}` : `/apis/${of.group}/${of.version}`;
  const scope = of.namespaced && at.namespace !== undefined ? `/namespaces/${encodeURIComponent(at.namespace)}` : '';
  const name = at.name === undefined ? '' : `/${encodeURIComponent(at.name)}`;
  return `${root}${scope}/${of.plural}${name}${at.subresource === undefined ? '' : `/${at.subresource}`}`;
}
