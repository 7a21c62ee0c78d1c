/** A zone's pod controller with a simulated backend and an API server of pods, ConfigMaps and Secrets, all in this process. */
import { Registry } from 'prom-client';
import type { SimulatedBackendOptions } from '../../../providers/simulated/backend.ts';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import type { Clock } from '../../../src/clock.ts';
import type { Term } from '../../../src/election/term.ts';
import type { ZoneletError } from '../../../src/errors.ts';
import { createTermClient } from '../../../src/fence/term-client.ts';
import { ApiError, type KubeClient } from '../../../src/kube/client.ts';
import { type Informer, type InformerHandler, keyOf } from '../../../src/kube/informer.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { ConfigMap, KubeObject, Node, Pod, Secret, TokenRequest } from '../../../src/kube/types.ts';
import type { WorkQueue } from '../../../src/kube/work-queue.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { podMetrics } from '../../../src/metrics/pods.ts';
import { providerMetrics } from '../../../src/metrics/provider.ts';
import type { TakeOver } from '../../../src/pods/context.ts';
import { runPodController } from '../../../src/pods/controller.ts';
import type { HostPolicy } from '../../../src/pods/host-policy.ts';
import type { ServiceLinks } from '../../../src/pods/resolve/service-links.ts';
import type { Provider } from '../../../src/provider/contract.ts';
import { createGuard } from '../../../src/provider/guard.ts';
import type { TermState } from '../../../src/state/contract.ts';
import { kubernetesStateStore } from '../../../src/state/kubernetes-store.ts';
import { seededRandom, settle, VirtualClock } from '../../support/virtual-clock.ts';

export const OWNER = 'cluster-uid/demo';
export const ZONE = 'zone-a';

export interface Recorded {
  readonly verb: 'get' | 'patch' | 'delete' | 'create';
  readonly kind: string;
  readonly name: string;
  readonly body?: unknown;
}

