/**
 * The API server without sockets: a request in, an answer out. `in-process-transport.ts` calls it from the same process,
 * `server/http-server.ts` from HTTP(S).
 */
import type { Clock, Random } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { type Logger, silentLogger } from '../../log.ts';
import { createAdmission } from './admission/admission.ts';
import type { TolerationSettings } from './admission/default-tolerations.ts';
import { createAuthenticator, type StaticToken } from './auth/authentication.ts';
import { createTokens } from './auth/tokens.ts';
import { bootstrap } from './bootstrap.ts';
import { Failure, internal } from './failure.ts';
import { createHousekeeping } from './housekeeping.ts';
import { pathRequest } from './path-requests.ts';
import type { KubeletDialer } from './pod-logs.ts';
import { readTarget } from './request-target.ts';
import { resourceRequest } from './resource-requests.ts';
import { type CoreRequest, type CoreResponse, jsonResponse, type ServerContext } from './server-context.ts';
import { createStore, type JournalEntry, type StoreOptions } from './storage/store.ts';

export interface ApiServerCoreOptions extends TolerationSettings {
  readonly clock: Clock;
  readonly random: Random;
  /** @defaultValue nothing is logged */
  readonly log?: Logger;
  /** See `StoreOptions`. */
  readonly history?: Pick<StoreOptions, 'historyLimit' | 'historyMs'>;
  /** Where every change is written before it counts, and what was there before. */
  readonly persistence?: {
    readonly journal: (entry: JournalEntry) => void;
    readonly restored: Iterable<JournalEntry>;
    /** The counter goes on from here, or from the newest of `restored`. */
    readonly revision: number;
  };
  /** Bearer tokens that are good from the start. */
  readonly staticTokens?: readonly StaticToken[];
  /** Any secret text: tokens of ServiceAccounts are signed with it. @defaultValue a random one */
  readonly tokenSecret?: string;
  /** PEM. Certificates of clients and kubelets; published in `kube-system`. @defaultValue there is none */
  readonly clientCa?: string;
  /** PEM. What pods verify this server with; published in every namespace. @defaultValue an empty ConfigMap value's place is left out */
  readonly rootCa?: string;
  /** @defaultValue `pods/log` answers 500 */
  readonly kubelets?: KubeletDialer;
}

export interface ApiServerCore {
  /** Never throws: what is refused is an answer. */
  handle(request: CoreRequest): Promise<CoreResponse>;
  /** The resourceVersion of the last change. */
  readonly revision: number;
  /** Everything that is stored, for a compact journal. */
  entries(): Iterable<JournalEntry>;
}

export function createApiServerCore(options: ApiServerCoreOptions): ApiServerCore {
  const { clock, random, log = silentLogger, persistence } = options;
  let journal: ((entry: JournalEntry) => void) | undefined;
  const store = createStore({ clock, ...options.history, journal: (entry) => journal?.(entry) });
  store.restore(persistence?.restored ?? [], persistence?.revision ?? 0);
  // What is restored is in the journal already.
  journal = persistence?.journal;
  const tokens = createTokens({ store, clock, random, secret: options.tokenSecret ?? random.uuid() });
  const server: ServerContext = {
    store,
    clock,
    random,
    log,
    tokens,
    admission: createAdmission({ ...options, store, random }),
    kubelets: options.kubelets,
  };
  const authenticator = createAuthenticator(tokens, options.staticTokens ?? []);
  const housekeeping = createHousekeeping(server, options.rootCa ?? '');
  bootstrap(server, options.clientCa ?? '');
  housekeeping.run();

  async function answer(request: CoreRequest): Promise<CoreResponse> {
    const user = authenticator.userOf(request);
    const target = readTarget(request.path);
    if (target === undefined) return pathRequest(request, user);
    return await resourceRequest(server, authenticator, request, target, user);
  }

  return {
    async handle(request) {
      try {
        const response = await answer(request);
        if (request.method !== 'GET') housekeeping.run();
        return response;
      } catch (error) {
        if (error instanceof Failure) return jsonResponse(error.status.code, JSON.stringify(error.status));
        log.error({ path: request.path, method: request.method, error: messageOf(error) }, 'a request failed');
        const failure = internal(messageOf(error));
        return jsonResponse(failure.status.code, JSON.stringify(failure.status));
      }
    },
    get revision() {
      return store.revision;
    },
    entries: () => store.entries(),
  };
}
