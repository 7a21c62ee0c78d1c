/** The controllers on an API server in this process, with nodes whose kubelets do what they are told, on virtual time. */
import type { KubeClient } from '../../../../src/kube/client.ts';
import { DEPLOYMENTS, EVENTS, LEASES, NODES, PODS, REPLICA_SETS } from '../../../../src/kube/resources.ts';
import type { Deployment, Node, Pod, ReplicaSet, Taint } from '../../../../src/kube/types.ts';
import { runControllers } from '../../../../src/local-cluster/controllers/controllers.ts';
import type { ControllerSettings } from '../../../../src/local-cluster/controllers/settings.ts';
import { silentLogger } from '../../../../src/log.ts';
import { seededRandom } from '../../../support/virtual-clock.ts';
import { type Cluster, startCluster } from '../cluster.ts';

export interface NodeOptions {
  readonly zone?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  /** What its kubelet says of it. @defaultValue True */
  readonly ready?: 'True' | 'False';
  readonly taints?: Taint[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Stage extends Cluster, AsyncDisposable {
  /** A node whose kubelet runs what is bound to it. */
  addNode(name: string, options?: NodeOptions): Promise<Node>;
  /** From now on its kubelet says and does nothing. */
  silence(name: string): void;
  wake(name: string): void;
  /** Goes on for so long, second by second. */
  run(ms: number): Promise<void>;
  /** Goes on until it holds; throws when it does not within `limitMs` of virtual time. */
  until(what: string, holds: () => Promise<boolean>, limitMs?: number): Promise<void>;
  pods(): Promise<Pod[]>;
  pod(name: string): Promise<Pod | undefined>;
  node(name: string): Promise<Node>;
  replicaSets(): Promise<ReplicaSet[]>;
  deployment(name: string): Promise<Deployment>;
  /** `reason: message` of all Events about the object of this name. */
  events(name: string): Promise<string[]>;
}

export interface StageOptions {
  readonly seed?: number;
  readonly settings?: ControllerSettings;
  /** What the controllers call instead of the API server's own client. */
  readonly between?: (client: KubeClient, cluster: Cluster) => KubeClient;
}

const STEP_MS = 1_000;

export function startStage({ seed = 7, settings = {}, between = (client) => client }: StageOptions = {}): Stage {
  const cluster = startCluster();
  const { client, clock } = cluster;
  const stop = new AbortController();
  const running = runControllers(
    { client: between(client, cluster), clock, random: seededRandom(seed), log: silentLogger, settings },
    stop.signal,
  );
  const awake = new Set<string>();

  async function tendPod(pod: Pod): Promise<void> {
    const { name = '', namespace = '', uid = '', deletionTimestamp } = pod.metadata ?? {};
    if (deletionTimestamp !== undefined) {
      await client.delete(PODS, { name, namespace }, { uid, gracePeriodSeconds: 0 });
    } else if (pod.status?.phase === 'Pending') {
      const lastTransitionTime = `${new Date(clock.now()).toISOString().slice(0, -5)}Z`;
      const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }] };
      const patch = { type: 'strategic', body: { metadata: { uid }, status } } as const;
      await client.patch(PODS, { name, namespace }, patch, { subresource: 'status' });
    }
  }

  async function tick(): Promise<void> {
    for (const name of awake) {
      const at = { namespace: 'kube-node-lease', name };
      const renewTime = `${new Date(clock.now()).toISOString().slice(0, -1)}000Z`;
      await client.patch(LEASES, at, { type: 'merge', body: { spec: { renewTime } } });
    }
    for (const pod of (await client.list(PODS)).items) if (awake.has(pod.spec?.nodeName ?? '')) await tendPod(pod);
  }

  async function run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      await clock.advance(Math.min(STEP_MS, left));
      await tick();
    }
    await clock.advance(0);
  }

  return {
    ...cluster,
    async addNode(
      name,
      { zone, cpu = '8', memory = '64Gi', pods = '110', ready: status = 'True', taints = [], labels = {} } = {},
    ) {
      const allLabels = {
        'kubernetes.io/hostname': name,
        ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }),
        ...labels,
      };
      await client.create(NODES, { metadata: { name, labels: allLabels }, spec: { taints } });
      const room = { cpu, memory, pods };
      const now = `${new Date(clock.now()).toISOString().slice(0, -5)}Z`;
      const ready = { type: 'Ready', status, lastHeartbeatTime: now, lastTransitionTime: now };
      const offer = { capacity: room, allocatable: room, conditions: [ready] };
      await client.create(LEASES, {
        metadata: { name, namespace: 'kube-node-lease' },
        spec: { holderIdentity: name, leaseDurationSeconds: 40 },
      });
      awake.add(name);
      return await client.patch(
        NODES,
        { name },
        { type: 'strategic', body: { status: offer } },
        { subresource: 'status' },
      );
    },
    silence: (name) => awake.delete(name),
    wake: (name) => awake.add(name),
    run,
    async until(what, holds, limitMs = 120_000) {
      for (let passed = 0; passed <= limitMs; passed += STEP_MS) {
        if (await holds()) return;
        await run(STEP_MS);
      }
      const seen = {
        pods: (await client.list(PODS)).items.map(({ metadata, spec, status }) => ({ metadata, spec, status })),
      };
      throw new Error(`in ${limitMs} ms not: ${what}; ${JSON.stringify(seen)}`);
    },
    pods: async () => (await client.list(PODS)).items,
    pod: async (name) => (await client.list(PODS)).items.find(({ metadata }) => metadata?.name === name),
    node: (name) => client.get(NODES, { name }),
    replicaSets: async () => (await client.list(REPLICA_SETS)).items,
    deployment: (name) => client.get(DEPLOYMENTS, { namespace: 'default', name }),
    async events(name) {
      const { items } = await client.list(EVENTS);
      return items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ reason, message }) => `${reason}: ${message}`);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      // What is written at the end may need time to pass.
      let over = false;
      const ended = running.finally(() => {
        over = true;
      });
      for (let i = 0; i < 60 && !over; i++) await clock.advance(STEP_MS);
      await ended;
    },
  };
}

export function template(labels: Readonly<Record<string, string>>, spec: Partial<NonNullable<Pod['spec']>> = {}) {
  return {
    metadata: { labels: { ...labels } },
    spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }], ...spec },
  };
}

export function replicaSet(name: string, replicas: number, spec: Partial<NonNullable<Pod['spec']>> = {}): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'default' },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template({ app: name }, spec) },
  };
}

export function deployment(
  name: string,
  replicas: number,
  spec: Partial<NonNullable<Deployment['spec']>> = {},
): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template({ app: name }), ...spec },
  };
}

export function isReady({ status }: Pod): boolean {
  return (status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}
