/** Who a request is from: the user of its certificate, of its bearer token, or nobody. */
import { timingSafeEqual } from 'node:crypto';
import { unauthorized } from '../failure.ts';
import type { CoreRequest } from '../server-context.ts';
import { API_AUDIENCES, type Tokens } from './tokens.ts';
import { ANONYMOUS, type User } from './user.ts';

/** A token that was handed out once and for all, such as the kubeconfig's. */
export interface StaticToken {
  readonly token: string;
  readonly user: User;
}

export interface Authenticator {
  /** Throws 401 for a token that is no good: it is not the same as none. */
  userOf(request: CoreRequest): User;
  byToken(
    token: string,
    audiences: readonly string[],
  ): { readonly user: User; readonly audiences: readonly string[] } | undefined;
}

export function createAuthenticator(tokens: Tokens, staticTokens: readonly StaticToken[]): Authenticator {
  function byToken(token: string, audiences: readonly string[]): ReturnType<Authenticator['byToken']> {
    const known = staticTokens.find((one) => same(one.token, token));
    const own = audiences.filter((audience) => API_AUDIENCES.includes(audience));
    if (known !== undefined) return own.length === 0 ? undefined : { user: known.user, audiences: own };
    return tokens.verify(token, audiences);
  }
  return {
    byToken,
    userOf({ user, headers }) {
      if (user !== undefined) return user;
      const { authorization } = headers;
      if (authorization === undefined || authorization === '') return ANONYMOUS;
      const token = /^bearer\s+(\S+)\s*$/i.exec(authorization)?.[1];
      const found = token === undefined ? undefined : byToken(token, API_AUDIENCES);
      if (found === undefined) throw unauthorized();
      return found.user;
    },
  };
}

function same(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