/** Enough of an API server: versions, preconditions, merge patches of status, graceful deletion. */
export class PodApi {
  readonly requests: Recorded[] = [];
  readonly objects = new Map<string, KubeObject>();
  /** History of every version of every pod, in order. */
  readonly history: Pod[] = [];
  /** Changes wait here while the watch is held. */
  holdWatch = false;
  failWith: ZoneletError | undefined;
  /** Seconds that a token lives for. */
  tokenSeconds = 3_607;
  /** What requests of tokens fail with. */
  refuseTokens: ZoneletError | undefined;
  /** Told of each request before it is carried out. */
  onRequest: ((request: Recorded) => void) | undefined;
  readonly #clock: VirtualClock;
  readonly #informers = new Set<PodInformer>();
  #version = 100;
  #tokens = 0;
  #held: (() => void)[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  put<T extends Pod | ConfigMap | Secret>(object: T): T {
    const stored = structuredClone(object);
    stored.metadata = { ...stored.metadata, resourceVersion: String(++this.#version) };
    const key = `${stored.kind}/${keyOf(stored)}`;
    this.objects.set(key, stored);
    if (stored.kind === 'Pod') {
      this.history.push(stored as Pod);
      this.#notify(keyOf(stored), stored as Pod);
    }
    return stored;
  }

  pod(name: string): Pod | undefined {
    return this.objects.get(`Pod/default/${name}`) as Pod | undefined;
  }

  remove(kind: string, name: string): void {
    this.objects.delete(`${kind}/default/${name}`);
    if (kind === 'Pod') this.#notify(`default/${name}`, undefined);
  }

  /** `kubectl delete`. */
  deletePod(name: string, graceSeconds = 30): void {
    const pod = this.pod(name);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    this.put({
      ...pod,
      metadata: {
        ...pod.metadata,
        generation: (pod.metadata?.generation ?? 1) + 1,
        deletionTimestamp: new Date(this.#clock.now() + graceSeconds * 1000).toISOString(),
        deletionGracePeriodSeconds: graceSeconds,
      },
    });
  }

  releaseWatch(): void {
    this.holdWatch = false;
    this.catchUp();
  }

  /** What was held is delivered; a held watch goes on holding. */
  catchUp(): void {
    for (const notify of this.#held.splice(0)) notify();
  }

  informer(): PodInformer {
    const informer = new PodInformer(this);
    this.#informers.add(informer);
    return informer;
  }

  #notify(key: string, pod: Pod | undefined): void {
    const run = (): void => {
      for (const informer of this.#informers) informer.change(key, pod);
    };
    if (this.holdWatch) this.#held.push(run);
    else run();
  }

  #asked(request: Recorded): void {
    this.requests.push(request);
    this.onRequest?.(request);
  }

  writes(name?: string): Recorded[] {
    return this.requests.filter(({ verb, ...of }) => verb !== 'get' && (name === undefined || of.name === name));
  }

  client(): KubeClient {
    const find = (of: Resource<KubeObject>, name: string, namespace = ''): KubeObject => {
      const found = this.objects.get(`${of.kind}/${namespace}/${name}`);
      if (found === undefined) {
        throw new ApiError('NotFound', 404, { message: `${of.plural} "${name}" not found`, reason: 'NotFound' });
      }
      return found;
    };
    const reach = async (): Promise<void> => {
      await Promise.resolve();
      if (this.failWith !== undefined) throw this.failWith;
    };
    const unused = (): never => {
      throw new Error('not used here');
    };
    return {
      get: async <T extends KubeObject>(of: Resource<T>, at: { name: string; namespace?: string }) => {
        this.#asked({ verb: 'get', kind: of.kind, name: at.name });
        await reach();
        return structuredClone(find(of, at.name, at.namespace)) as T;
      },
      patch: async <T extends KubeObject>(
        of: Resource<T>,
        at: { name: string; namespace?: string },
        patch: { body: unknown },
      ) => {
        this.#asked({ verb: 'patch', kind: of.kind, name: at.name, body: patch.body });
        await reach();
        const found = find(of, at.name, at.namespace);
        const body = patch.body as KubeObject;
        for (const field of ['uid', 'resourceVersion'] as const) {
          if (body.metadata?.[field] !== undefined && body.metadata[field] !== found.metadata?.[field]) {
            throw new ApiError('Conflict', 409, { message: `${field} differs`, reason: 'Conflict' });
          }
        }
        return structuredClone(this.put(mergePatch(structuredClone(found), body) as Pod)) as T;
      },
      delete: async (of, at, options) => {
        this.#asked({ verb: 'delete', kind: of.kind, name: at.name, body: options });
        await reach();
        const found = find(of, at.name, at.namespace);
        for (const field of ['uid', 'resourceVersion'] as const) {
          if (options?.[field] !== undefined && options[field] !== found.metadata?.[field]) {
            throw new ApiError('Conflict', 409, { message: `${field} differs`, reason: 'Conflict' });
          }
        }
        this.remove(of.kind, at.name);
      },
      create: async <T extends KubeObject>(of: Resource<T>, object: T) => {
        if (of.kind !== 'TokenRequest') return unused();
        this.#asked({ verb: 'create', kind: of.kind, name: object.metadata?.name ?? '', body: object });
        await reach();
        if (this.refuseTokens !== undefined) throw this.refuseTokens;
        const { spec } = object as TokenRequest;
        const status = { token: `token-${++this.#tokens}`, expirationTimestamp: '2026-01-01T01:00:00Z' };
        return { ...object, spec: { ...spec, expirationSeconds: this.tokenSeconds }, status } as T;
      },
      list: unused,
      replace: unused,
      watch: unused,
    };
  }
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(target as object) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = mergePatch(result[key], value);
  }
  return result;
}

export class PodInformer implements Informer<Pod> {
  readonly #api: PodApi;
  readonly #cache = new Map<string, Pod>();
  readonly #handlers = new Set<InformerHandler<Pod>>();
  hasSynced = true;

  constructor(api: PodApi) {
    this.#api = api;
    for (const object of api.objects.values()) if (object.kind === 'Pod') this.#cache.set(keyOf(object), object as Pod);
  }

