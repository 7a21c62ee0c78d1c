/** What every conformance case works with: a backend, providers on it, and short words for what a leader does. */
import { expect, type TestContext } from 'vitest';
import { codeOf, type ErrorCode, hasCode } from '../../errors.ts';
import type { Pod } from '../../kube/types.ts';
import type {
  BackendPod,
  LogOptions,
  Operation,
  PodRef,
  Provider,
  ReadOptions,
  ResolvedPod,
  WatchEvent,
} from '../contract.ts';
import type { ConformanceBackend, ConformanceHarness, PodWish } from './harness.ts';

export const OWNER = '00000000-0000-4000-8000-000000000001/conformance';
export const OTHER_OWNER = '00000000-0000-4000-8000-000000000002/conformance';

/** Longest wait for something that must come to pass, in milliseconds of the backend's clock. */
const PATIENCE_MS = 10_000;
const STEP_MS = 25;

export interface Leader {
  readonly epoch?: number;
  readonly holder?: string;
  readonly owner?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export class Stage implements AsyncDisposable {
  readonly backend: ConformanceBackend;
  readonly provider: Provider;
  readonly #context: TestContext;
  readonly #providers: Provider[] = [];
  readonly #end = new AbortController();
  #uids = 0;

  constructor(backend: ConformanceBackend, context: TestContext) {
    this.backend = backend;
    this.#context = context;
    this.provider = this.connect();
  }

  /** Ends the case as skipped, with the reason in the report. */
  skip(reason: string): never {
    return this.#context.skip(reason);
  }

  connect(): Provider {
    const provider = this.backend.connect();
    this.#providers.push(provider);
    return provider;
  }

  operation(leader: Leader = {}): Operation {
    return {
      owner: leader.owner ?? OWNER,
      zone: this.backend.zone,
      epoch: leader.epoch ?? 1,
      holder: leader.holder ?? 'replica-0',
      signal: leader.signal ?? this.#end.signal,
      timeoutMs: leader.timeoutMs ?? PATIENCE_MS,
      attempt: 1,
    };
  }

  get reading(): ReadOptions {
    return { signal: this.#end.signal, timeoutMs: PATIENCE_MS };
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  async claim(leader: Leader = {}, provider = this.provider): Promise<void> {
    await provider.claim?.(this.operation(leader));
  }

  /** A new pod of the suite, not created yet. */
  pod(wish: PodWish = { does: 'run' }, change: (pod: Pod) => Pod = (pod) => pod): ResolvedPod {
    const given = this.backend.pod(wish);
    if (given === undefined) return this.skip(`the harness has no pod that can ${wish.does}`);
    this.#uids++;
    const uid = `00000000-0000-4000-9000-${String(this.#uids).padStart(12, '0')}`;
    const ref: PodRef = {
      uid,
      namespace: 'conformance',
      name: `pod-${this.#uids}`,
    };
    const pod = change({
      apiVersion: 'v1',
      kind: 'Pod',
      ...given,
      metadata: {
        ...given.metadata,
        uid,
        namespace: ref.namespace,
        name: ref.name,
      },
    });
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    const env = Object.fromEntries(containers.map(({ name }) => [name, [{ name: 'SUITE', value: 'conformance' }]]));
    return { ref, pod, env, volumes: {}, pullSecrets: [], hash: 'hash-1' };
  }

  async create(pod: ResolvedPod, leader: Leader = {}, provider = this.provider): Promise<BackendPod> {
    return (await provider.create(pod, this.operation(leader))).pod;
  }

  async get(ref: PodRef, provider = this.provider): Promise<BackendPod | undefined> {
    return await provider.get(OWNER, ref, this.reading);
  }

  async delete(ref: PodRef, gracePeriodSeconds: number, leader: Leader = {}) {
    return await this.provider.delete(ref, { gracePeriodSeconds }, this.operation(leader));
  }

  async uids(owner = OWNER, provider = this.provider): Promise<readonly string[]> {
    const { pods, complete } = await provider.list(owner, this.reading);
    expect(complete, 'the list says that it is complete').toBe(true);
    return pods.map(({ ref }) => ref.uid).sort();
  }

  /** Created and seen running. */
  async running(wish: PodWish = { does: 'run' }): Promise<ResolvedPod> {
    const pod = this.pod(wish);
    await this.create(pod);
    await this.eventually('the container runs', async () => isRunning(await this.get(pod.ref)));
    return pod;
  }

  /** Created, and seen to have ended by itself. */
  async ended(): Promise<PodRef> {
    const pod = this.pod({ does: 'exit', code: 0 });
    await this.create(pod);
    await this.eventually('the container has ended', async () => exitCode(await this.get(pod.ref)) !== undefined);
    return pod.ref;
  }

  async log(ref: PodRef, options: Partial<LogOptions>): Promise<string> {
    const logs = this.provider.logs?.bind(this.provider);
    if (logs === undefined) return this.skip('the provider offers no logs');
    const all: LogOptions = {
      follow: false,
      previous: false,
      timestamps: false,
      ...options,
    };
    const chunks: Uint8Array[] = [];
    for await (const chunk of await logs(OWNER, ref, 'main', all, this.signal)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  async advance(ms: number): Promise<void> {
    if (this.backend.advance !== undefined) await this.backend.advance(ms);
    else await new Promise((resolve) => setTimeout(resolve, ms));
  }

  async eventually(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
    for (let waited = 0; waited <= PATIENCE_MS; waited += STEP_MS) {
      if (await check()) return;
      await this.advance(STEP_MS);
    }
    expect.fail(`it did not come to pass within ${PATIENCE_MS / 1000} s that ${what}`);
  }

  /** A backend that was restarted answers again: until a connection to its predecessor is noticed to be dead, a read may fail. */
  async answering(): Promise<void> {
    await this.eventually('the backend answers again', async () => {
      try {
        await this.uids();
        return true;
      } catch (error) {
        if (hasCode(error, 'Unavailable')) return false;
        throw error;
      }
    });
  }

  /** Collects a watch from now on. */
  watch(provider = this.provider, owner = OWNER): WatchRecord {
    const events: WatchEvent[] = [];
    const record: WatchRecord = {
      events,
      ended: undefined,
      snapshots: () => events.filter(({ type }) => type === 'sync-end').length,
      last: (uid) =>
        events.findLast((event) =>
          'ref' in event ? event.ref.uid === uid : event.type === 'pod' && event.pod.ref.uid === uid,
        ),
    };
    void (async () => {
      try {
        for await (const event of provider.watch(owner, this.signal)) events.push(event);
        if (!this.signal.aborted) record.ended = 'ended';
      } catch (error) {
        record.ended = `threw ${String(error)}`;
      }
    })();
    return record;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    for (const provider of this.#providers) await provider[Symbol.asyncDispose]();
    await this.backend[Symbol.asyncDispose]();
  }
}

export interface WatchRecord {
  readonly events: readonly WatchEvent[];
  /** How it broke its promise never to end. */
  ended: string | undefined;
  snapshots(): number;
  /** The last event of this pod. */
  last(uid: string): WatchEvent | undefined;
}

/** One test on a fresh stage. */
export function onStage(
  harness: ConformanceHarness,
  test: (stage: Stage) => Promise<void>,
): (context: TestContext) => Promise<void> {
  return async (context) => {
    await using stage = new Stage(await harness.start(), context);
    await test(stage);
  };
}

export function isRunning(pod: BackendPod | undefined): boolean {
  return pod?.observation.containers.some(({ state }) => state.running !== undefined) === true;
}

export function exitCode(pod: BackendPod | undefined): number | undefined {
  return pod?.observation.containers.find(({ name }) => name === 'main')?.state.terminated?.exitCode;
}

/** The code that a call fails with; `undefined` when it succeeds. */
export async function failure(call: Promise<unknown>): Promise<ErrorCode | undefined> {
  return await call.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}
