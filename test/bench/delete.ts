/** How many pods a second end in good order, and how many writes to the API a pod's whole life costs. */

import { type Sample, sumOf } from '../support/prometheus-text.ts';
import { createPod, deletePod, podNames } from './support/bench-pods.ts';
import type { Benchmark } from './support/benchmark.ts';
import { measureFloor } from './support/floor.ts';
import { inFlight } from './support/in-flight.ts';
import { openLab } from './support/lab.ts';
import { watchPods } from './support/pod-watch.ts';
import { cpuSeconds } from './support/process-usage.ts';
import { medianOf, rate } from './support/statistics.ts';
import { startSubject } from './support/subject.ts';

const LIMIT_MS = 600_000;

type Round = Readonly<Record<'deletes' | 'cpuMs' | 'writes' | 'reads' | 'events' | 'forcedDeletes', number>>;

export const deletion: Benchmark = {
  name: 'delete',
  summary: 'graceful deletions per second and API writes of a pod life, against forced deletes',
  defaultPods: 1_000,
  defaultRounds: 3,
  async run(context) {
    await using lab = await openLab(context);
    const { transport, clock, signal } = lab;
    await using subject = await startSubject(lab);
    await subject.leading();
    await using watch = await watchPods(lab, subject.nodeNames);
    const node = subject.nodeNames[0] ?? '';
    /** One life of `count` pods: what deleting them took, and what the API server counted. */
    const live = async (count: number) => {
      watch.reset();
      await subject.quiet();
      const before = await lab.apiRequests();
      const pods = podNames(`life-${lab.unique()}`, count);
      await inFlight(pods, signal, async (pod) => {
        await createPod(transport, pod, node);
      });
      await watch.until(`${count} running pods`, ({ running }) => running === count, LIMIT_MS);
      // Events of the start are not to be written while the end is measured.
      await subject.quiet();
      const cpuBefore = await cpuSeconds(subject.pid);
      const begun = clock.monotonic();
      await inFlight(pods, signal, (pod) => deletePod(transport, pod, 'graceful'));
      await watch.until(`the end of ${count} pods`, ({ gone }) => gone === count, LIMIT_MS);
      const last = Math.max(...[...watch.seen.values()].map(({ goneAt }) => goneAt ?? 0));
      const cpuMs = (((await cpuSeconds(subject.pid)) - cpuBefore) * 1000) / count;
      await subject.quiet();
      const after = await lab.apiRequests();
      return {
        deletes: rate(count, last - begun),
        cpuMs,
        // The benchmark itself has sent one DELETE for each.
        writes: difference(before, after, ['PATCH', 'PUT', 'DELETE'], 'pods') / count - 1,
        reads: difference(before, after, ['GET'], 'pods') / count,
        events: difference(before, after, ['POST', 'PATCH', 'PUT'], 'events') / count,
      };
    };
    lab.say('warming up');
    await live(Math.min(200, context.pods));
    const rounds: Round[] = [];
    for (let round = 1; round <= context.rounds; round++) {
      const { forcedDeletes } = await measureFloor(lab, context.pods);
      const measured = await live(context.pods);
      lab.say(
        `round ${round}: ${Math.round(measured.deletes)} deletions/s, ${Math.round(forcedDeletes)} forced ones/s`,
      );
      rounds.push({ ...measured, forcedDeletes });
    }
    const of = (name: keyof Round): number => medianOf(rounds, name);
    return {
      rounds,
      figures: [
        {
          name: 'graceful deletions',
          value: of('deletes'),
          unit: 'per second',
          floor: { what: 'forced deletes', value: of('forcedDeletes') },
          target: { atLeast: 200 },
        },
        { name: 'CPU of the replica per deletion', value: of('cpuMs'), unit: 'ms' },
        { name: 'writes of a pod life', value: of('writes'), unit: 'count', target: { atMost: 3 } },
        { name: 'reads of a pod life', value: of('reads'), unit: 'count' },
        { name: 'Event writes of a pod life', value: of('events'), unit: 'count', target: { atMost: 2 } },
      ],
    };
  },
};

function difference(
  before: readonly Sample[],
  after: readonly Sample[],
  verbs: readonly string[],
  resource: string,
): number {
  return verbs.reduce((sum, verb) => sum + sumOf(after, { verb, resource }) - sumOf(before, { verb, resource }), 0);
}
