/**
 * The provider of kind `simulated`: the contract on a backend in this process. Nothing runs and everything answers at
 * once, so that benchmarks measure Zonelet alone and tests decide what happens.
 */
import { type Clock, sleep } from '../../src/clock.ts';
import { ZoneletError } from '../../src/errors.ts';
import type {
  BackendPod,
  Capabilities,
  Operation,
  Provider,
  ProviderModule,
  ReadOptions,
  WatchEvent,
  ZoneReport,
} from '../../src/provider/contract.ts';
import { type Change, SimulatedBackend, type SimulatedBackendOptions } from './backend.ts';
import type { SimulatedOperation } from './behaviour.ts';
import { readLog } from './container-logs.ts';
import { parseOptions, type SimulatedOptions } from './options.ts';
import { attach, echoPort, exec } from './streams.ts';
import { unsupportedFields, VOLUMES } from './support.ts';

const CAPABILITIES: Capabilities = {
  fence: 'epoch',
  restarts: 'backend',
  logs: true,
  exec: true,
  attach: true,
  portForward: true,
  stats: true,
  initContainers: true,
  probes: false,
  lifecycleHooks: false,
  volumes: VOLUMES,
  // Nobody could read a token, and each would cost the API server a write.
  serviceAccountTokens: false,
  // Nobody reads an environment either.
  podIPsInEnvironment: true,
  update: ['containers[*].image', 'initContainers[*].image'],
};

/** The contract's longest time between two reports. */
const REPORT_INTERVAL_MS = 10_000;

export const provider: ProviderModule<SimulatedOptions> = {
  kind: 'simulated',
  parseOptions,
  create(options, { zone, clock }) {
    const { startDelayMs, capacity, podCIDR } = options;
    const backend = createSimulatedBackend({
      zone,
      clock,
      behave: () => ({ startDelayMs }),
      ...(capacity === undefined ? {} : { capacity }),
      ...(podCIDR === undefined ? {} : { podCIDR }),
    });
    return createSimulatedProvider(backend, clock);
  },
};

/** A backend of its own: share it among the providers of one zone. */
export function createSimulatedBackend(options: SimulatedBackendOptions): SimulatedBackend {
  return new SimulatedBackend(options);
}

/** One replica's adapter to a backend that may be shared with others. */
export function createSimulatedProvider(backend: SimulatedBackend, clock: Clock): Provider {
  /** Ends with the provider. */
  const life = new AbortController();

  /** What may keep a call from reaching the backend. `lost`: what a missing answer means for this call. */
  async function reach(
    operation: SimulatedOperation,
    signal: AbortSignal,
    lost: 'Ambiguous' | 'Unavailable',
  ): Promise<void> {
    if (life.signal.aborted) throw new ZoneletError('Unavailable', 'the provider is closed');
    if (signal.aborted) throw new ZoneletError('Aborted', `${operation} was aborted before it was sent`);
    if (backend.faults.unreachable) throw new ZoneletError('Unavailable', 'the simulated backend is unreachable');
    if (!backend.faults.hang.has(operation)) return;
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true });
    });
    throw new ZoneletError(lost, `the simulated backend did not answer ${operation}`);
  }

  async function mutate<T>(name: SimulatedOperation, operation: Operation, run: () => T): Promise<T> {
    await reach(name, operation.signal, 'Ambiguous');
    const result = run();
    if (backend.loseReply()) throw new ZoneletError('Ambiguous', `the reply to ${name} was lost`);
    return result;
  }

  return {
    kind: 'simulated',
    zone: backend.zone,
    capabilities: CAPABILITIES,
    validate: unsupportedFields,
    claim: (operation) => mutate('claim', operation, () => backend.claim(operation)),
    create: (pod, operation) => mutate('create', operation, () => backend.create(pod, operation)),
    update: (pod, operation) => mutate('update', operation, () => backend.update(pod, operation)),
    delete: (ref, { gracePeriodSeconds }, operation) =>
      mutate('delete', operation, () => backend.delete(ref, gracePeriodSeconds, operation)),

    async get(owner, ref, { signal }: ReadOptions) {
      await reach('get', signal, 'Unavailable');
      return backend.get(owner, ref.uid);
    },

    async list(owner, { signal }: ReadOptions) {
      await reach('list', signal, 'Unavailable');
      return {
        pods: [...backend.list(owner)],
        complete: !backend.faults.incompleteLists,
      };
    },

    watch: (owner, signal) => watch(backend, owner, AbortSignal.any([signal, life.signal])),
    zoneReports: (signal) => zoneReports(backend, clock, AbortSignal.any([signal, life.signal])),

    async logs(owner, ref, container, options, signal) {
      await reach('logs', signal, 'Unavailable');
      return readLog(backend.log(owner, ref.uid, container, options.previous), options, signal);
    },

    async exec(owner, ref, container, options, streams, signal) {
      await reach('exec', signal, 'Unavailable');
      const log = backend.runningLog(owner, ref.uid, container);
      return await exec(log, options, streams, { hostname: ref.name, clock }, signal);
    },

    async attach(owner, ref, container, streams, signal) {
      await reach('attach', signal, 'Unavailable');
      await attach(backend.runningLog(owner, ref.uid, container), streams, signal);
    },

    async portForward(owner, ref, _port, signal) {
      await reach('portForward', signal, 'Unavailable');
      return echoPort(backend, owner, ref, signal);
    },

    async stats(owner, { signal }: ReadOptions) {
      await reach('stats', signal, 'Unavailable');
      return [...backend.stats(owner)];
    },

    async [Symbol.asyncDispose]() {
      life.abort();
    },
  };
}

