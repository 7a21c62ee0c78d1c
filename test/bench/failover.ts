/** How long zones are without a leader when theirs is ended, as a client sees it that watches the Nodes. */
import { systemRandom } from '../../src/clock.ts';
import { endLeader } from '../../src/commands/demo/failover.ts';
import { openPlay } from '../../src/commands/demo/play.ts';
import { buildStage, type Replica } from '../../src/commands/demo/stage.ts';
import { CONFIG_MAPS } from '../../src/kube/resources.ts';
import type { Benchmark } from './support/benchmark.ts';
import { type Lab, openLab } from './support/lab.ts';
import { percentile } from './support/statistics.ts';

/** The default `election.leaseDuration`: nobody may act before it is over, unless the leader is proved dead. */
const LEASE_MS = 6_000;
const SIGNALS = ['SIGTERM', 'SIGKILL'] as const;
/** So that a round finds nothing of the one before under way. */
const CALM_MS = 3_000;
const WRITES = 50;

export const failover: Benchmark = {
  name: 'failover',
  summary: 'time without a leader after SIGTERM and SIGKILL of one, three zones and three replicas',
  defaultPods: 30,
  defaultRounds: 5,
  async run(context) {
    await using lab = await openLab(context);
    const { clock, signal, say } = lab;
    const stage = await buildStage({
      folder: `${lab.folder}/stage`,
      self: lab.zonelet,
      env: process.env,
      kubeconfig: lab.kubeconfig,
      zones: 3,
      replicas: 3,
      random: systemRandom,
    });
    await using undo = new AsyncDisposableStack();
    undo.defer(() => stage.stop(clock));
    const { pods } = context;
    const play = undo.use(await openPlay({ stage, env: process.env, clock, random: systemRandom, pods, signal, say }));
    const { observer } = play;
    const writeToWatch = await measureWriteToWatch(lab);
    const rounds: Record<string, number>[] = [];
    for (let round = 1; round <= context.rounds; round++) {
      const measured: Record<string, number> = {};
      for (const how of SIGNALS) {
        await lab.until('all replicas to be ready', () => allReady(stage.replicas));
        await lab.pause(CALM_MS);
        const replica = stage.replicas.find(({ name }) => observer.zones().some(({ leader }) => leader === name));
        if (replica === undefined) throw new Error('no replica leads a zone');
        const { takeoverMs, zones } = await endLeader(replica, how, observer, clock, signal);
        say(`round ${round}: ${how} of ${replica.name}: ${zones.join(', ')} after ${takeoverMs} ms`);
        measured[how] = takeoverMs;
        await replica.child.exited;
        stage.replaceReplica(replica.name);
      }
      rounds.push(measured);
    }
    const { restarts, lost, notReadyMs } = observer.score();
    const of = (how: (typeof SIGNALS)[number], percent: number): number =>
      percentile(
        rounds.map((each) => each[how] ?? Number.NaN),
        percent,
      );
    const handOver = { what: 'release, claim and the Node, each seen by a watch', value: 3 * writeToWatch };
    const lease = { what: 'lease duration', value: LEASE_MS };
    return {
      rounds,
      figures: [
        { name: 'SIGTERM, p50', value: of('SIGTERM', 50), unit: 'ms', floor: handOver },
        { name: 'SIGTERM, p99', value: of('SIGTERM', 99), unit: 'ms', floor: handOver, target: { atMost: 500 } },
        { name: 'SIGKILL, p50', value: of('SIGKILL', 50), unit: 'ms', floor: lease },
        { name: 'SIGKILL, p99', value: of('SIGKILL', 99), unit: 'ms', floor: lease, target: { atMost: 7_000 } },
        { name: 'restarts of pods', value: restarts, unit: 'count', target: { atMost: 0 } },
        { name: 'pods lost', value: lost, unit: 'count', target: { atMost: 0 } },
        { name: 'nodes not Ready', value: notReadyMs, unit: 'ms', target: { atMost: 0 } },
      ],
    };
  },
};

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
