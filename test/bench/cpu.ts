/** What a replica takes of a core while nothing happens to its pods. */
import { createPod, podNames } from './support/bench-pods.ts';
import type { Benchmark } from './support/benchmark.ts';
import { inFlight } from './support/in-flight.ts';
import { type Lab, openLab } from './support/lab.ts';
import { watchPods } from './support/pod-watch.ts';
import { cpuSeconds } from './support/process-usage.ts';
import { medianOf } from './support/statistics.ts';
import { startSubject } from './support/subject.ts';

const ZONES = ['zone-a', 'zone-b', 'zone-c'];
const WINDOW_MS = 60_000;
const LIMIT_MS = 900_000;

export const cpu: Benchmark = {
  name: 'cpu',
  summary: 'share of a core that a replica with three zones takes while its pods are idle',
  defaultPods: 5_000,
  defaultRounds: 1,
  async run(context) {
    await using lab = await openLab(context);
    await using subject = await startSubject(lab, { zones: ZONES });
    await subject.leading();
    // What leading three zones costs without a pod: renewals and heartbeats.
    await subject.quiet();
    const empty = await share(lab, subject.pid);
    lab.say(`${empty.toFixed(2)} % of a core without pods`);
    await using watch = await watchPods(lab, subject.nodeNames);
    await inFlight(podNames('cpu', context.pods), lab.signal, async (pod, i) => {
      await createPod(lab.transport, pod, subject.nodeNames[i % ZONES.length] ?? '');
    });
    await watch.until(`${context.pods} running pods`, ({ running }) => running === context.pods, LIMIT_MS);
    lab.say(`${context.pods} pods run; waiting for the last of their Events`);
    const rounds: { idle: number; empty: number }[] = [];
    for (let round = 1; round <= context.rounds; round++) {
      await subject.quiet();
      const idle = await share(lab, subject.pid);
      lab.say(`round ${round}: ${idle.toFixed(2)} % of a core with ${context.pods} pods`);
      rounds.push({ idle, empty });
    }
    return {
      rounds,
      figures: [
        {
          name: 'idle',
          value: medianOf(rounds, 'idle'),
          unit: 'percent',
          floor: { what: 'the same replica without pods', value: empty },
          target: { atMost: 1 },
        },
      ],
    };
  },
};

/** Percent of one core over a minute. */
async function share(lab: Lab, pid: number): Promise<number> {
  const before = await cpuSeconds(pid);
  const begun = lab.clock.monotonic();
  await lab.pause(WINDOW_MS);
  const used = (await cpuSeconds(pid)) - before;
  return (used * 1000 * 100) / (lab.clock.monotonic() - begun);
}
