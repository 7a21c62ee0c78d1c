/** When a client that watches sees things happen to pods of a node, by its own monotonic clock. */
import { Registry } from 'prom-client';
import { systemRandom } from '../../../src/clock.ts';
import { waitFor } from '../../../src/commands/demo/wait-for.ts';
import { createInformer } from '../../../src/kube/informer.ts';
import { PODS } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { silentLogger } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import type { Lab } from './lab.ts';

export interface Sighting {
  /** Monotonic milliseconds; undefined: not seen yet. */
  boundAt: number | undefined;
  runningAt: number | undefined;
  goneAt: number | undefined;
}

export interface PodWatch extends AsyncDisposable {
  /** By `namespace/name`. */
  readonly seen: ReadonlyMap<string, Sighting>;
  readonly running: number;
  readonly gone: number;
  /** Forgets all that was seen. */
  reset(): void;
  /** Resolves at once when it holds after a sighting; throws after `limitMs`. */
  until(what: string, holds: (watch: PodWatch) => boolean, limitMs: number): Promise<void>;
}

export async function watchPods(lab: Lab, nodeNames: readonly string[]): Promise<PodWatch> {
  const { client, clock, signal } = lab;
  const life = new AbortController();
  const seen = new Map<string, Sighting>();
  const callbacks = new Set<() => void>();
  let running = 0;
  let gone = 0;
  const sighting = (pod: Pod): Sighting => {
    const key = `${pod.metadata?.namespace}/${pod.metadata?.name}`;
    const one = seen.get(key) ?? { boundAt: undefined, runningAt: undefined, goneAt: undefined };
    seen.set(key, one);
    return one;
  };
  const tell = (): void => {
    for (const callback of callbacks) callback();
  };
  const there = (pod: Pod): void => {
    const now = clock.monotonic();
    const one = sighting(pod);
    one.boundAt ??= now;
    if (one.runningAt !== undefined || pod.status?.phase !== 'Running') return;
    one.runningAt = now;
    running++;
    tell();
  };
  const left = (pod: Pod): void => {
    const one = sighting(pod);
    if (one.goneAt !== undefined) return;
    one.goneAt = clock.monotonic();
    gone++;
    tell();
  };
  const watching: Promise<void>[] = [];
  for (const nodeName of nodeNames) {
    const informer = createInformer<Pod>({
      client,
      resource: PODS,
      selection: { fieldSelector: `spec.nodeName=${nodeName}` },
      clock,
      random: systemRandom,
      metrics: apiMetrics(new Registry()),
      log: silentLogger,
      transform: slim,
    });
    informer.subscribe({ added: there, updated: (_, pod) => there(pod), deleted: left });
    watching.push(informer.run(life.signal));
    await informer.synced(signal);
  }
  const watch: PodWatch = {
    seen,
    get running() {
      return running;
    },
    get gone() {
      return gone;
    },
    reset() {
      seen.clear();
      running = 0;
      gone = 0;
    },
    until: (what, holds, limitMs) =>
      waitFor(what, () => holds(watch), {
        clock,
        limitMs,
        signal,
        onChange(callback) {
          callbacks.add(callback);
          return () => callbacks.delete(callback);
        },
      }),
    async [Symbol.asyncDispose]() {
      life.abort();
      await Promise.all(watching);
    },
  };
  return watch;
}

/** What is looked at, and no more: the watcher shares the machine with what it watches. */
function slim({ metadata, status }: Pod): Pod {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = metadata ?? {};
  return {
    metadata: { name, namespace, uid, resourceVersion },
    ...(status?.phase === undefined ? {} : { status: { phase: status.phase } }),
  };
}
