/** How long zones are without a leader when theirs is lost, as a client sees it that watches the Nodes. */
import { systemRandom } from '../../src/clock.ts';
import { clearCluster, openPlay } from '../../src/commands/demo/play.ts';
import { buildStage, type Replica } from '../../src/commands/demo/stage.ts';
import { CONFIG_MAPS } from '../../src/kube/resources.ts';
import { record } from '../scenarios/support/history.ts';
import { openLinks } from '../scenarios/support/links.ts';
import { hasRedisServer, startRedisServer } from '../support/redis-server.ts';
import {
  type Scene,
  WAYS,
  WAYS_BY_PROXY,
  WAYS_BY_REDIS,
  WAYS_BY_REDIS_WITHOUT_PROOF,
  WAYS_WITHOUT_PROOF,
  type Way,
} from './failover/ways.ts';
import type { BenchContext, Benchmark, Figure } from './support/benchmark.ts';
import { type Lab, openLab } from './support/lab.ts';
import { type LeaseTraffic, measureLeaseTraffic } from './support/lease-traffic.ts';
import { percentile } from './support/statistics.ts';

/** The default `election.leaseDuration`: nobody may act before it is over, unless the leader is proved dead. */
const LEASE_MS = 6_000;
/** The same with `election.by: redis`. */
const LOCK_MS = 4_000;
const REDIS_SERVERS = 3;
const ZONES = 3;
const REPLICAS = 3;
/** So that a round finds nothing of the one before under way. */
const CALM_MS = 3_000;
const WRITES = 50;

interface Part {
  readonly ways: readonly Way[];
  /** What each way measured, in the order of the rounds. */
  readonly measured: ReadonlyMap<string, readonly number[]>;
  readonly restarts: number;
  readonly lost: number;
  readonly notReadyMs: number;
}

/** A set of its own, and what is done to it. */
interface Plan {
  readonly name: string;
  readonly ways: readonly Way[];
  readonly proxied?: boolean;
  /** What its configuration says beside the default. */
  readonly settings?: object;
}

export const failover: Benchmark = {
  name: 'failover',
  summary: 'time without a leader when one is lost, in each way that there is; three zones and three replicas',
  defaultPods: 30,
  defaultRounds: 30,
  async run(context) {
    await using lab = await openLab(context);
    const writeToWatch = await measureWriteToWatch(lab);
    const floors = {
      'hand-over': { what: 'release, claim and the Node, each seen by a watch', value: 3 * writeToWatch },
      lease: { what: 'lease duration', value: LEASE_MS },
      lock: { what: 'lease duration', value: LOCK_MS },
    };
    await using redis = new AsyncDisposableStack();
    const servers: string[] = [];
    while (hasRedisServer && servers.length < REDIS_SERVERS)
      servers.push(redis.use(await startRedisServer({ persistent: true })).url);
    let traffic: LeaseTraffic | undefined;
    const parts: Part[] = [];
    for (const plan of plans(servers)) {
      const first = parts.length === 0;
      parts.push(
        await playPart(lab, context, plan, async () => {
          if (first) traffic = await measureLeaseTraffic(lab);
        }),
      );
    }
    const figures = parts.flatMap(({ ways, measured }) =>
      ways.flatMap(({ name, target, floor }): Figure[] => {
        const values = measured.get(name) ?? [];
        const beside = floor === undefined ? {} : { floor: floors[floor] };
        return [
          { name: `${name}, p50`, value: percentile(values, 50), unit: 'ms', ...beside },
          { name: `${name}, p99`, value: percentile(values, 99), unit: 'ms', ...beside, target: { atMost: target } },
          { name: `${name}, max`, value: Math.max(...values), unit: 'ms', ...beside },
        ];
      }),
    );
    const sum = (of: 'restarts' | 'lost' | 'notReadyMs'): number => parts.reduce((all, part) => all + part[of], 0);
    const series = parts.flatMap(({ measured }) => [...measured]);
    return {
      rounds: Array.from({ length: context.rounds }, (_, i) =>
        Object.fromEntries(series.map(([name, values]) => [name, values[i] ?? Number.NaN])),
      ),
      figures: [
        ...figures,
        { name: 'restarts of pods', value: sum('restarts'), unit: 'count', target: { atMost: 0 } },
        { name: 'pods lost', value: sum('lost'), unit: 'count', target: { atMost: 0 } },
        { name: 'nodes not Ready', value: sum('notReadyMs'), unit: 'ms', target: { atMost: 0 } },
        ...(traffic === undefined ? [] : trafficFigures(traffic)),
      ],
      ...(hasRedisServer ? {} : { notes: ['without Redis: there is no redis-server here'] }),
    };
  },
};

