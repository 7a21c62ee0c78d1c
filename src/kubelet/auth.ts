/**
 * Who may use the kubelet API of a node: whoever a client certificate or the API server (TokenReview) names, and whom
 * the API server then allows it (SubjectAccessReview on `nodes/<name>`), as the kubelet in webhook mode.
 * It fails closed: without an answer from the API server nobody is let in. Nobody is anonymous, and no group is above
 * the review.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from '../kube/resources.ts';
import type { Logger } from '../log.ts';
import { subresourcesOf } from './attributes.ts';
import { createBoundedCache } from './bounded-cache.ts';

export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, string[]>>;
}

export interface Credentials {
  /** From a client certificate that was verified against the client CA. */
  readonly certified?: User;
  readonly bearer?: string;
}

export type Verdict =
  | { readonly allowed: true; readonly user: User }
  | { readonly allowed: false; readonly status: 401 | 403 | 500 | 503; readonly message: string };

export interface KubeletAuth {
  check(credentials: Credentials, verb: string, path: string): Promise<Verdict>;
}

export interface KubeletAuthOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a token's owner is believed, in milliseconds. @defaultValue 120000, the kubelet's */
  readonly tokenTtlMs?: number;
  /** How long a permission holds, in milliseconds. @defaultValue 300000, the kubelet's */
  readonly allowedTtlMs?: number;
  /** How long a refusal holds, in milliseconds. @defaultValue 30000, the kubelet's */
  readonly deniedTtlMs?: number;
}

/** Callers of one node: an API server or three, a metrics scraper, some people. */
const MAX_ENTRIES = 1000;
/** Reviews on their way at once: nobody can use us to flood the API server. */
const MAX_OPEN = 32;
const REVIEW_TIMEOUT_MS = 5000;

export function createKubeletAuth(options: KubeletAuthOptions): KubeletAuth {
  const { client, nodeName, clock, log } = options;
  const tokenTtlMs = options.tokenTtlMs ?? 120_000;
  const allowedTtlMs = options.allowedTtlMs ?? 300_000;
  const deniedTtlMs = options.deniedTtlMs ?? 30_000;

  const users = createBoundedCache<User | undefined>({
    clock,
    maxEntries: MAX_ENTRIES,
    maxOpen: MAX_OPEN,
    ttlMs: (user) => (user === undefined ? Math.min(deniedTtlMs, tokenTtlMs) : tokenTtlMs),
  });
  const decisions = createBoundedCache<boolean>({
    clock,
    maxEntries: MAX_ENTRIES,
    maxOpen: MAX_OPEN,
    ttlMs: (allowed) => (allowed ? allowedTtlMs : deniedTtlMs),
  });

  async function reviewToken(token: string): Promise<User | undefined> {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { status } = await client.create(TOKEN_REVIEWS, review, { timeoutMs: REVIEW_TIMEOUT_MS });
    const name = status?.user?.username;
    if (status?.authenticated !== true || name === undefined || name === '') return undefined;
    const { uid, groups, extra } = status.user ?? {};
    return {
      name,
      groups: groups ?? [],
      ...(uid === undefined ? {} : { uid }),
      ...(extra === undefined ? {} : { extra }),
    };
  }

  async function reviewAccess(user: User, verb: string, subresource: string): Promise<boolean> {
    const { name, uid, groups, extra } = user;
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: name,
        groups: [...groups],
        ...(uid === undefined ? {} : { uid }),
        ...(extra === undefined ? {} : { extra }),
        resourceAttributes: { verb, group: '', version: 'v1', resource: 'nodes', subresource, name: nodeName },
      },
    };
    const { status } = await client.create(SUBJECT_ACCESS_REVIEWS, review, { timeoutMs: REVIEW_TIMEOUT_MS });
    return status?.allowed === true && status.denied !== true;
  }

  async function userOf({ certified, bearer }: Credentials): Promise<User | undefined> {
    if (certified !== undefined) return certified;
    if (bearer === undefined) return undefined;
    // The token itself is not kept anywhere.
    return await users.get(createHash('sha256').update(bearer).digest('base64'), () => reviewToken(bearer));
  }

  return {
    async check(credentials, verb, path) {
      let user: User | undefined;
      try {
        user = await userOf(credentials);
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'cannot check a token of a kubelet API request');
        return { allowed: false, status: 503, message: 'the API server cannot be asked who this is' };
      }
      if (user === undefined) return { allowed: false, status: 401, message: 'Unauthorized' };
      const subresources = subresourcesOf(path);
      const asked = `user=${user.name}, verb=${verb}, resource=nodes`;
      for (const subresource of subresources) {
        const { name, uid, groups, extra } = user;
        const key = JSON.stringify([name, uid, groups, extra, verb, subresource]);
        try {
          const by = user;
          if (await decisions.get(key, () => reviewAccess(by, verb, subresource))) return { allowed: true, user };
        } catch (error) {
          log.warn(
            { error: messageOf(error), user: name, verb, subresource },
            'cannot authorize a kubelet API request',
          );
          return { allowed: false, status: 500, message: `Authorization error (${asked}, subresource=${subresource})` };
        }
      }
      return {
        allowed: false,
        status: 403,
        message: `Forbidden (${asked}, subresource(s)=[${subresources.join(' ')}])`,
      };
    },
  };
}
