/** A set in action in this process: the shipped zone code in three replicas, on the embedded API server and controllers, on virtual time. */
import type { SimulatedBackend } from '../../../providers/simulated/backend.ts';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { createElection, type Election } from '../../../src/election/election.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { createEventRecorder } from '../../../src/kube/event-recorder.ts';
import { createInformer } from '../../../src/kube/informer.ts';
import { DEPLOYMENTS, LEASES, NODES, PODS } from '../../../src/kube/resources.ts';
import type { Deployment, Node, Pod } from '../../../src/kube/types.ts';
import type { ControllerSettings } from '../../../src/local-cluster/controllers/settings.ts';
import { silentLogger as log } from '../../../src/log.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/metrics.ts';
import { createGuard } from '../../../src/provider/guard.ts';
import { kubernetesStateStore } from '../../../src/state/kubernetes-store.ts';
import type { ZoneDownPolicy } from '../../../src/zone/health/departure.ts';
import { createSetHealth } from '../../../src/zone/health/health.ts';
import { runZone } from '../../../src/zone/zone.ts';
import { seededRandom } from '../../support/virtual-clock.ts';
import { ReplicaClock } from '../election/replica-clock.ts';
import { deployment, isReady, type Stage, startStage, template } from '../local-cluster/controllers/stage.ts';

const SET = 'shop';
const OWNER = `cluster-1/${SET}`;
const timing = { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 };

export interface SetOptions {
  readonly onZoneDown: ZoneDownPolicy;
  readonly zones?: readonly string[];
  readonly settings?: ControllerSettings;
}

export interface Member {
  readonly name: string;
  readonly clock: ReplicaClock;
  readonly election: Election;
  readonly metrics: Metrics;
}

export interface RunningSet extends AsyncDisposable {
  readonly stage: Stage;
  readonly members: readonly Member[];
  readonly backends: ReadonlyMap<string, SimulatedBackend>;
  /** `<replica>/<zone>`: that replica's way to that backend is cut. */
  readonly cut: Set<string>;
  /** Backends of these zones are reached by nobody. */
  down(...zones: string[]): void;
  up(...zones: string[]): void;
  node(zone: string): Promise<Node>;
  /** `True`, or `<status> <reason>`. */
  ready(zone: string): Promise<string>;
  /** Keys of the node's taints, without the first part of their names. */
  taints(zone: string): Promise<string[]>;
  /** Of the zone's node, not on their way out. */
  pods(zone: string): Promise<Pod[]>;
  /** UIDs that really run there. */
  running(zone: string): string[];
  events(zone: string): Promise<string[]>;
  metric(zone: string, name: string, labels: Record<string, string>): Promise<number | undefined>;
}

const nodeNameOf = (zone: string): string => `${SET}-${zone}`;

