/** The resident memory of a replica that leads three zones, and what each pod adds to it. */
import { type Child, startChild } from '../../src/commands/demo/child.ts';
import { createPod, podNames } from './support/bench-pods.ts';
import type { Benchmark } from './support/benchmark.ts';
import { inFlight } from './support/in-flight.ts';
import { type Lab, openLab } from './support/lab.ts';
import { watchPods } from './support/pod-watch.ts';
import { residentMiB } from './support/process-usage.ts';
import { median } from './support/statistics.ts';
import { startSubject } from './support/subject.ts';

const ZONES = ['zone-a', 'zone-b', 'zone-c'];
/** Of the pods asked for, where it is measured. */
const STEPS = [0, 0.1, 0.5, 1];
const SAMPLES = 10;
/** Memory is given back by collections, which come with work: renewals and heartbeats go on meanwhile. */
const SETTLE_MS = 30_000;
const LIMIT_MS = 900_000;

export const memory: Benchmark = {
  name: 'memory',
  summary: 'resident memory of a replica with three zones at 0, 10 %, 50 % and all of the pods',
  defaultPods: 10_000,
  defaultRounds: 1,
  async run(context) {
    await using lab = await openLab(context);
    const bare = await bareNode(lab);
    const rounds: Record<string, number>[] = [];
    for (let round = 1; round <= context.rounds; round++) {
      await using subject = await startSubject(lab, { zones: ZONES });
      await subject.leading();
      await using watch = await watchPods(lab, subject.nodeNames);
      const measured: Record<string, number> = {};
      const pods = podNames(`memory-${lab.unique()}`, context.pods);
      for (const step of STEPS) {
        const wanted = Math.round(step * context.pods);
        await inFlight(pods.slice(watch.running, wanted), lab.signal, async (pod, i) => {
          await createPod(lab.transport, pod, subject.nodeNames[i % ZONES.length] ?? '');
        });
        await watch.until(`${wanted} running pods`, ({ running }) => running === wanted, LIMIT_MS);
        await subject.quiet();
        await lab.pause(SETTLE_MS);
        const value = await settled(lab, subject.pid);
        lab.say(`round ${round}: ${value.toFixed(1)} MiB with ${wanted} pods`);
        measured[String(wanted)] = value;
      }
      rounds.push(measured);
    }
    const at = (count: number): number => median(rounds.map((each) => each[String(count)] ?? Number.NaN));
    const empty = at(0);
    const full = at(context.pods);
    return {
      rounds,
      figures: [
        {
          name: 'empty',
          value: empty,
          unit: 'MiB',
          floor: { what: 'Node itself', value: bare },
          target: { atMost: 120 },
        },
        ...STEPS.slice(1).map((step) => {
          const count = Math.round(step * context.pods);
          return { name: `with ${count} pods`, value: at(count), unit: 'MiB' as const };
        }),
        {
          name: 'each pod more',
          value: ((full - empty) * 1024) / context.pods,
          unit: 'KiB',
          target: { atMost: 10 },
        },
      ],
    };
  },
};

async function settled(lab: Lab, pid: number): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    samples.push(await residentMiB(pid));
    await lab.pause(500);
  }
  return median(samples);
}

async function bareNode(lab: Lab): Promise<number> {
  const child: Child = startChild({
    name: 'bare node',
    command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'],
    env: process.env,
    cwd: lab.folder,
    logFile: `${lab.folder}/bare.log`,
  });
  try {
    await lab.pause(2_000);
    return await settled(lab, child.pid);
  } finally {
    child.kill('SIGKILL');
  }
}