async function* watch(
  backend: SimulatedBackend,
  owner: string,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, void, void> {
  // By UID: however slow the reader, what waits for it is bounded by the number of pods.
  const pending = new Map<string, Change>();
  let missed = true;
  let woken = (): void => {};
  const wake = (): void => woken();
  const unsubscribe = backend.subscribe({
    owner,
    changed(change) {
      const { uid } = change.type === 'pod' ? change.pod.ref : change.last.ref;
      // To the end of the queue, so that what is told is told in the order in which it happened last.
      pending.delete(uid);
      pending.set(uid, change);
      woken();
    },
    resync() {
      missed = true;
      woken();
    },
  });
  signal.addEventListener('abort', wake, { once: true });
  try {
    while (!signal.aborted) {
      if (backend.faults.unreachable) missed = true;
      else if (missed) {
        missed = false;
        pending.clear();
        yield { type: 'sync-start' };
        for (const pod of backend.list(owner)) yield { type: 'pod', pod };
        if (!missed) yield { type: 'sync-end', complete: !backend.faults.incompleteLists };
        continue;
      } else {
        const first = pending.entries().next().value;
        if (first !== undefined) {
          pending.delete(first[0]);
          yield eventOf(backend, first[1]);
          continue;
        }
      }
      await new Promise<void>((resolve) => {
        woken = resolve;
      });
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', wake);
  }
}

function eventOf(backend: SimulatedBackend, change: Change): WatchEvent {
  if (change.type === 'gone')
    return {
      type: 'gone',
      ref: change.last.ref,
      last: change.last.observation,
    };
  const pod: BackendPod = backend.viewOf(change.pod);
  return { type: 'pod', pod };
}

async function* zoneReports(
  backend: SimulatedBackend,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<ZoneReport, void, void> {
  while (!signal.aborted) {
    const { unreachable, zoneState } = backend.faults;
    const changed = new AbortController();
    const stop = backend.watchZone(() => changed.abort());
    try {
      if (unreachable)
        yield {
          state: 'Unknown',
          evidence: 'the simulated backend is unreachable',
        };
      else {
        const { capacity } = backend;
        yield {
          state: zoneState,
          capacity,
          allocatable: capacity,
          evidence: `the simulated backend is ${zoneState}`,
        };
      }
      await sleep(clock, REPORT_INTERVAL_MS, AbortSignal.any([signal, changed.signal]));
    } finally {
      stop();
    }
  }
}
