/**
 * The probes of one pod: which are due, and what follows from what they find, as the kubelet's workers do it
 * (pkg/kubelet/prober/worker.go). One timer for each probe and none for what cannot be probed now: the runtime keeps
 * timers of one length in one list, so thousands cost no more than their connections.
 */
import type { Clock, Random, Timer } from '../clock.ts';
import type { Container } from '../kube/types.ts';
import { type Probe, type ProbeOutcome, probeOnce, timeoutOf } from './probe.ts';
import type { Reach } from './reach.ts';
import { type ContainerRecord, isStarted, type LifeRecord, type PodSpec, specOf } from './record.ts';
import type { Telling } from './telling.ts';

export interface ProbesOptions {
  readonly record: LifeRecord;
  spec(): PodSpec | undefined;
  readonly address: string;
  readonly reach?: Reach;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds, on the clock of the record's times. */
  now(): number;
  tell(telling: Telling): void;
  /** Something was found: `change` writes it into the record. */
  found(change: () => void): void;
}

export interface Probes {
  /** Begins and ends probes by what the record says now. */
  look(): void;
  /** Containers that were found running are not all probed at once. */
  spread(): void;
  leave(): void;
}

type ProbeType = 'startup' | 'readiness' | 'liveness';

const TYPES: readonly ProbeType[] = ['startup', 'readiness', 'liveness'];
const TITLES: Readonly<Record<ProbeType, string>> = {
  startup: 'Startup',
  readiness: 'Readiness',
  liveness: 'Liveness',
};

interface Worker {
  readonly container: ContainerRecord;
  readonly type: ProbeType;
  /** Of the container; another one is probed anew. */
  readonly run: number;
  /** Ends the present look. Used again and again: to make one for each would cost a third of what a connection does. */
  look: AbortController;
  ended: boolean;
  timer: Timer | undefined;
  dueAtMs: number;
  /** What was found last, and how often in a row. */
  last: boolean | undefined;
  times: number;
}

export function createProbes(options: ProbesOptions): Probes {
  const { record, spec, reach, clock, random, now } = options;
  const workers = new Map<string, Worker>();
  let spreading = false;

  function look(): void {
    if (reach === undefined) return;
    for (const [key, worker] of workers) {
      if (worker.run !== worker.container.restartCount || !isWanted(worker.container, worker.type)) end(key, worker);
    }
    for (const container of record.containers) {
      if (container.phase !== 'running') continue;
      for (const type of TYPES) {
        const key = `${type} ${container.name}`;
        if (!workers.has(key) && isWanted(container, type)) begin(key, container, type);
      }
    }
  }

  function isWanted(container: ContainerRecord, type: ProbeType): boolean {
    if (container.phase !== 'running' || container.postStart === true || container.unhealthy !== undefined)
      return false;
    // Nobody is restarted any more that is being stopped; whether it should get requests is still asked.
    if (type !== 'readiness' && container.stop !== undefined) return false;
    if (probeOf(specOf(spec(), container.name), type) === undefined) return false;
    return (type === 'startup') !== isStarted(container, spec());
  }

  function begin(key: string, container: ContainerRecord, type: ProbeType): void {
    const probe = probeOf(specOf(spec(), container.name), type);
    if (probe === undefined) return;
    const sinceMs = (container.startedAtMs ?? now()) + (probe.initialDelaySeconds ?? 0) * 1000;
    // A kubelet looks at readiness as soon as it may; for the others its tick has begun at some time before.
    const jitter = type !== 'readiness' || spreading ? random.next() * periodOf(probe) : 0;
    const dueAtMs = Math.max(now(), sinceMs) + jitter;
    const worker: Worker = {
      container,
      type,
      run: container.restartCount,
      look: new AbortController(),
      ended: false,
      timer: undefined,
      dueAtMs,
      last: undefined,
      times: 0,
    };
    workers.set(key, worker);
    arm(worker);
  }

  function end(key: string, worker: Worker): void {
    workers.delete(key);
    worker.ended = true;
    worker.timer?.cancel();
    worker.look.abort();
  }

  function arm(worker: Worker): void {
    worker.timer = clock.setTimer(Math.max(0, worker.dueAtMs - now()), () => void ask(worker));
  }

  async function ask(worker: Worker): Promise<void> {
    const { container, type } = worker;
    const wanted = specOf(spec(), container.name);
    const probe = probeOf(wanted, type);
    if (reach === undefined || wanted === undefined || probe === undefined) return;
    const { address } = options;
    if (worker.look.signal.aborted) worker.look = new AbortController();
    const { look } = worker;
    worker.timer = clock.setTimer(timeoutOf(probe), () => look.abort());
    const outcome = await probeOnce(probe, { container: wanted, address, reach, signal: look.signal });
    if (worker.ended) return;
    worker.timer.cancel();
    // Ticks that went by meanwhile are left out.
    const period = periodOf(probe);
    worker.dueAtMs += period * Math.max(1, Math.ceil((now() - worker.dueAtMs) / period));
    arm(worker);
    judge(worker, probe, outcome);
  }

  function judge(worker: Worker, probe: Probe, { result, output }: ProbeOutcome): void {
    const telling = tellingOf(worker.type, result, output);
    if (result === 'unknown') {
      if (telling !== undefined) options.found(() => options.tell(telling));
      return;
    }
    const good = result !== 'failure';
    worker.times = worker.last === good ? worker.times + 1 : 1;
    worker.last = good;
    // A liveness or startup probe has to succeed once, says the API.
    const threshold = good ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    const settled = worker.times >= threshold && changes(worker, good);
    if (!settled && telling === undefined) return;
    options.found(() => {
      if (telling !== undefined) options.tell(telling);
      if (settled) apply(worker, good);
    });
  }

  function leave(): void {
    for (const [key, worker] of workers) end(key, worker);
  }

  return {
    look,
    spread() {
      spreading = true;
      look();
      spreading = false;
    },
    leave,
  };
}

function changes({ container, type }: Worker, good: boolean): boolean {
  if (type === 'readiness') return (container.ready ?? false) !== good;
  return type === 'startup' || !good;
}

function apply({ container, type }: Worker, good: boolean): void {
  if (type === 'readiness') container.ready = good;
  else if (!good) container.unhealthy = type;
  else if (type === 'startup') container.started = true;
}

function tellingOf(type: ProbeType, result: ProbeOutcome['result'], output: string): Telling | undefined {
  const title = TITLES[type];
  switch (result) {
    case 'success':
      return undefined;
    case 'warning':
      return { type: 'Warning', reason: 'ProbeWarning', message: `${title} probe warning: ${output}` };
    case 'failure':
      return { type: 'Warning', reason: 'Unhealthy', message: `${title} probe failed: ${output}` };
    case 'unknown':
      return {
        type: 'Warning',
        reason: 'Unhealthy',
        message: `${title} probe errored and resulted in unknown state: ${output}`,
      };
  }
}

function probeOf(container: Container | undefined, type: ProbeType): Probe | undefined {
  return container?.[`${type}Probe`];
}

function periodOf({ periodSeconds = 10 }: Probe): number {
  return periodSeconds * 1000;
}
