/** `serviceaccounts/token`. Source: pkg/registry/core/serviceaccount/storage/token.go. */
import type { AuthenticationV1TokenRequest } from '@kubernetes/client-node';
import { formatTime } from '../../../kube/micro-time.ts';
import type { Pod, Wire } from '../../../kube/types.ts';
import { API_AUDIENCES } from '../auth/tokens.ts';
import { badRequest, conflict, invalid, invalidValue, notFound } from '../failure.ts';
import { serviceAccounts } from '../kinds/config.ts';
import { readBody } from '../media-types.ts';
import { decode } from '../schema/decode.ts';
import type { ServerContext } from '../server-context.ts';
import { type Call, decodeAs, subjectOf } from './call.ts';

const API_VERSION = 'authentication.k8s.io/v1';
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
const COLLECTIONS: Readonly<Record<string, string>> = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' };

/** The JSON of the TokenRequest with its status. */
export function requestToken(server: ServerContext, call: Call): string {
  const { request, namespace = '', name = '' } = call;
  const object = decodeAs('TokenRequest', API_VERSION, readBody(request), call);
  const spec = (object as unknown as Wire<AuthenticationV1TokenRequest>).spec ?? {};
  const stored = server.store.collection('serviceaccounts').get(`${namespace}/${name}`);
  if (stored === undefined) throw notFound(subjectOf(serviceAccounts), name);
  const uid = stored.object.metadata.uid ?? '';
  if ((object.metadata.name ?? name) !== name) {
    throw badRequest(`the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`);
  }
  const expirationSeconds = spec.expirationSeconds ?? 3600;
  const subject = { group: 'authentication.k8s.io', resource: 'TokenRequest' };
  if (expirationSeconds < MIN_SECONDS || expirationSeconds > MAX_SECONDS) {
    const why =
      expirationSeconds < MIN_SECONDS
        ? 'may not specify a duration less than 10 minutes'
        : 'may not specify a duration larger than 2^32 seconds';
    throw invalid(subject, '', [invalidValue('spec.expirationSeconds', expirationSeconds, why)]);
  }
  const asked = spec.audiences ?? [];
  const audiences = asked.length === 0 ? API_AUDIENCES : asked;
  const { bound, node } = binding(server, namespace, name, spec.boundObjectRef);
  const { token, expiresAtMs } = server.tokens.issue(
    {
      namespace,
      serviceAccount: { name, uid },
      ...(bound === undefined ? {} : { bound }),
      ...(node === undefined ? {} : { node }),
    },
    audiences,
    expirationSeconds,
  );
  const answer = decode(
    'TokenRequest',
    {
      kind: 'TokenRequest',
      apiVersion: API_VERSION,
      metadata: { name, namespace, uid, creationTimestamp: formatTime(server.clock.now()) },
      spec: { ...spec, audiences, expirationSeconds },
      status: { token, expirationTimestamp: formatTime(expiresAtMs) },
    },
    [],
  );
  return JSON.stringify(answer);
}

interface Bound {
  readonly bound?: { readonly kind: 'Pod' | 'Secret' | 'Node'; readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid?: string };
}

function binding(
  server: ServerContext,
  namespace: string,
  account: string,
  reference: NonNullable<Wire<AuthenticationV1TokenRequest>['spec']>['boundObjectRef'] | null,
): Bound {
  if (reference === undefined || reference === null) return {};
  const { kind = '', name = '', uid } = reference;
  const resource = Object.hasOwn(COLLECTIONS, kind) ? COLLECTIONS[kind] : undefined;
  if (resource === undefined) {
    const [group, version] = (reference.apiVersion ?? '').includes('/')
      ? (reference.apiVersion ?? '').split('/')
      : ['', reference.apiVersion ?? ''];
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
  }
  const key = kind === 'Node' ? name : `${namespace}/${name}`;
  const stored = server.store.collection(resource).get(key);
  if (stored === undefined) throw notFound({ group: '', resource }, name);
  const actual = stored.object.metadata.uid ?? '';
  if (uid !== undefined && uid !== '' && uid !== actual) {
    const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ group: '', resource }, name, why);
  }
  const bound = { kind: kind as 'Pod' | 'Secret' | 'Node', name, uid: actual };
  if (kind !== 'Pod') return { bound };
  const { spec } = stored.object as Pod;
  if (spec?.serviceAccountName !== account) {
    const why = `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name.`;
    throw badRequest(why);
  }
  if ((spec.nodeName ?? '') === '') return { bound };
  const node = server.store.collection('nodes').get(spec.nodeName ?? '')?.object.metadata.uid;
  return { bound, node: { name: spec.nodeName ?? '', ...(node === undefined ? {} : { uid: node }) } };
}
