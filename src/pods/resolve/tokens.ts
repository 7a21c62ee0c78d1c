/**
 * Tokens of pods' ServiceAccounts, from the TokenRequest API and bound to the pod
 * (https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken). They are renewed as by a kubelet:
 * when 80 % of their life is over, or after 24 hours.
 *
 * Guarantees: while a pod waits for something else it causes no second request; a token is kept only until the backend
 * has the pod.
 */
import type { Clock, Random } from '../../clock.ts';
import { hasCode, messageOf } from '../../errors.ts';
import type { TermClient } from '../../fence/term-client.ts';
import { TOKEN_REQUESTS } from '../../kube/resources.ts';
import type { Pod, TokenRequest } from '../../kube/types.ts';
import { Missing } from './missing.ts';

export interface TokenWish {
  /** Empty: the API server itself. */
  readonly audience: string;
  readonly expirationSeconds: number;
}

export interface Token {
  readonly token: string;
  /** Monotonic time. */
  readonly renewAt: number;
}

export interface TokensOptions {
  readonly writes: TermClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

const LIFE_SHARE = 0.8;
const LONGEST_MS = 24 * 3_600_000;
/** Pods that started together do not all ask at the same moment. */
const JITTER_MS = 10_000;

export class ServiceAccountTokens {
  readonly #options: TokensOptions;
  readonly #kept = new Map<string, Map<string, Token>>();

  constructor(options: TokensOptions) {
    this.#options = options;
  }

  /** `Missing` when the API server refuses one; other failures are thrown as they are. */
  async get(pod: Pod, wish: TokenWish): Promise<Token> {
    const uid = pod.metadata?.uid ?? '';
    const key = `${wish.expirationSeconds} ${wish.audience}`;
    const known = this.#kept.get(uid)?.get(key);
    if (known !== undefined && known.renewAt > this.#options.clock.monotonic()) return known;
    const token = await this.#request(pod, wish);
    const ofPod = this.#kept.get(uid) ?? new Map<string, Token>();
    ofPod.set(key, token);
    this.#kept.set(uid, ofPod);
    return token;
  }

  /** The backend has the pod, or nobody wants it any more. */
  release(uid: string): void {
    this.#kept.delete(uid);
  }

  async #request(pod: Pod, wish: TokenWish): Promise<Token> {
    const { writes, clock, random, signal } = this.#options;
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    const account = pod.spec?.serviceAccountName ?? '';
    const request: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name: account, namespace },
      spec: {
        audiences: wish.audience === '' ? [] : [wish.audience],
        expirationSeconds: wish.expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const sentAt = clock.monotonic();
    try {
      const { status, spec } = await writes.create(TOKEN_REQUESTS, request, { subresource: 'token', signal });
      const lifeMs = (spec?.expirationSeconds ?? wish.expirationSeconds) * 1_000;
      const renewAt = sentAt + Math.min(lifeMs * LIFE_SHARE, LONGEST_MS) - random.next() * JITTER_MS;
      return { token: status?.token ?? '', renewAt };
    } catch (error) {
      if (!hasCode(error, 'NotFound', 'Forbidden', 'Unauthorized', 'InvalidInput', 'Conflict')) throw error;
      throw new Missing(`failed to fetch token: ${messageOf(error)}`);
    }
  }
}
