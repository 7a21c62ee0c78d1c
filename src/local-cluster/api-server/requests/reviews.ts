/** Kinds that are answered and not kept: who is this, and may they. */
import type {
  V1SelfSubjectAccessReview,
  V1SubjectAccessReview,
  V1SubjectAccessReviewSpec,
  V1TokenReview,
} from '@kubernetes/client-node';
import { formatTime } from '../../../kube/micro-time.ts';
import type { Wire } from '../../../kube/types.ts';
import { type Action, mayDo } from '../auth/authorization.ts';
import { API_AUDIENCES } from '../auth/tokens.ts';
import type { User } from '../auth/user.ts';
import { badRequest, type FieldProblem, invalid, invalidValue } from '../failure.ts';
import { readBody } from '../media-types.ts';
import { decode } from '../schema/decode.ts';
import type { CoreRequest, ServerContext } from '../server-context.ts';
import { decodeAs } from './call.ts';

export interface Review {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  /** The JSON of the answer. */
  answer(server: ServerContext, request: CoreRequest, by: User, authenticate: Authenticate): string;
}

/** The user of a bearer token, and which of the audiences it is for. */
export type Authenticate = (
  token: string,
  audiences: readonly string[],
) => { readonly user: User; readonly audiences: readonly string[] } | undefined;

const AUTHENTICATION = { group: 'authentication.k8s.io', version: 'v1' } as const;
const AUTHORIZATION = { group: 'authorization.k8s.io', version: 'v1' } as const;

export const REVIEWS: readonly Review[] = [
  {
    ...AUTHENTICATION,
    plural: 'tokenreviews',
    singular: 'tokenreview',
    kind: 'TokenReview',
    answer(_, request, __, authenticate) {
      const object = read('TokenReview', AUTHENTICATION, request);
      const { spec } = object as unknown as Wire<V1TokenReview>;
      const { token, audiences = [] } = spec;
      if ((token ?? '') === '') throw badRequest('token is required for TokenReview in authentication');
      const found = authenticate(token, audiences.length === 0 ? API_AUDIENCES : audiences);
      const status =
        found === undefined
          ? { user: {}, error: 'invalid bearer token' }
          : { authenticated: true, user: userInfo(found.user), audiences: found.audiences };
      return written('TokenReview', { ...object, status });
    },
  },
  {
    ...AUTHENTICATION,
    plural: 'selfsubjectreviews',
    singular: 'selfsubjectreview',
    kind: 'SelfSubjectReview',
    answer({ clock }, request, by) {
      const object = read('SelfSubjectReview', AUTHENTICATION, request);
      const metadata = { ...object.metadata, creationTimestamp: formatTime(clock.now()) };
      return written('SelfSubjectReview', { ...object, metadata, status: { userInfo: userInfo(by) } });
    },
  },
  {
    ...AUTHORIZATION,
    plural: 'subjectaccessreviews',
    singular: 'subjectaccessreview',
    kind: 'SubjectAccessReview',
    answer(_, request) {
      const object = read('SubjectAccessReview', AUTHORIZATION, request);
      const { spec } = object as unknown as Wire<V1SubjectAccessReview>;
      const problems = attributeProblems(spec);
      if ((spec.user ?? '') === '' && (spec.groups ?? []).length === 0) {
        problems.push(invalidValue('spec.user', '', 'at least one of user or group must be specified'));
      }
      if (problems.length > 0) throw invalid(subject(AUTHORIZATION), '', problems);
      const user = { name: spec.user ?? '', groups: spec.groups ?? [] };
      return written('SubjectAccessReview', { ...object, status: verdict(user, spec) });
    },
  },
  {
    ...AUTHORIZATION,
    plural: 'selfsubjectaccessreviews',
    singular: 'selfsubjectaccessreview',
    kind: 'SelfSubjectAccessReview',
    answer(_, request, by) {
      const object = read('SelfSubjectAccessReview', AUTHORIZATION, request);
      const { spec } = object as unknown as Wire<V1SelfSubjectAccessReview>;
      const problems = attributeProblems(spec);
      if (problems.length > 0) throw invalid(subject(AUTHORIZATION), '', problems);
      return written('SelfSubjectAccessReview', { ...object, status: verdict(by, spec) });
    },
  },
];

/** The API server leaves the kind out here. */
function subject({ group }: { group: string }): { group: string; resource: string } {
  return { group, resource: '' };
}

function read(kind: string, { group, version }: { group: string; version: string }, request: CoreRequest) {
  const body = readBody(request);
  return decodeAs(kind, `${group}/${version}`, body, { request, warnings: [] });
}

function written(kind: string, object: object): string {
  return JSON.stringify(decode(kind, object as Record<string, unknown>, []));
}

function userInfo({ name, uid, groups, extra }: User): object {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups: [...groups],
    ...(extra === undefined ? {} : { extra }),
  };
}

type Asked = Pick<Wire<V1SubjectAccessReviewSpec>, 'resourceAttributes' | 'nonResourceAttributes'>;

function attributeProblems({ resourceAttributes, nonResourceAttributes }: Asked): FieldProblem[] {
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) {
    const why = 'cannot be specified in combination with resourceAttributes';
    return [invalidValue('spec.nonResourceAttributes', nonResourceAttributes, why)];
  }
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    return [invalidValue('spec.resourceAttributes', null, why)];
  }
  return [];
}

function verdict(user: User, { resourceAttributes, nonResourceAttributes }: Asked): object {
  const allowed = mayDo(user, actionOf(resourceAttributes, nonResourceAttributes));
  return { allowed };
}

function actionOf(on: Asked['resourceAttributes'], path: Asked['nonResourceAttributes']): Action {
  if (on === undefined) return { verb: path?.verb ?? '', path: path?.path ?? '' };
  const { verb = '', group = '', resource = '', subresource, namespace, name } = on;
  return {
    verb,
    resource: {
      group,
      resource,
      ...(subresource === undefined || subresource === '' ? {} : { subresource }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
    },
  };
}
