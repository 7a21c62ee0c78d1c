/** A whole set in one process: the embedded API server, simulated backends, real replicas, one virtual clock; and the API server can be away. */
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { sleep } from '../../../src/clock.ts';
import type { Outside } from '../../../src/commands/run/outside.ts';
import { runReplica } from '../../../src/commands/run/replica.ts';
import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { anyWitness } from '../../../src/election/witness.ts';
import { ZoneletError } from '../../../src/errors.ts';
import { createKubeClient } from '../../../src/kube/api-client.ts';
import { NAMESPACES } from '../../../src/kube/resources.ts';
import type { ApiRequest, Transport } from '../../../src/kube/transport.ts';
import { aborted } from '../../../src/lifecycle.ts';
import { createApiServerCore } from '../../../src/local-cluster/api-server/core.ts';
import { createInProcessTransport } from '../../../src/local-cluster/api-server/in-process-transport.ts';
import { silentLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { loadProvider } from '../../../src/provider/loading.ts';
import { samplesOf, sumOf } from '../../support/prometheus-text.ts';
import { seededRandom, VirtualClock } from '../../support/virtual-clock.ts';

export interface Asked {
  /** Monotonic time of its sending. */
  readonly at: number;
  readonly replica: string;
  readonly verb: 'GET' | 'LIST' | 'WATCH' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Requests of this replica that were under way, this one included. */
  readonly inFlight: number;
}

/** Way of a request and its answer. */
const LATENCY_MS = 4;
const REFUSAL_MS = 1;

/** One file for all: only its replica differs. `file`: an absolute path to write it to. */
export async function configOf(file: string, zones: readonly string[], more: object = {}): Promise<Config> {
  const { writeFile } = await import('node:fs/promises');
  const document = {
    apiVersion: 'zonelet.dev/v1alpha1',
    kind: 'Zonelet',
    set: 'shop',
    zones: zones.map((name) => ({ name, provider: { kind: 'simulated' } })),
    ...more,
  };
  await writeFile(file, JSON.stringify(document));
  return await loadConfig({ file, cwd: '/', env: {}, hostname: 'host', checkProvider: loadProvider });
}

/** A replica at home in each zone, each with its own way to the API server. */
export async function startSet(config: Config) {
  const clock = new VirtualClock();
  const random = seededRandom(7);
  const direct = createInProcessTransport(createApiServerCore({ clock, random }));
  const client = createKubeClient({ transport: direct, clock });
  const asked: Asked[] = [];
  /** Creations and deletions that reached a backend. */
  const mutations: { readonly at: number; readonly op: 'create' | 'delete'; readonly uid: string }[] = [];
  const backends = new Map(config.zones.map(({ name }) => [name, createSimulatedBackend({ zone: name, clock })]));
  let away = new AbortController();
  let isAway = false;

  function transportOf(replica: string): Transport {
    let inFlight = 0;
    const refused = (): ZoneletError => new ZoneletError('Unavailable', 'connection refused');
    async function reach<T>(request: ApiRequest, verb: Asked['verb'], run: () => Promise<T>): Promise<T> {
      asked.push({ at: clock.monotonic(), replica, verb, path: request.path, inFlight: ++inFlight });
      try {
        await sleep(clock, isAway ? REFUSAL_MS : LATENCY_MS, request.signal);
        if (isAway) throw refused();
        return await run();
      } finally {
        inFlight--;
      }
    }
    return {
      request: (request) =>
        reach(request, request.query?.limit === undefined ? request.method : 'LIST', () => direct.request(request)),
      stream: (request) =>
        reach(request, 'WATCH', async () => {
          const gone = away.signal;
          const signal = request.signal === undefined ? gone : AbortSignal.any([request.signal, gone]);
          const stream = await direct.stream({ ...request, signal });
          async function* chunks(): AsyncGenerator<Uint8Array> {
            try {
              yield* stream.chunks;
            } catch (error) {
              throw gone.aborted ? refused() : error;
            }
          }
          return { ...stream, chunks: chunks() };
        }),
      async [Symbol.asyncDispose]() {},
    };
  }

  const outside: Outside = {
    startHttpServer: async () => ({ port: 0, async [Symbol.asyncDispose]() {} }),
    startKubelets: async ({ zones }) => ({
      ports: zones.map(() => 10_250),
      certificate: { certificate: '', key: '' },
      run: aborted,
      async [Symbol.asyncDispose]() {},
    }),
    startPeers: async () => ({
      witness: anyWitness([]),
      run: (_candidates, signal) => aborted(signal),
      async [Symbol.asyncDispose]() {},
    }),
    async openRedis() {
      throw new Error('this set uses no Redis');
    },
    async createProvider(_raw, { zone }) {
      const backend = backends.get(zone);
      if (backend === undefined) throw new Error(`no backend of zone ${zone}`);
      const provider = createSimulatedProvider(backend, clock);
      return {
        ...provider,
        create(pod, operation) {
          mutations.push({ at: clock.monotonic(), op: 'create', uid: pod.ref.uid });
          return provider.create(pod, operation);
        },
        delete(ref, how, operation) {
          mutations.push({ at: clock.monotonic(), op: 'delete', uid: ref.uid });
          return provider.delete(ref, how, operation);
        },
      };
    },
  };
  const stops = config.zones.map(() => new AbortController());
  const metrics = config.zones.map(() => createMetrics({ set: config.set, version: '0', runtime: false }));
  const replicas = config.zones.map(({ name }, i) =>
    runReplica({
      config: { ...config, replica: { name: `replica-${i}`, homeZone: name } },
      client: createKubeClient({ transport: transportOf(`replica-${i}`), clock }),
      namespace: 'default',
      nodeName: undefined,
      inCluster: undefined,
      arch: 'amd64',
      clock,
      random,
      metrics: metrics[i] ?? createMetrics({ set: config.set, version: '0', runtime: false }),
      log: silentLogger,
      outside,
      stop: stops[i]?.signal ?? AbortSignal.abort(),
      halt: new AbortController().signal,
    }),
  );
  const cluster = (await client.get(NAMESPACES, { name: 'kube-system' })).metadata?.uid;
  return {
    clock,
    client,
    asked,
    mutations,
    /** A container of the pod ends by itself. */
    exit: (zone: string, uid: string, code: number) =>
      backends.get(zone)?.exit(`${cluster}/${config.set}`, uid, 'app', code),
    /** Nobody reaches the zone's backend, or everybody does again. */
    backendAway: (zone: string, unreachable: boolean) => backends.get(zone)?.setFaults({ unreachable }),
    goAway() {
      isAway = true;
      away.abort();
      away = new AbortController();
    },
    comeBack() {
      isAway = false;
    },
    /** SIGTERM to one of them. */
    async stop(replica: number) {
      stops[replica]?.abort();
      await clock.advance(1_000);
    },
    async metric(replica: number, name: string, labels: Readonly<Record<string, string>>) {
      return sumOf(samplesOf((await metrics[replica]?.registry.metrics()) ?? '', name), labels);
    },
    async end() {
      for (const stop of stops) stop.abort();
      const ended = Promise.all(replicas);
      await clock.advance(10_000);
      return await ended;
    },
  };
}