  change(key: string, pod: Pod | undefined): void {
    const before = this.#cache.get(key);
    if (pod === undefined) this.#cache.delete(key);
    else this.#cache.set(key, pod);
    for (const handler of this.#handlers) {
      if (pod === undefined) {
        if (before !== undefined) handler.deleted?.(before);
      } else if (before === undefined) handler.added?.(pod);
      else handler.updated?.(before, pod);
    }
  }

  async run(): Promise<void> {}
  async synced(): Promise<void> {}
  get(key: string): Pod | undefined {
    return this.#cache.get(key);
  }
  list(): readonly Pod[] {
    return [...this.#cache.values()];
  }
  get size(): number {
    return this.#cache.size;
  }
  async refresh(): Promise<void> {
    await Promise.resolve();
    if (this.#api.failWith !== undefined) throw this.#api.failWith;
    this.#api.catchUp();
  }
  subscribe(handler: InformerHandler<Pod>): () => void {
    this.#handlers.add(handler);
    for (const pod of this.#cache.values()) handler.added?.(pod);
    return () => this.#handlers.delete(handler);
  }
}

/** As the work queue's contract says, without priorities. */
export function simpleQueue(clock: Clock): WorkQueue {
  const ready = new Set<string>();
  const busy = new Set<string>();
  const timers = new Map<string, { at: number; cancel(): void }>();
  const failures = new Map<string, number>();
  let pump: () => void = () => {};
  const queue: WorkQueue = {
    add(key) {
      ready.add(key);
      pump();
    },
    addAfter(key, delayMs) {
      const at = clock.monotonic() + delayMs;
      const before = timers.get(key);
      if (before !== undefined && before.at <= at) return;
      before?.cancel();
      const timer = clock.setTimer(delayMs, () => {
        timers.delete(key);
        queue.add(key);
      });
      timers.set(key, { at, cancel: () => timer.cancel() });
    },
    resume(key, count, maxDelayMs) {
      failures.set(key, count);
      queue.addAfter(key, Math.min(5 * 2 ** (count - 1), maxDelayMs));
    },
    forget: (key) => void failures.delete(key),
    get depth() {
      return ready.size;
    },
    async run(workers, handle, signal) {
      const under = new Set<Promise<void>>();
      pump = () => {
        for (const key of ready) {
          if (signal.aborted || busy.size >= workers) return;
          if (busy.has(key)) continue;
          ready.delete(key);
          busy.add(key);
          const work = handle(key, signal)
            .catch(() => {
              const n = failures.get(key) ?? 0;
              failures.set(key, n + 1);
              queue.addAfter(key, Math.min(5 * 2 ** n, 300_000));
            })
            .finally(() => {
              busy.delete(key);
              under.delete(work);
              pump();
            });
          under.add(work);
        }
      };
      pump();
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve());
      });
      for (const timer of timers.values()) timer.cancel();
      await Promise.all(under);
    },
  };
  return queue;
}

export interface TestTerm extends Term {
  over: boolean;
  readonly lost: AbortController;
  readonly winding: AbortController;
}

export function testTerm(epoch: number, holder = `replica-0_-_${epoch}`): TestTerm {
  const lost = new AbortController();
  const winding = new AbortController();
  const term: TestTerm = {
    zone: ZONE,
    epoch,
    holder,
    since: 0,
    leaderlessMs: undefined,
    cause: 'first',
    signal: lost.signal,
    ending: winding.signal,
    over: false,
    lost,
    winding,
    mayAct: () => !term.over && !lost.signal.aborted,
    handOver: () => {},
    stay: () => {},
    remainingMs: () => (term.over ? 0 : 5_000),
    lose: () => {
      term.over = true;
      lost.abort();
    },
  };
  return term;
}

export function testPod(name: string, changes: Partial<NonNullable<Pod['spec']>> = {}, uid = `uid-${name}`): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      nodeName: 'demo-zone-a',
      restartPolicy: 'Always',
      serviceAccountName: 'default',
      containers: [{ name: 'app', image: 'app:1', resources: { requests: { cpu: '500m', memory: '1Ki' } } }],
      ...changes,
    },
    status: { phase: 'Pending', qosClass: 'Burstable' },
  };
}

