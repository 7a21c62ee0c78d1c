/** What client-go's leader election takes for the same, on the same machine: three candidates for one Lease. */
import { systemRandom } from '../../src/clock.ts';
import { type Child, startChild } from '../../src/commands/demo/child.ts';
import type { Lease } from '../../src/kube/types.ts';
import { type History, record } from '../scenarios/support/history.ts';
import { buildCandidate } from './client-go/program.ts';
import type { Benchmark, Figure } from './support/benchmark.ts';
import { type Lab, openLab } from './support/lab.ts';
import { measureLeaseTraffic } from './support/lease-traffic.ts';
import { percentile } from './support/statistics.ts';

/** Its defaults, which nearly everybody has; and Zonelet's. */
const TIMINGS = [
  { name: '15/10/2 s', leaseDuration: '15s', renewDeadline: '10s', retryPeriod: '2s' },
  { name: '6/4/1 s', leaseDuration: '6s', renewDeadline: '4s', retryPeriod: '1s' },
] as const;
type Timing = (typeof TIMINGS)[number];
const CANDIDATES = 3;
/** Each polls with its own jitter: as long as it takes until all have seen the new leader. */
const CALM_MS = 5_000;
const WAYS = ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const;

export const clientGo: Benchmark = {
  name: 'client-go',
  summary: 'the same of three candidates of client-go, with its default timing and with that of Zonelet',
  defaultPods: 1,
  defaultRounds: 30,
  async run(context) {
    const program = await buildCandidate();
    if (program === undefined)
      return { figures: [], rounds: [], notes: ['skipped: there is no Go here to build it with'] };
    await using lab = await openLab(context);
    const figures: Figure[] = [];
    const rounds: Record<string, number>[] = Array.from({ length: context.rounds }, () => ({}));
    for (const timing of TIMINGS) {
      await using set = await openCandidates(lab, program, timing);
      const { requests } = await measureLeaseTraffic(lab);
      for (const round of rounds) {
        for (const way of WAYS) {
          await lab.pause(CALM_MS);
          const ms = await set.lose(way);
          lab.say(`round ${rounds.indexOf(round) + 1}: ${timing.name}, ${way}: ${Math.round(ms)} ms`);
          round[`${timing.name}, ${way}`] = ms;
        }
      }
      for (const way of WAYS) {
        const name = `${timing.name}, ${way}`;
        const values = rounds.map((each) => each[name] ?? Number.NaN);
        figures.push(
          { name: `${name}, p50`, value: percentile(values, 50), unit: 'ms' },
          { name: `${name}, p99`, value: percentile(values, 99), unit: 'ms' },
          { name: `${name}, max`, value: Math.max(...values), unit: 'ms' },
        );
      }
      figures.push({ name: `${timing.name}, Lease requests for a lock`, value: requests, unit: 'per second' });
    }
    return { figures, rounds };
  },
};

interface Candidates extends AsyncDisposable {
  /** Ends or freezes the leader; milliseconds until a watch shows another one. Brings the set up to its size again. */
  lose(how: (typeof WAYS)[number]): Promise<number>;
}

async function openCandidates(lab: Lab, program: string, timing: Timing): Promise<Candidates> {
  const { clock } = lab;
  const lease = `client-go-${timing.leaseDuration}`;
  await using undo = new AsyncDisposableStack();
  const history = undo.use(await record(lab.client, clock, systemRandom));
  const children = new Map<string, Child>();
  undo.defer(async () => {
    for (const child of children.values()) {
      child.kill('SIGKILL');
      await child.exited;
    }
  });
  const start = (): void => {
    // Another identity for every process, as controller-runtime has it.
    const identity = `candidate-${lab.unique()}`;
    const { leaseDuration, renewDeadline, retryPeriod } = timing;
    const timings = ['-lease-duration', leaseDuration, '-renew-deadline', renewDeadline, '-retry-period', retryPeriod];
    const command = [program, '-kubeconfig', lab.kubeconfig, '-lease', lease, '-identity', identity, ...timings];
    const logFile = `${lab.folder}/${identity}.log`;
    children.set(identity, startChild({ name: identity, command, env: process.env, cwd: lab.folder, logFile }));
  };
  for (let i = 0; i < CANDIDATES; i++) start();
  await lab.until('a leader', () => children.has(holder(history, lease)));
  const opened = undo.move();
  return {
    async lose(how) {
      const leader = holder(history, lease);
      const child = children.get(leader);
      if (child === undefined) throw new Error(`${leader || 'nobody'} leads`);
      const from = clock.now();
      child.kill(how);
      await lab.until('another leader', () => ![leader, ''].includes(holder(history, lease)));
      const ms =
        (history.leases.find(({ t, object }) => t >= from && isLedByAnother(object, lease, leader))?.t ?? NaN) - from;
      // One that finds that it has lost ends by itself, as nearly all do; one that is frozen finds it when it goes on.
      child.kill('SIGCONT');
      await child.exited;
      children.delete(leader);
      start();
      return ms;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function isLedByAnother({ metadata, spec }: Lease, lease: string, than: string): boolean {
  return metadata?.name === lease && ![than, '', undefined].includes(spec?.holderIdentity);
}

function holder(history: History, lease: string): string {
  const found = history.currentLeases().find(({ metadata }) => metadata?.name === lease);
  return found?.spec?.holderIdentity ?? '';
}
