/** The API server as the kubelet API sees it: who is who, who may what, and whether it answers at all. */
import { ZoneletError } from '../../../src/errors.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import type { KubeObject, SubjectAccessReview, TokenReview } from '../../../src/kube/types.ts';

export interface Reviewer {
  readonly client: KubeClient;
  readonly tokens: Map<string, { readonly username: string; readonly groups: string[] }>;
  /** `user verb subresource` */
  readonly allowed: Set<string>;
  readonly asked: string[];
  readonly nodes: Set<string>;
  down: boolean;
}

export function createReviewer(): Reviewer {
  const reviewer: Reviewer = {
    tokens: new Map(),
    allowed: new Set(),
    asked: [],
    nodes: new Set(),
    down: false,
    client: {
      async create(of: { readonly kind: string }, object: KubeObject) {
        if (reviewer.down) throw new ZoneletError('Unavailable', 'the API server is down');
        if (of.kind === 'TokenReview') {
          const { token } = (object as TokenReview).spec;
          reviewer.asked.push('token');
          const user = reviewer.tokens.get(token ?? '');
          return { ...object, status: user === undefined ? { authenticated: false } : { authenticated: true, user } };
        }
        const { user, groups, resourceAttributes } = (object as SubjectAccessReview).spec;
        const question = `${user} ${resourceAttributes?.verb} ${resourceAttributes?.subresource}`;
        reviewer.asked.push(question);
        reviewer.nodes.add(`${resourceAttributes?.resource}/${resourceAttributes?.name}`);
        const allowed =
          reviewer.allowed.has(question) || (groups?.some((group) => reviewer.allowed.has(`@${group}`)) ?? false);
        return { ...object, status: { allowed } };
      },
    } as unknown as KubeClient,
  };
  return reviewer;
}
