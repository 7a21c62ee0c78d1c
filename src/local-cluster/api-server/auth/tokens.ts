/**
 * Tokens of ServiceAccounts: signed, bound to the ServiceAccount and perhaps to a pod, a Secret or a Node, good until
 * they expire or what they are bound to is gone. The key is the data's own secret, so tokens outlive a restart.
 * Source: pkg/serviceaccount (claims.go).
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock, Random } from '../../../clock.ts';
import { isObject } from '../api-object.ts';
import type { Store } from '../storage/store.ts';
import { serviceAccountUser, type User } from './user.ts';

export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  readonly bound?: { readonly kind: 'Pod' | 'Secret' | 'Node'; readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid?: string };
}

export interface Tokens {
  /** `expirationSeconds` from now. */
  issue(
    subject: TokenSubject,
    audiences: readonly string[],
    expirationSeconds: number,
  ): { readonly token: string; readonly expiresAtMs: number };
  /** The user and the audiences of a token that is good for one of `audiences` now; undefined for any other. */
  verify(
    token: string,
    audiences: readonly string[],
  ): { readonly user: User; readonly audiences: string[] } | undefined;
}

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
/** What a token is for unless its request says otherwise. */
export const API_AUDIENCES = [ISSUER];

interface Claims {
  readonly aud: string[];
  readonly exp: number;
  readonly iat: number;
  readonly iss: string;
  readonly jti: string;
  readonly nbf: number;
  readonly sub: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly secret?: { readonly name: string; readonly uid: string };
    readonly node?: { readonly name: string; readonly uid?: string };
  };
}

export interface TokensOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Any text that nobody else has. */
  readonly secret: string;
}

export function createTokens({ store, clock, random, secret }: TokensOptions): Tokens {
  const key = createHash('sha256').update(`service-account-tokens ${secret}`).digest();
  const header = encode({ alg: 'HS256', typ: 'JWT' });

  function sign(content: string): string {
    return createHmac('sha256', key).update(content).digest('base64url');
  }

  function exists(collection: string, name: string, uid: string): boolean {
    return store.collection(collection).get(name)?.object.metadata.uid === uid;
  }

  function isBound(claims: Claims['kubernetes.io']): boolean {
    const { namespace, serviceaccount, pod, secret: kept, node } = claims;
    if (!exists('serviceaccounts', `${namespace}/${serviceaccount.name}`, serviceaccount.uid)) return false;
    if (pod !== undefined) return exists('pods', `${namespace}/${pod.name}`, pod.uid);
    if (kept !== undefined) return exists('secrets', `${namespace}/${kept.name}`, kept.uid);
    return node?.uid === undefined || exists('nodes', node.name, node.uid);
  }

  return {
    issue(subject, audiences, expirationSeconds) {
      const now = Math.floor(clock.now() / 1000);
      const { namespace, serviceAccount, bound, node } = subject;
      const reference = bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } };
      const claims: Claims = {
        aud: [...audiences],
        exp: now + expirationSeconds,
        iat: now,
        iss: ISSUER,
        jti: random.uuid(),
        'kubernetes.io': {
          namespace,
          ...(node === undefined ? {} : { node }),
          ...reference,
          serviceaccount: { name: serviceAccount.name, uid: serviceAccount.uid },
        },
        nbf: now,
        sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
      };
      const content = `${header}.${encode(claims)}`;
      return { token: `${content}.${sign(content)}`, expiresAtMs: claims.exp * 1000 };
    },
    verify(token, audiences) {
      const [head, body, signature, ...more] = token.split('.');
      if (head === undefined || body === undefined || signature === undefined || more.length > 0) return undefined;
      const expected = Buffer.from(sign(`${head}.${body}`));
      const given = Buffer.from(signature);
      if (head !== header || expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined;
      const claims = decodeClaims(body);
      if (claims === undefined) return undefined;
      const now = clock.now() / 1000;
      const matching = claims.aud.filter((audience) => audiences.includes(audience));
      if (now >= claims.exp || now < claims.nbf - 1 || matching.length === 0) return undefined;
      const of = claims['kubernetes.io'];
      if (!isBound(of)) return undefined;
      const extra = {
        'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`],
        ...(of.node === undefined ? {} : { 'authentication.kubernetes.io/node-name': [of.node.name] }),
        ...(of.pod === undefined
          ? {}
          : {
              'authentication.kubernetes.io/pod-name': [of.pod.name],
              'authentication.kubernetes.io/pod-uid': [of.pod.uid],
            }),
      };
      const { name, uid } = of.serviceaccount;
      return { user: serviceAccountUser(of.namespace, name, uid, extra), audiences: matching };
    },
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Only of a token whose signature is right: the shape is ours. */
function decodeClaims(body: string): Claims | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
    return isObject(claims) ? (claims as unknown as Claims) : undefined;
  } catch {
    return undefined;
  }
}
