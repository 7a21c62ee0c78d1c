/**
 * Runs nothing: containers are running once they are started, for ever, and stop at once when asked. Init containers
 * end at once and well. Annotations of a pod make its other containers end by themselves, for trying restarts and Jobs.
 */
import type { Clock, Timer } from '../../../src/clock.ts';
import type { Pod } from '../../../src/kube/types.ts';
import type { RunEnd } from '../../../src/lifecycle/end.ts';
import type { RunListener } from '../../../src/lifecycle/life.ts';
import type { Resources, Unsupported } from '../../../src/provider/contract.ts';
import { BASE_CAPABILITIES, CONTENT_VOLUMES } from '../support.ts';
import { createAddressPool } from './address-pool.ts';
import type { Run, RunPlan, Runtime } from './runtime.ts';

/** Seconds from each start of a container to its end; without it containers run for ever. */
export const EXIT_AFTER = 'simulated.zonelet.dev/exit-after-seconds';
/** The exit code that goes with it. @defaultValue 0 */
export const EXIT_CODE = 'simulated.zonelet.dev/exit-code';

/** RFC 2544 sets it aside for benchmarks of network devices: nothing real is there. */
const POD_RANGE = '198.18.0.0/15';

/** Room for any trial, and few enough that the numbers can be read. */
const CAPACITY: Resources = { cpu: '10000', memory: '40Ti', pods: '100000' };

interface Running {
  readonly listener: RunListener;
  readonly timer: Timer | undefined;
}

export function createSimulatedRuntime(zone: string, clock: Clock): Runtime {
  const addresses = createAddressPool(POD_RANGE, zone);
  const running = new Map<string, Running>();
  /** Followers of a run's (empty) log, woken at its end. */
  const followers = new Map<string, Set<() => void>>();

  function end(run: Run, result: Omit<RunEnd, 'finishedAtMs'>): void {
    const key = keyOf(run);
    const there = running.get(key);
    if (there === undefined) return;
    running.delete(key);
    there.timer?.cancel();
    there.listener.ended({ ...result, finishedAtMs: clock.now() });
    for (const wake of followers.get(key) ?? []) wake();
    followers.delete(key);
  }

  function run(plan: RunPlan, listener: RunListener): void {
    const after = plan.role === 'main' ? exitAfterMs(plan.resolved.pod) : undefined;
    const elapsed = plan.startedAtMs === undefined ? 0 : clock.now() - plan.startedAtMs;
    const exitCode = Number(plan.resolved.pod.metadata?.annotations?.[EXIT_CODE] ?? 0);
    const timer =
      after === undefined ? undefined : clock.setTimer(Math.max(0, after - elapsed), () => end(plan, { exitCode }));
    running.set(keyOf(plan), { listener, timer });
    if (plan.role === 'init') end(plan, { exitCode: 0 });
  }

  function endOf(key: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted || !running.has(key)) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = followers.get(key) ?? new Set();
      followers.set(key, waiting.add(resolve));
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  return {
    kind: 'simulated',
    capacity: CAPACITY,
    capabilities: {
      ...BASE_CAPABILITIES,
      volumes: ['emptyDir', ...CONTENT_VOLUMES],
      // Nobody could read one, and each would cost the API server a write.
      serviceAccountTokens: false,
      podIPsInEnvironment: true,
    },
    notice: 'simulated: nothing runs, only the state of pods is kept',
    unsupported,
    takeAddress: () => addresses.take(),
    keep(pods) {
      for (const { address } of pods) addresses.keep(address);
    },
    releaseAddress: (address) => addresses.release(address),
    // Nobody is there who could read them.
    putVolumes() {},
    start: run,
    resume(plan, listener) {
      run(plan, listener);
      return 'found';
    },
    stop: (which) => end(which, { exitCode: 0 }),
    kill: (which) => end(which, { exitCode: 137 }),
    forget() {},
    log: (which, { follow }, signal) => silence(follow ? endOf(keyOf(which), signal) : Promise.resolve()),
    async [Symbol.asyncDispose]() {
      for (const { timer } of running.values()) timer?.cancel();
      running.clear();
    },
  };
}

/** A log without a word, open as long as its container runs. */
function silence(end: Promise<void>): AsyncIterable<Uint8Array> {
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    await end;
    return { done: true, value: undefined };
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

function keyOf({ pod, container, number }: Run): string {
  return `${pod}/${container}/${number}`;
}

function exitAfterMs(pod: Pod): number | undefined {
  const text = pod.metadata?.annotations?.[EXIT_AFTER];
  return text === undefined ? undefined : Number(text) * 1000;
}

function unsupported({ metadata, spec }: Pod): readonly Unsupported[] {
  const found: Unsupported[] = [];
  const after = metadata?.annotations?.[EXIT_AFTER];
  if (after !== undefined && !/^\d{1,6}(\.\d{1,3})?$/.test(after)) {
    found.push({ path: `metadata.annotations["${EXIT_AFTER}"]`, reason: 'must be a number of seconds' });
  }
  const code = metadata?.annotations?.[EXIT_CODE];
  if (code !== undefined && !(/^\d{1,3}$/.test(code) && Number(code) <= 255)) {
    found.push({ path: `metadata.annotations["${EXIT_CODE}"]`, reason: 'must be a number from 0 to 255' });
  }
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
    if (spec?.[field] === true) found.push({ path: `spec.${field}`, reason: 'there is no host' });
  }
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec?.[list] ?? []).entries()) {
      for (const field of ['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'] as const) {
        if (container[field] !== undefined) {
          found.push({ path: `spec.${list}[${i}].${field}`, reason: 'simulated containers have no process' });
        }
      }
    }
  }
  return found;
}
