/**
 * How long a new replica takes to have adopted all pods that run, on backends that outlive it. It leads its home zone at
 * once; the others it leaves to their home replicas for a moment, should they be starting too.
 */
import { join } from 'node:path';
import { systemRandom } from '../../src/clock.ts';
import { startChild } from '../../src/commands/demo/child.ts';
import { freePorts } from '../../src/commands/demo/free-ports.ts';
import { readAll } from '../../src/kube/consistent-list.ts';
import { PODS } from '../../src/kube/resources.ts';
import { sumOf } from '../support/prometheus-text.ts';
import { createPod, podNames } from './support/bench-pods.ts';
import type { Benchmark } from './support/benchmark.ts';
import { inFlight } from './support/in-flight.ts';
import { type Lab, openLab } from './support/lab.ts';
import { watchPods } from './support/pod-watch.ts';
import { medianOf } from './support/statistics.ts';
import { startSubject } from './support/subject.ts';

const ZONES = ['zone-a', 'zone-b', 'zone-c'];
const LIMIT_MS = 900_000;

type Round = Readonly<Record<'home' | 'all' | 'list' | 'writes', number>>;

export const coldStart: Benchmark = {
  name: 'cold-start',
  summary: 'start of a replica until it has adopted every running pod of three zones, against reading them',
  defaultPods: 5_000,
  defaultRounds: 3,
  async run(context) {
    await using lab = await openLab(context);
    await using backends = await startBackends(lab);
    const options = { zones: ZONES, provider: backends.provider };
    const first = await startSubject(lab, options);
    await first.leading();
    {
      await using watch = await watchPods(lab, first.nodeNames);
      await inFlight(podNames('cold', context.pods), lab.signal, async (pod, i) => {
        await createPod(lab.transport, pod, first.nodeNames[i % ZONES.length] ?? '');
      });
      await watch.until(`${context.pods} running pods`, ({ running }) => running === context.pods, LIMIT_MS);
    }
    lab.say(`${context.pods} pods run; waiting for the last of their Events`);
    await first.quiet();
    await first.stop();
    const rounds: Round[] = [];
    for (let round = 1; round <= context.rounds; round++) {
      const list = await timeList(lab, first.nodeNames);
      const before = await statusWrites(lab);
      const subject = await startSubject(lab, options);
      await subject.leading();
      const takeOvers = await subject.takeOvers();
      await subject.quiet();
      const after = takeOvers.map(({ at }) => (at - subject.startedAt) / 1000);
      const home = Math.min(...after);
      const all = Math.max(...after);
      const adopted = takeOvers.reduce((sum, each) => sum + each.adopted, 0);
      const writes = (await statusWrites(lab)) - before;
      lab.say(`round ${round}: ${home.toFixed(2)} s, ${all.toFixed(2)} s; ${adopted} adopted, ${writes} status writes`);
      if (adopted !== context.pods) throw new Error(`${adopted} of ${context.pods} pods were adopted`);
      rounds.push({ home, all, list, writes });
      await subject.stop();
    }
    const of = (name: keyof Round): number => medianOf(rounds, name);
    const list = { what: 'consistent lists of the pods', value: of('list') };
    return {
      rounds,
      figures: [
        { name: 'home zone adopted', value: of('home'), unit: 's', floor: list },
        { name: 'all zones adopted', value: of('all'), unit: 's', floor: list },
        { name: 'status writes', value: of('writes'), unit: 'count', target: { atMost: 0 } },
      ],
    };
  },
};

interface Backends extends AsyncDisposable {
  provider(zone: string, index: number): Readonly<Record<string, unknown>>;
}

/** A simulated backend in a replica's own process would end with it. */
async function startBackends(lab: Lab): Promise<Backends> {
  const ports = await freePorts(systemRandom, ZONES.length);
  await using undo = new AsyncDisposableStack();
  for (const [i, zone] of ZONES.entries()) {
    const file = (name: string): string => join(lab.folder, `${zone}.${name}`);
    const where = ['--listen', `127.0.0.1:${ports[i]}`, '--zone', zone, '--data', file('data')];
    const child = startChild({
      name: `backend ${zone}`,
      command: [...lab.zonelet, 'backend', ...where, '--runtime', 'simulated', '--journal', file('journal')],
      env: process.env,
      cwd: lab.folder,
      logFile: file('log'),
    });
    undo.defer(async () => {
      child.kill('SIGTERM');
      await child.exited;
    });
  }
  const started = undo.move();
  return {
    provider: (_zone, index) => ({ kind: 'web', url: `http://127.0.0.1:${ports[index]}` }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function timeList({ client, clock, signal }: Lab, nodeNames: readonly string[]): Promise<number> {
  const begun = clock.monotonic();
  await Promise.all(
    nodeNames.map((node) =>
      readAll(client, PODS, { fieldSelector: `spec.nodeName=${node}`, signal }, (pod) => ({
        metadata: pod.metadata ?? {},
      })),
    ),
  );
  return (clock.monotonic() - begun) / 1000;
}

async function statusWrites(lab: Lab): Promise<number> {
  return sumOf(await lab.apiRequests(), { verb: 'PATCH', resource: 'pods', subresource: 'status' });
}
