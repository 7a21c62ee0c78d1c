/** A replica as it is shipped (`runReplica`), in a process of the simulation. */
import type { Kubelets } from '../../../src/commands/run/kubelets.ts';
import { runReplica } from '../../../src/commands/run/replica.ts';
import type { Config } from '../../../src/config/config.ts';
import { createKubeClient } from '../../../src/kube/api-client.ts';
import type { Logger } from '../../../src/log.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/metrics.ts';
import type { RedisModel } from '../../support/redis-model.ts';
import type { ApiServer } from './api-server.ts';
import { createApiTransport } from './api-transport.ts';
import type { Actor, History } from './history.ts';
import type { Link } from './link.ts';
import type { PeerNetwork } from './peers.ts';
import { Process } from './process.ts';
import { dice } from './randomness.ts';
import { redisOver } from './redis.ts';
import type { Scheduler } from './scheduler.ts';
import type { ZoneBackend } from './zone-backend.ts';

export interface ReplicaOptions {
  readonly seed: number;
  readonly name: string;
  readonly config: Config;
  readonly namespace: string;
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly api: ApiServer;
  readonly apiLink: Link;
  readonly backends: ReadonlyMap<string, ZoneBackend>;
  readonly backendLinks: ReadonlyMap<string, Link>;
  readonly peers: PeerNetwork;
  readonly redis: readonly RedisModel[];
  readonly redisLinks: ReadonlyMap<string, Link>;
  readonly rate: number;
}

/** Nobody connects to it. */
const NO_CERTIFICATE: Kubelets['certificate'] = { certificate: '', key: '' };

/** One machine: the replica's process comes and goes on it, its links stay. */
export class Replica {
  readonly name: string;
  readonly apiLink: Link;
  readonly backendLinks: ReadonlyMap<string, Link>;
  readonly redisLinks: ReadonlyMap<string, Link>;
  readonly config: Config;
  readonly #options: ReplicaOptions;
  #starts = 0;
  #stop = new AbortController();
  #process: Process | undefined;
  #metrics: Metrics | undefined;
  #upSince = Number.POSITIVE_INFINITY;
  wallOffsetMs = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.name = options.name;
    this.config = options.config;
    this.apiLink = options.apiLink;
    this.backendLinks = options.backendLinks;
    this.redisLinks = options.redisLinks;
  }

  get process(): Process | undefined {
    return this.#process;
  }

  get running(): boolean {
    return this.#process?.state === 'running';
  }

  /** Since when it runs, without having been stopped meanwhile. */
  get upSince(): number {
    return this.running && !this.#stop.signal.aborted ? this.#upSince : Number.POSITIVE_INFINITY;
  }

  get metrics(): Metrics | undefined {
    return this.#metrics;
  }

  /** The name under which its present process does things. */
  get actor(): Actor {
    return `${this.name}#${this.#starts}`;
  }

  start(): void {
    if (this.#process !== undefined && this.#process.state !== 'killed') return;
    const { seed, name, config, namespace, scheduler, history, api, apiLink, rate } = this.#options;
    this.#starts++;
    this.#stop = new AbortController();
    this.#upSince = scheduler.now;
    const { actor } = this;
    const process = new Process({ name, scheduler, rate });
    process.wallOffsetMs = this.wallOffsetMs;
    this.#process = process;
    const { clock } = process;
    const random = dice(seed, actor);
    const metrics = createMetrics({ set: config.set, version: '0', runtime: false });
    this.#metrics = metrics;
    const log = logger(history, scheduler, actor);
    const transport = createApiTransport({ server: api, link: apiLink, process, scheduler, history, actor });
    const client = createKubeClient({ transport, clock, log });
    const nothing = { async [Symbol.asyncDispose]() {} };
    const halt = new AbortController();
    const ended = runReplica({
      config,
      client,
      namespace,
      nodeName: undefined,
      inCluster: undefined,
      arch: 'amd64',
      clock,
      random,
      metrics,
      log,
      outside: {
        startHttpServer: async () => ({ port: 9090, ...nothing }),
        startKubelets: async ({ zones }) => ({
          ports: zones.map((_, index) => 10_250 + index),
          certificate: NO_CERTIFICATE,
          run: (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
          ...nothing,
        }),
        startPeers: async ({ holder }) => this.#options.peers.join(holder, process),
        openRedis: async () => {
          const servers = [...this.redisLinks].map(([name, link], i) =>
            redisOver({ name, model: this.#options.redis[i] as RedisModel, link, process, scheduler }),
          );
          return { servers, forState: config.state.by === 'redis' ? servers[0] : undefined, ...nothing };
        },
        createProvider: async (_raw, { zone }) => {
          const backend = this.#options.backends.get(zone);
          const link = this.backendLinks.get(zone);
          if (backend === undefined || link === undefined) throw new Error(`there is no backend of ${zone}`);
          return backend.provider(process, actor, link);
        },
      },
      stop: this.#stop.signal,
      halt: halt.signal,
    });
    void ended.then(({ failure, abandoned }) => {
      history.note(scheduler.now, `end ${actor}, left behind: ${abandoned.join(',')}`);
      process.kill();
      if (failure !== undefined) throw new Error(`${actor} failed in ${failure.part}`, { cause: failure.error });
    });
  }

  /** SIGTERM. */
  terminate(): void {
    this.#process?.deliver(() => this.#stop.abort());
  }

  /** SIGKILL. */
  kill(): void {
    if (this.#process !== undefined) this.#options.peers.died(this.#process);
    this.#process?.kill();
    this.apiLink.breakStreams();
    for (const link of [...this.backendLinks.values(), ...this.redisLinks.values()]) link.breakStreams();
  }

  pause(asleep: boolean): void {
    if (asleep) this.#process?.sleep();
    else this.#process?.stop();
  }

  go(): void {
    if (this.#process?.state !== 'stopped') return;
    this.#upSince = this.#options.scheduler.now;
    this.#process.go();
  }

  stepWall(offsetMs: number): void {
    this.wallOffsetMs = offsetMs;
    if (this.#process !== undefined) this.#process.wallOffsetMs = offsetMs;
  }
}

function logger(history: History, scheduler: Scheduler, actor: Actor, fixed: object = {}): Logger {
  const write =
    (level: string) =>
    (fields: object, message: string): void => {
      if (history.listensToLogs)
        history.log(scheduler.now, actor, () => `${level} ${message} ${JSON.stringify({ ...fixed, ...fields })}`);
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => logger(history, scheduler, actor, { ...fixed, ...fields }),
  };
}