export async function startSet({
  onZoneDown,
  zones = ['a', 'b', 'c'],
  settings = {},
}: SetOptions): Promise<RunningSet> {
  const stage = startStage({ settings });
  const random = seededRandom(11);
  const backends = new Map(zones.map((zone) => [zone, createSimulatedBackend({ zone, clock: stage.clock })]));
  const cut = new Set<string>();
  const stop = new AbortController();
  const end = new AbortController();
  const running: Promise<unknown>[] = [];
  const zoneRuns: Promise<unknown>[] = [];
  const identities = zones.map((zone) => ({ name: zone, nodeName: nodeNameOf(zone) }));

  const members = zones.map((homeZone): Member => {
    const name = `r${homeZone}`;
    const clock = new ReplicaClock(stage.clock);
    const client = ofProcess(stage.client, clock);
    const metrics = createMetrics({ set: SET, version: '0', runtime: false });
    const informing = { client, clock, random, metrics: metrics.api, log };
    const labelSelector = `zonelet.dev/set=${SET}`;
    const nodes = createInformer({ ...informing, resource: NODES, selection: { labelSelector } });
    const leases = createInformer({
      ...informing,
      resource: LEASES,
      selection: { namespace: 'default', labelSelector },
    });
    const events = createEventRecorder({ ...informing, source: { component: 'zonelet', host: name } });
    const election = createElection({
      ...informing,
      set: SET,
      namespace: 'default',
      replica: { name, homeZone },
      bootId: random.uuid(),
      zones: identities,
      timing,
      leases,
      nodes,
      metrics: metrics.election,
    });
    const health = createSetHealth({
      zones,
      replica: { name, homeZone },
      candidates: election.candidates,
      clock,
      metrics: metrics.health,
    });
    running.push(nodes.run(end.signal), leases.run(end.signal), events.run(end.signal));
    running.push(election.run(end.signal, () => {}));
    for (const [zone, backend] of backends) {
      const provider = createSimulatedProvider(backend, clock);
      const pods = createInformer({
        ...informing,
        resource: PODS,
        selection: { fieldSelector: `spec.nodeName=${nodeNameOf(zone)}` },
      });
      running.push(pods.run(end.signal));
      const guard = createGuard({
        provider: {
          ...provider,
          async *zoneReports(signal) {
            for await (const report of provider.zoneReports(signal)) {
              yield cut.has(`${name}/${zone}`) ? { state: 'Unknown', evidence: 'connection refused' } : report;
            }
          },
        },
        clock,
        metrics: metrics.provider,
        log,
      });
      const zoneRun = runZone(
        {
          identity: {
            set: SET,
            zone,
            region: 'north',
            nodeName: nodeNameOf(zone),
            labels: {},
            taints: [{ key: 'virtual-kubelet.io/provider', value: 'simulated', effect: 'NoSchedule' }],
            os: 'linux',
            arch: 'amd64',
            election: 'lease',
          },
          owner: OWNER,
          client,
          campaign: election.campaign(zone),
          candidates: election.candidates,
          preferHome: true,
          provider: guard,
          health: health.zone(zone),
          onZoneDown,
          nodeNames: identities.map(({ nodeName }) => nodeName),
          pods,
          nodes,
          state: kubernetesStateStore,
          events,
          services: { ready: true, variables: () => new Map() },
          capacity: { cpu: '64', memory: '256Gi', pods: '1000' },
          kubelet: { address: '10.0.0.1', port: 10_250 },
          version: '0',
          clock,
          random,
          metrics,
          log,
        },
        stop.signal,
      );
      zoneRuns.push(zoneRun);
    }
    return { name, clock, election, metrics };
  });

  const set: RunningSet = {
    stage,
    members,
    backends,
    cut,
    down: (...which) => {
      for (const zone of which) backends.get(zone)?.setFaults({ unreachable: true });
    },
    up: (...which) => {
      for (const zone of which) backends.get(zone)?.setFaults({ unreachable: false });
    },
    node: (zone) => stage.node(nodeNameOf(zone)),
    async ready(zone) {
      const ready = (await set.node(zone)).status?.conditions?.find(({ type }) => type === 'Ready');
      return ready?.status === 'True' ? 'True' : `${ready?.status} ${ready?.reason}`;
    },
    taints: async (zone) =>
      ((await set.node(zone)).spec?.taints ?? [])
        .filter(({ key }) => !key.startsWith('virtual-kubelet.io/'))
        .map(({ key, effect }) => `${key.split('/').pop()}:${effect}`)
        .sort((a, b) => (a < b ? -1 : 1)),
    pods: async (zone) =>
      (await stage.pods()).filter(
        ({ spec, metadata }) => spec?.nodeName === nodeNameOf(zone) && metadata?.deletionTimestamp === undefined,
      ),
    running: (zone) =>
      [...(backends.get(zone)?.list(OWNER) ?? [])]
        .filter(({ observation }) => observation.containers.some(({ state }) => state.running !== undefined))
        .map(({ ref }) => ref.uid)
        .sort(),
    events: (zone) => stage.events(nodeNameOf(zone)),
    async metric(zone, name, labels) {
      for (const { metrics } of members) {
        const found = (await metrics.registry.getSingleMetric(name)?.get())?.values.find(({ labels: has }) =>
          Object.entries({ zone, ...labels }).every(([key, value]) => has[key] === value),
        );
        if (found !== undefined && found.value !== 0) return found.value;
      }
      return 0;
    },
    async [Symbol.asyncDispose]() {
      for (const { clock } of members) clock.thaw();
      stop.abort();
      let over = false;
      const all = Promise.all(zoneRuns)
        .then(() => end.abort())
        .then(() => Promise.all(running))
        .finally(() => {
          over = true;
        });
      for (let i = 0; i < 60 && !over; i++) await stage.clock.advance(1_000);
      await all;
      await stage[Symbol.asyncDispose]();
    },
  };
  await stage.until('led and ready', async () => {
    const ready = await Promise.all(zones.map((zone) => set.ready(zone).catch(() => 'absent')));
    return ready.every((each) => each === 'True');
  });
  return set;
}

/** A process that is stopped neither sends nor hears anything. */
function ofProcess(client: KubeClient, clock: ReplicaClock): KubeClient {
  const runs = (): Promise<void> => new Promise((resolve) => clock.deliver(resolve));
  const gated =
    <A extends unknown[], R>(call: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      await runs();
      try {
        return await call(...given);
      } finally {
        await runs();
      }
    };
  return {
    get: gated(client.get) as KubeClient['get'],
    list: gated(client.list) as KubeClient['list'],
    create: gated(client.create) as KubeClient['create'],
    replace: gated(client.replace) as KubeClient['replace'],
    patch: gated(client.patch) as KubeClient['patch'],
    delete: gated(client.delete),
    async *watch(of, options) {
      for await (const event of client.watch(of, options)) {
        await runs();
        yield event;
      }
    },
  };
}

/** A Deployment for the virtual nodes, whose pods put up with a node that is not Ready for so many seconds. */
export async function deploy(set: RunningSet, name: string, replicas: number, seconds: number): Promise<Deployment> {
  const tolerations = [
    { key: 'virtual-kubelet.io/provider', operator: 'Exists' as const },
    ...['not-ready', 'unreachable'].map((condition) => ({
      key: `node.kubernetes.io/${condition}`,
      operator: 'Exists' as const,
      effect: 'NoExecute' as const,
      tolerationSeconds: seconds,
    })),
  ];
  const made = await set.stage.client.create(
    DEPLOYMENTS,
    deployment(name, replicas, { template: template({ app: name }, { tolerations }) }),
  );
  await set.stage.until(
    'ready',
    async () =>
      (await set.stage.pods()).filter((pod) => pod.metadata?.labels?.app === name && isReady(pod)).length === replicas,
  );
  return made;
}