function plans(servers: readonly string[]): Plan[] {
  const noProof = { onPeerDeath: 'off' };
  const direct: Plan[] = [
    { name: 'direct', ways: WAYS },
    { name: 'proxied', ways: WAYS_BY_PROXY, proxied: true },
    { name: 'no-proof', ways: WAYS_WITHOUT_PROOF, settings: { election: noProof } },
  ];
  if (servers.length === 0) return direct;
  const redis = { servers };
  return [
    ...direct,
    { name: 'redis', ways: WAYS_BY_REDIS, settings: { redis, election: { by: 'redis' } } },
    {
      name: 'redis-no-proof',
      ways: WAYS_BY_REDIS_WITHOUT_PROOF,
      settings: { redis, election: { by: 'redis', ...noProof } },
    },
  ];
}

/** Brings the set up, and takes it away again; `atRest` is called before anything is done to it. */
async function playPart(
  lab: Lab,
  { pods, rounds }: BenchContext,
  { name, ways, proxied, settings }: Plan,
  atRest: () => Promise<void>,
): Promise<Part> {
  const { clock, signal, say } = lab;
  const folder = `${lab.folder}/${name}`;
  await using undo = new AsyncDisposableStack();
  const links = proxied === true ? undo.use(await openLinks(folder, REPLICAS, ZONES)) : undefined;
  const stage = await buildStage({
    folder,
    self: lab.zonelet,
    env: process.env,
    kubeconfig: lab.kubeconfig,
    zones: ZONES,
    replicas: REPLICAS,
    random: systemRandom,
    configure: (replica, common) => ({ ...(links?.configure(replica, common) ?? common), ...settings }),
  });
  undo.defer(() => stage.stop(clock));
  const staging = { stage, env: process.env, clock, random: systemRandom, pods, signal, say };
  undo.defer(() => clearCluster(staging));
  const play = undo.use(await openPlay(staging));
  const { observer } = play;
  const history = undo.use(await record(play.client, clock, systemRandom));
  const scene: Scene = { lab, stage, observer, history, links };
  await lab.until('all replicas to be ready', () => allReady(stage.replicas));
  await atRest();
  const measured = new Map<string, number[]>(ways.map((way) => [way.name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const way of ways) {
      await lab.until('all replicas to be ready', () => allReady(stage.replicas));
      await lab.pause(CALM_MS);
      const victim = stage.replicas.find((replica) => observer.zones().some(({ leader }) => leader === replica.name));
      if (victim === undefined) throw new Error('no replica leads a zone');
      const ms = await way.happen(scene, victim);
      measured.get(way.name)?.push(ms);
      say(`round ${round}: ${way.name} of ${victim.name}: ${Math.round(ms)} ms`);
    }
  }
  return { ways, measured, ...observer.score() };
}

function trafficFigures({ writes, requests }: LeaseTraffic): Figure[] {
  return [
    { name: 'Lease writes for a zone', value: writes(/^zonelet-\w+-zone-/), unit: 'per second' },
    { name: 'Lease writes for a replica', value: writes(/^zonelet-\w+-replica-/), unit: 'per second' },
    { name: 'node Lease writes for a zone', value: writes(/^\w+-zone-/), unit: 'per second' },
    { name: 'Lease requests, three zones and replicas', value: requests, unit: 'per second' },
  ];
}

async function allReady(replicas: readonly Replica[]): Promise<boolean> {
  const answers = await Promise.all(
    replicas.map(({ httpPort }) => fetch(`http://127.0.0.1:${httpPort}/readyz`).then(({ ok }) => ok)),
  );
  return answers.every((ok) => ok);
}

/** Median milliseconds from sending a write to seeing it in a watch. */
async function measureWriteToWatch({ client, clock, signal }: Lab): Promise<number> {
  const at = { namespace: 'default', name: 'bench-write-to-watch' };
  const made = await client.create(CONFIG_MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata: at });
  const watch = client
    .watch(CONFIG_MAPS, {
      namespace: at.namespace,
      fieldSelector: `metadata.name=${at.name}`,
      resourceVersion: made.metadata?.resourceVersion ?? '',
      signal,
    })
    [Symbol.asyncIterator]();
  const taken: number[] = [];
  for (let i = 0; i < WRITES; i++) {
    const sentAt = clock.monotonic();
    const patch = client.patch(CONFIG_MAPS, at, { type: 'merge', body: { data: { i: String(i) } } });
    for (let next = await watch.next(); next.value?.type === 'BOOKMARK'; next = await watch.next());
    taken.push(clock.monotonic() - sentAt);
    await patch;
  }
  await watch.return?.(undefined);
  return percentile(taken, 50);
}
