/** How many pods a second come to run: created meanwhile, and created beforehand. */
import { createPod, deletePod, type PodName, podNames } from './support/bench-pods.ts';
import type { Benchmark } from './support/benchmark.ts';
import { measureFloor } from './support/floor.ts';
import { inFlight } from './support/in-flight.ts';
import { type Lab, openLab } from './support/lab.ts';
import { type PodWatch, watchPods } from './support/pod-watch.ts';
import { cpuSeconds } from './support/process-usage.ts';
import { medianOf, rate } from './support/statistics.ts';
import { startSubject } from './support/subject.ts';

/** kwok 0.8.0 on this control plane and machine class, where the PATCH floor of the same day was 872 to 891 a second. */
const KWOK_LIVE = 350;
const FLOOR_OF_KWOK = 881;
/** The code is compiled by then. */
const WARM_UP = 200;
const LIMIT_MS = 600_000;

/** `cpuMs` for each pod, the others a second. */
type Round = Readonly<Record<'live' | 'cpuMs' | 'beforehand' | 'creates' | 'statusPatches' | 'createAndPatch', number>>;

export const pods: Benchmark = {
  name: 'pods',
  summary: 'pods per second until Running, created live and beforehand, against a bare status-PATCH loop',
  defaultPods: 1_000,
  defaultRounds: 3,
  async run(context) {
    await using lab = await openLab(context);
    const rounds: Round[] = [];
    for (let round = 1; round <= context.rounds; round++) {
      const floor = await measureFloor(lab, context.pods);
      lab.say(
        `round ${round}: floor ${Math.round(floor.creates)} creates/s, ${Math.round(floor.statusPatches)} patches/s`,
      );
      const live = await measureLive(lab, context.pods);
      const beforehand = await measureBeforehand(lab, context.pods);
      lab.say(`round ${round}: live ${Math.round(live.rate)} pods/s, beforehand ${Math.round(beforehand)} pods/s`);
      // One after the other on the same machine: what a perfect node would reach, were it alone with the creator.
      const both = 1 / (1 / floor.creates + 1 / floor.statusPatches);
      rounds.push({
        live: live.rate,
        cpuMs: live.cpuMs,
        beforehand,
        creates: floor.creates,
        statusPatches: floor.statusPatches,
        createAndPatch: both,
      });
    }
    const of = (name: keyof Round): number => medianOf(rounds, name);
    const patches = of('statusPatches');
    return {
      rounds,
      figures: [
        {
          name: 'live',
          value: of('live'),
          unit: 'per second',
          floor: { what: 'create and PATCH, each bare', value: of('createAndPatch') },
          target: { atLeast: Math.min(250, 0.7 * KWOK_LIVE * (patches / FLOOR_OF_KWOK)) },
        },
        {
          name: 'beforehand',
          value: of('beforehand'),
          unit: 'per second',
          floor: { what: 'status PATCH loop', value: patches },
          target: { atLeast: 0.6 * patches },
        },
        { name: 'CPU of the replica per pod, live', value: of('cpuMs'), unit: 'ms' },
        { name: 'create loop', value: of('creates'), unit: 'per second' },
      ],
    };
  },
};

async function measureLive(lab: Lab, count: number): Promise<{ readonly rate: number; readonly cpuMs: number }> {
  await using subject = await startSubject(lab);
  await subject.leading();
  await using watch = await watchPods(lab, subject.nodeNames);
  const node = subject.nodeNames[0] ?? '';
  const warmUp = podNames(`warm-${lab.unique()}`, WARM_UP);
  await create(lab, warmUp, node);
  await watch.until('the pods of the warm-up', ({ running }) => running === WARM_UP, LIMIT_MS);
  await subject.quiet();
  watch.reset();
  const pods = podNames(`live-${lab.unique()}`, count);
  const cpuBefore = await cpuSeconds(subject.pid);
  const begun = lab.clock.monotonic();
  await create(lab, pods, node);
  await watch.until(`${count} running pods`, ({ running }) => running === count, LIMIT_MS);
  const cpuMs = (((await cpuSeconds(subject.pid)) - cpuBefore) * 1000) / count;
  const measured = rate(count, lastRunning(watch) - begun);
  await subject.stop();
  await remove(lab, [...warmUp, ...pods]);
  return { rate: measured, cpuMs };
}

/** The Node is there from an earlier term; nobody leads the zone while the pods are created. */
async function measureBeforehand(lab: Lab, count: number): Promise<number> {
  const before = await startSubject(lab);
  await before.leading();
  await before.stop();
  const node = before.nodeNames[0] ?? '';
  const pods = podNames(`before-${lab.unique()}`, count);
  await create(lab, pods, node);
  await using watch = await watchPods(lab, before.nodeNames);
  await using subject = await startSubject(lab);
  await watch.until(`${count} running pods`, ({ running }) => running === count, LIMIT_MS);
  const first = Math.min(...[...watch.seen.values()].map(({ runningAt }) => runningAt ?? Number.POSITIVE_INFINITY));
  const measured = rate(count - 1, lastRunning(watch) - first);
  await subject.stop();
  await remove(lab, pods);
  return measured;
}

async function create({ transport, signal }: Lab, pods: readonly PodName[], node: string): Promise<void> {
  await inFlight(pods, signal, async (pod) => {
    await createPod(transport, pod, node);
  });
}

async function remove({ transport, signal }: Lab, pods: readonly PodName[]): Promise<void> {
  await inFlight(pods, signal, (pod) => deletePod(transport, pod, 'force'));
}

function lastRunning(watch: PodWatch): number {
  return Math.max(...[...watch.seen.values()].map(({ runningAt }) => runningAt ?? 0));
}
