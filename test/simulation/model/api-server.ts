/** The embedded API server's core with its controllers, in virtual time; it can be away, answer badly, and be restarted. */
import { createKubeClient } from '../../../src/kube/api-client.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import type { ApiRequest, Transport } from '../../../src/kube/transport.ts';
import { ADMIN } from '../../../src/local-cluster/api-server/auth/user.ts';
import { type ApiServerCore, createApiServerCore } from '../../../src/local-cluster/api-server/core.ts';
import { createInProcessTransport } from '../../../src/local-cluster/api-server/in-process-transport.ts';
import type { CoreResponse } from '../../../src/local-cluster/api-server/server-context.ts';
import type { JournalEntry } from '../../../src/local-cluster/api-server/storage/store.ts';
import { runControllers } from '../../../src/local-cluster/controllers/controllers.ts';
import { silentLogger } from '../../../src/log.ts';
import { refusedByFence } from './fence-policy.ts';
import type { Actor, History } from './history.ts';
import { type Breakable, ConnectionBroken } from './link.ts';
import { type Dice, dice } from './randomness.ts';
import type { Scheduler } from './scheduler.ts';

export interface ApiServerOptions {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly history: History;
  /** `--node-monitor-grace-period`. */
  readonly nodeMonitorGraceMs: number;
  /** It refuses statuses of an epoch that is over. */
  readonly fencePolicy: boolean;
}

/** Nothing works now, or only badly. */
export interface ApiTrouble {
  /** Connections are refused. */
  away: boolean;
  /** Share of the requests that are answered with an error, half of them although they were carried out. */
  errors: number;
  /** Share of the requests that are put off, with the advice to come again later. */
  throttles: number;
}

export class ApiServer {
  readonly trouble: ApiTrouble = { away: false, errors: 0, throttles: 0 };
  /** Every watch that is open. */
  readonly streams = new Set<Breakable>();
  readonly #options: ApiServerOptions;
  readonly #dice: Dice;
  readonly #stored = new Map<string, JournalEntry>();
  #revision = 0;
  #actor: Actor = 'api';
  #core: ApiServerCore;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#dice = dice(options.seed, 'api server');
    this.#core = this.#start();
  }

  #start(): ApiServerCore {
    const { scheduler, history } = this.#options;
    const revision = this.#revision;
    return createApiServerCore({
      clock: scheduler.clock,
      random: this.#dice,
      persistence: {
        journal: (entry) => {
          const path = `${entry.collection}/${entry.key}`;
          this.#revision = entry.revision;
          if (entry.json === undefined) this.#stored.delete(path);
          else this.#stored.set(path, entry);
          history.write(scheduler.now, this.#actor, entry);
        },
        restored: [...this.#stored.values()],
        revision,
      },
    });
  }

  /** It answers as it should. */
  get healthy(): boolean {
    const { away, errors, throttles } = this.trouble;
    return !away && errors === 0 && throttles === 0;
  }

  get revision(): number {
    return this.#core.revision;
  }

  /** What is stored is kept; connections and what it knew of the past are not. */
  restart(): void {
    this.#core = this.#start();
    this.breakStreams();
  }

  breakStreams(): void {
    for (const stream of [...this.streams]) stream.break();
  }

  handle(actor: Actor, request: ApiRequest, signal: AbortSignal): Promise<CoreResponse> {
    if (this.trouble.away) return Promise.reject(new ConnectionBroken());
    if (this.trouble.throttles > 0 && this.#dice.chance(this.trouble.throttles)) {
      const seconds = this.#dice.between(1, 4);
      return Promise.resolve(failure(429, 'TooManyRequests', { 'retry-after': String(seconds) }));
    }
    const bad = this.trouble.errors > 0 && this.#dice.chance(this.trouble.errors);
    if (bad && this.#dice.chance(0.5)) return Promise.resolve(this.#badAnswer());
    const answer = this.#carryOut(actor, request, signal);
    return bad ? answer.then(() => this.#badAnswer()) : answer;
  }

  #carryOut(actor: Actor, request: ApiRequest, signal: AbortSignal): Promise<CoreResponse> {
    const { method, path, query = {}, headers = {}, body = '' } = request;
    const refused = this.#options.fencePolicy ? refusedByFence(request, this.#options.history) : undefined;
    if (refused !== undefined) return Promise.resolve(failure(403, 'Forbidden', {}, refused));
    // The core carries a request out before it first waits for anything.
    const before = this.#actor;
    this.#actor = actor;
    try {
      return this.#core.handle({ method, path, query, headers, body, user: ADMIN, signal });
    } finally {
      this.#actor = before;
    }
  }

  #badAnswer(): CoreResponse {
    return failure(this.#dice.pick([500, 503, 504]));
  }

  /** For what lives beside the API server and is never cut off from it. */
  transport(actor: Actor): Transport {
    const core: ApiServerCore = {
      handle: (request) => {
        const before = this.#actor;
        this.#actor = actor;
        try {
          return this.#core.handle(request);
        } finally {
          this.#actor = before;
        }
      },
      revision: 0,
      entries: () => [],
    };
    const inner = createInProcessTransport(core);
    return {
      request: (request) => inner.request(request),
      stream: async (request) => {
        const gone = new AbortController();
        const signal = request.signal === undefined ? gone.signal : AbortSignal.any([request.signal, gone.signal]);
        const stream = await inner.stream({ ...request, signal });
        const breakable: Breakable = { break: () => gone.abort() };
        this.streams.add(breakable);
        const streams = this.streams;
        async function* chunks(): AsyncGenerator<Uint8Array> {
          try {
            yield* stream.chunks;
          } finally {
            streams.delete(breakable);
          }
        }
        return { ...stream, chunks: chunks() };
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
  }

  client(actor: Actor): KubeClient {
    return createKubeClient({ transport: this.transport(actor), clock: this.#options.scheduler.clock });
  }

  /** Scheduler, node lifecycle, ReplicaSets and the rest, until the signal aborts. */
  async runControllers(signal: AbortSignal): Promise<void> {
    const { seed, scheduler, nodeMonitorGraceMs } = this.#options;
    await runControllers(
      {
        client: this.client('controllers'),
        clock: scheduler.clock,
        random: dice(seed, 'controllers'),
        log: silentLogger,
        settings: { nodeMonitorGracePeriodMs: nodeMonitorGraceMs },
      },
      signal,
    );
  }
}

function failure(
  code: number,
  reason?: string,
  headers: Readonly<Record<string, string>> = {},
  message = 'the simulation made it fail',
): CoreResponse {
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
  return { status: code, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(status) };
}
