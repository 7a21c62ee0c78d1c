/** The replica that is measured: the built JavaScript, as users run it, as a process of its own. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { sleep, systemRandom } from '../../../src/clock.ts';
import { type Child, lastLines, startChild } from '../../../src/commands/demo/child.ts';
import { freePorts } from '../../../src/commands/demo/free-ports.ts';
import { waitFor } from '../../../src/commands/demo/wait-for.ts';
import { ZoneletError } from '../../../src/errors.ts';
import { samplesOf, sumOf } from '../../support/prometheus-text.ts';
import type { Lab } from './lab.ts';

export interface SubjectOptions {
  /** Names of the zones. @defaultValue one */
  readonly zones?: readonly string[];
  /** Of each zone. @defaultValue simulated, in the replica's own process */
  readonly provider?: (zone: string, index: number) => Readonly<Record<string, unknown>>;
}

export interface Subject extends AsyncDisposable {
  readonly pid: number;
  readonly nodeNames: readonly string[];
  /** Wall clock, milliseconds, just before it was started. */
  readonly startedAt: number;
  /** Of each zone, in the order of the log. */
  takeOvers(): Promise<TakeOver[]>;
  /** Resolves once it leads every zone and knows its pods. */
  leading(): Promise<void>;
  /** Resolves once it has sent nothing but renewals for five seconds: its Events are written too. */
  quiet(): Promise<void>;
  /** SIGTERM, and SIGKILL should that not end it. Resolves once it has ended. */
  stop(): Promise<void>;
}

export interface TakeOver {
  readonly zone: string;
  /** Wall clock, milliseconds. */
  readonly at: number;
  readonly pods: number;
  readonly adopted: number;
}

const SET = 'bench';
const QUIET_MS = 5_000;
/** Events of ten thousand pods take minutes: they are written slowly on purpose. */
const QUIET_LIMIT_MS = 1_800_000;
const STOP_LIMIT_MS = 15_000;

export async function startSubject(lab: Lab, options: SubjectOptions = {}): Promise<Subject> {
  const { clock, signal, folder } = lab;
  const zones = options.zones ?? ['zone-a'];
  const provider = options.provider ?? (() => ({ kind: 'simulated' }));
  const number = lab.unique();
  const [httpPort = 0] = await freePorts(systemRandom, 1);
  const configFile = join(folder, `subject-${number}.yaml`);
  await writeFile(
    configFile,
    stringify({
      apiVersion: 'zonelet.dev/v1alpha1',
      kind: 'Zonelet',
      set: SET,
      namespace: 'default',
      kubeconfig: lab.kubeconfig,
      replica: { name: `replica-${number}`, homeZone: zones[0] },
      zones: zones.map((name, i) => ({
        name,
        provider: provider(name, i),
        capacity: { cpu: '10000', memory: '40Ti', pods: '100000' },
      })),
      kubelet: { address: '127.0.0.1', port: 0 },
      http: { port: httpPort },
    }),
  );
  const startedAt = clock.now();
  const child = startChild({
    name: 'replica',
    command: [...lab.zonelet, 'run', '--config', configFile],
    env: process.env,
    cwd: folder,
    logFile: join(folder, `subject-${number}.log`),
  });

  const until = (what: string, holds: () => Promise<boolean>, limitMs: number): Promise<void> =>
    waitFor(what, holds, { clock, limitMs, signal: AbortSignal.any([signal, endOf(child)]) }).catch((error) => {
      if (child.running || signal.aborted) throw error;
      throw new ZoneletError('Internal', `the replica has ended; it last said:\n${lastLines(child, 10)}`);
    });
  const takeOvers = async (): Promise<TakeOver[]> =>
    (await readFile(child.logFile, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('took the pods of the zone over'))
      .map((line) => JSON.parse(line) as { time: string; zone: string; pods: number; adopted: number })
      .map(({ time, zone, pods, adopted }) => ({ at: Date.parse(time), zone, pods, adopted }));
  const stop = async (): Promise<void> => {
    if (!child.running) return;
    child.kill('SIGTERM');
    const done = new AbortController();
    void sleep(clock, STOP_LIMIT_MS, done.signal).then(() => {
      if (!done.signal.aborted) child.kill('SIGKILL');
    });
    await child.exited;
    done.abort();
  };
  return {
    pid: child.pid,
    nodeNames: zones.map((zone) => `${SET}-${zone}`),
    startedAt,
    takeOvers,
    leading: () =>
      until('the take-over of every zone', async () => (await takeOvers()).length >= zones.length, 120_000),
    async quiet() {
      let before = -1;
      let since = clock.monotonic();
      await until(
        'the replica to be idle',
        async () => {
          const now = await writes(httpPort);
          if (now !== before) since = clock.monotonic();
          before = now;
          return clock.monotonic() - since >= QUIET_MS;
        },
        QUIET_LIMIT_MS,
      );
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Requests that change something, but for PUT: with that Leases are renewed for ever. */
async function writes(httpPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
  const samples = samplesOf(await response.text(), 'rest_client_requests_total');
  return ['POST', 'PATCH', 'DELETE'].reduce((sum, method) => sum + sumOf(samples, { method }), 0);
}

function endOf(child: Child): AbortSignal {
  const ended = new AbortController();
  void child.exited.then(() => ended.abort());
  return ended.signal;
}