export interface StageOptions extends Pick<SimulatedBackendOptions, 'behave'> {
  readonly wrap?: (provider: Provider) => Provider;
  /** The zone's Node, for admission. */
  readonly node?: Node;
  readonly hostPolicy?: HostPolicy;
  /** @defaultValue read, and none */
  readonly services?: ServiceLinks;
  /** @defaultValue on the pods themselves */
  readonly state?: (term: Term, clock: Clock) => Promise<TermState>;
}

/** Backend, API and clock; leaders come and go. */
export function stage(options: StageOptions = {}) {
  const clock = new VirtualClock();
  const api = new PodApi(clock);
  const backend = createSimulatedBackend({
    zone: ZONE,
    clock,
    ...(options.behave === undefined ? {} : { behave: options.behave }),
  });
  const calls: { op: string; uid: string; grace?: number }[] = [];
  const events: { type: string; reason: string; message: string; uid: string }[] = [];
  const logged: string[] = [];
  const keep = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  const informer = api.informer();
  const client = api.client();
  let epoch = 0;

  async function lead() {
    const bare = createSimulatedProvider(backend, clock);
    const provider = options.wrap?.(bare) ?? bare;
    const registry = new Registry();
    const metrics = podMetrics(registry);
    const guard = createGuard({ provider, clock, log: silentLogger, metrics: providerMetrics(registry) });
    const spied = {
      ...guard,
      forTerm: (term: Term, owner: string) => {
        const mutations = guard.forTerm(term, owner);
        return {
          ...mutations,
          create: (...given: Parameters<typeof mutations.create>) => {
            calls.push({ op: 'create', uid: given[0].ref.uid });
            return mutations.create(...given);
          },
          update: (...given: Parameters<typeof mutations.update>) => {
            calls.push({ op: 'update', uid: given[0].ref.uid });
            return mutations.update(...given);
          },
          delete: (...given: Parameters<typeof mutations.delete>) => {
            calls.push({ op: 'delete', uid: given[0].uid, grace: given[1].gracePeriodSeconds });
            return mutations.delete(...given);
          },
        };
      },
    };
    const term = testTerm(++epoch);
    await guard.forTerm(term, OWNER).claim();
    const state = (await options.state?.(term, clock)) ?? kubernetesStateStore;
    let takenOver: TakeOver | undefined;
    const done = runPodController({
      zone: ZONE,
      nodeName: 'demo-zone-a',
      term,
      owner: OWNER,
      informer,
      client,
      writes: createTermClient({ client, term }),
      provider: spied,
      state,
      events: {
        record: (about, type, reason, message) =>
          void events.push({ type, reason, message, uid: about.metadata?.uid ?? '' }),
      },
      queue: simpleQueue(clock),
      clock,
      random: seededRandom(1),
      metrics,
      log,
      hostIP: '10.0.0.1',
      services: options.services ?? { ready: true, variables: () => new Map() },
      allocatable: () => options.node?.status?.allocatable ?? {},
      ...(options.node === undefined ? {} : { node: () => options.node }),
      ...(options.hostPolicy === undefined ? {} : { hostPolicy: options.hostPolicy }),
      onTakenOver: (summary) => {
        takenOver = summary;
      },
    });
    await settle();
    return {
      term,
      done,
      registry,
      get takenOver() {
        return takenOver;
      },
      /** As by SIGKILL: nothing more is sent. */
      async kill() {
        term.over = true;
        term.lost.abort();
        await settle();
        await done;
      },
    };
  }

  /** Of this owner, by UID. */
  const running = (uid: string) => backend.get(OWNER, uid);
  return { clock, api, backend, calls, events, logged, lead, running };
}

export function conditionOf(pod: Pod | undefined, type: string) {
  return pod?.status?.conditions?.find((condition) => condition.type === type);
}
