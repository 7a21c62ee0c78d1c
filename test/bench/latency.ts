/** How long a single pod takes to run, at a rate that clusters have: open loop, so that a slow answer delays no other. */
import { createPod, podNames } from './support/bench-pods.ts';
import type { Benchmark } from './support/benchmark.ts';
import { measurePatchLatency } from './support/floor.ts';
import { type Lab, openLab } from './support/lab.ts';
import { watchPods } from './support/pod-watch.ts';
import { medianOf, percentile } from './support/statistics.ts';
import { startSubject } from './support/subject.ts';

/** The rate that the Kubernetes pod start-up SLO is stated for. */
const PER_SECOND = 20;
const PATCHES = 200;
const LIMIT_MS = 60_000;

/** Milliseconds. */
type Round = Readonly<
  Record<'createP50' | 'createP99' | 'createMax' | 'boundP50' | 'boundP99' | 'patchP50' | 'patchP99', number>
>;

export const latency: Benchmark = {
  name: 'latency',
  summary: 'create to Running seen by a watch at 20 pods per second, against one PATCH',
  defaultPods: 600,
  defaultRounds: 3,
  async run(context) {
    await using lab = await openLab(context);
    await using subject = await startSubject(lab);
    await subject.leading();
    await using watch = await watchPods(lab, subject.nodeNames);
    const node = subject.nodeNames[0] ?? '';
    lab.say('warming up');
    await createAtRate(lab, 200, node);
    await watch.until('the pods of the warm-up', ({ running }) => running === 200, LIMIT_MS);
    const rounds: Round[] = [];
    for (let round = 1; round <= context.rounds; round++) {
      await subject.quiet();
      const patches = await measurePatchLatency(lab, PATCHES, PER_SECOND);
      watch.reset();
      const sentAt = await createAtRate(lab, context.pods, node);
      await watch.until(`${context.pods} running pods`, ({ running }) => running === context.pods, LIMIT_MS);
      const fromCreate: number[] = [];
      const fromBound: number[] = [];
      for (const [key, { boundAt = Number.NaN, runningAt = Number.NaN }] of watch.seen) {
        fromCreate.push(runningAt - (sentAt.get(key) ?? Number.NaN));
        fromBound.push(runningAt - boundAt);
      }
      const measured = {
        createP50: percentile(fromCreate, 50),
        createP99: percentile(fromCreate, 99),
        createMax: Math.max(...fromCreate),
        boundP50: percentile(fromBound, 50),
        boundP99: percentile(fromBound, 99),
        patchP50: percentile(patches, 50),
        patchP99: percentile(patches, 99),
      };
      lab.say(`round ${round}: p50 ${measured.createP50.toFixed(1)} ms, p99 ${measured.createP99.toFixed(1)} ms`);
      rounds.push(measured);
    }
    const of = (name: keyof Round): number => medianOf(rounds, name);
    const p50 = { what: 'p50 of one PATCH', value: of('patchP50') };
    const p99 = { what: 'p99 of one PATCH', value: of('patchP99') };
    return {
      rounds,
      figures: [
        { name: 'create to Running, p50', value: of('createP50'), unit: 'ms', floor: p50, target: { atMost: 8 } },
        { name: 'create to Running, p99', value: of('createP99'), unit: 'ms', floor: p99, target: { atMost: 25 } },
        { name: 'bound to Running, p50', value: of('boundP50'), unit: 'ms', floor: p50 },
        { name: 'bound to Running, p99', value: of('boundP99'), unit: 'ms', floor: p99 },
      ],
    };
  },
};

/** When each create was sent, by `namespace/name`. */
async function createAtRate(lab: Lab, count: number, node: string): Promise<Map<string, number>> {
  const { clock, transport } = lab;
  const sentAt = new Map<string, number>();
  const begun = clock.monotonic();
  const answers: Promise<string>[] = [];
  for (const [i, pod] of podNames(`rate-${lab.unique()}`, count).entries()) {
    await lab.pause(Math.max(0, begun + (i * 1000) / PER_SECOND - clock.monotonic()));
    sentAt.set(`${pod.namespace}/${pod.name}`, clock.monotonic());
    const answer = createPod(transport, pod, node);
    // It is awaited below; until then its failure is not unhandled.
    answer.catch(() => {});
    answers.push(answer);
  }
  await Promise.all(answers);
  return sentAt;
}
