/** Everything that the API server said of pods, Nodes and Leases while a scenario ran, in the order of its watch. */
import { Registry } from 'prom-client';
import type { Clock, Random } from '../../../src/clock.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { createInformer } from '../../../src/kube/informer.ts';
import { LEASES, NODES, PODS, type Resource } from '../../../src/kube/resources.ts';
import type { KubeObject, Lease, Node, Pod } from '../../../src/kube/types.ts';
import { silentLogger } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';

export interface Seen<T> {
  /** Wall clock, milliseconds. */
  readonly t: number;
  readonly type: 'there' | 'gone';
  readonly object: T;
}

export interface History extends AsyncDisposable {
  readonly pods: readonly Seen<Pod>[];
  readonly nodes: readonly Seen<Node>[];
  readonly leases: readonly Seen<Lease>[];
  /** What there is now. */
  currentPods(): readonly Pod[];
  currentNodes(): readonly Node[];
  currentLeases(): readonly Lease[];
  /** Resolves once everything is recorded that the API server had when it was called. */
  caughtUp(): Promise<void>;
}

/** Records from now on. */
export async function record(client: KubeClient, clock: Clock, random: Random): Promise<History> {
  const life = new AbortController();
  const metrics = apiMetrics(new Registry());
  const running: Promise<void>[] = [];
  const informers: { synced(signal?: AbortSignal): Promise<void>; refresh(signal?: AbortSignal): Promise<void> }[] = [];
  const follow = <T extends KubeObject>(resource: Resource<T>) => {
    const informer = createInformer({ client, resource, selection: {}, clock, random, metrics, log: silentLogger });
    const seen: Seen<T>[] = [];
    const keep = (type: Seen<T>['type'], object: T): void => void seen.push({ t: clock.now(), type, object });
    informer.subscribe({
      added: (object) => keep('there', object),
      updated: (_, object) => keep('there', object),
      deleted: (last) => keep('gone', last),
    });
    informers.push(informer);
    running.push(informer.run(life.signal));
    return { seen, informer };
  };
  const pods = follow(PODS);
  const nodes = follow(NODES);
  const leases = follow(LEASES);
  await Promise.all(informers.map((informer) => informer.synced(life.signal)));
  return {
    pods: pods.seen,
    nodes: nodes.seen,
    leases: leases.seen,
    currentPods: () => pods.informer.list(),
    currentNodes: () => nodes.informer.list(),
    currentLeases: () => leases.informer.list(),
    async caughtUp() {
      await Promise.all(informers.map((informer) => informer.refresh(life.signal)));
    },
    async [Symbol.asyncDispose]() {
      life.abort();
      await Promise.all(running);
    },
  };
}
