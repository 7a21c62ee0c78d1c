/** One pod of this backend on its way: the lifecycle engine, on this backend's runtime and record. */
import type { Clock, Random } from '../../../src/clock.ts';
import { type ContainerRuntime, createLife } from '../../../src/lifecycle/life.ts';
import { type ContainerRecord, specOf } from '../../../src/lifecycle/record.ts';
import type { PodHappening } from '../../../src/provider/contract.ts';
import { containerID, type PodRecord, podKey } from './pod-record.ts';
import type { Run, RunPlan, Runtime } from './runtime.ts';

/** What a leader that was away for a moment may still be told. */
const MOST_EVENTS = 10;

export interface PodLifeOptions {
  readonly record: PodRecord;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random: Random;
  /** The record is to be kept now, before what comes next is done. */
  keep(): void;
  /** Something changed by itself: to be kept and told. */
  changed(): void;
}

export interface PodLife {
  readonly record: PodRecord;
  /** The last things that people are to be told of it. */
  readonly events: readonly PodHappening[];
  /** Takes up what an earlier process of this backend left, then goes on. */
  resume(): void;
  /** Does what is to be done now, for a plan that may have changed. The record is to be kept afterwards. */
  advance(): void;
  /** Asks everything to end, and kills what has not within so many milliseconds. A longer time than before changes nothing. */
  stop(withinMs: number): void;
  /** What the runtime needs to know of the container's run; undefined when the pod has no such container any more. */
  readonly planOf: (container: ContainerRecord) => RunPlan | undefined;
  /** The run whose log is asked for; undefined when there was none. */
  runOf(container: ContainerRecord, previous: boolean): Run | undefined;
  /** Stops its timers. Containers go on running. */
  leave(): void;
}

export function createPodLife(options: PodLifeOptions): PodLife {
  const { record, runtime, clock, random, keep, changed } = options;
  const { address, owner, ref } = record.plan;
  const pod = podKey(owner, ref.uid);
  let events: readonly PodHappening[] = [];

  const run = ({ name, restartCount }: ContainerRecord, number = restartCount): Run => ({
    pod,
    container: name,
    number,
  });

  function planOf(container: ContainerRecord): RunPlan | undefined {
    const { plan } = record;
    const spec = specOf(plan.pod.spec, container.name);
    if (spec === undefined) return undefined;
    const { role, startedAtMs } = container;
    return { ...run(container), resolved: plan, spec, role, address, startedAtMs };
  }

  const containers: ContainerRuntime = {
    start(container, listener) {
      const plan = planOf(container);
      if (plan !== undefined) return runtime.start({ ...plan, startedAtMs: undefined }, listener);
      listener.ended({ exitCode: 128, finishedAtMs: clock.now(), reason: 'StartError' });
    },
    resume(container, listener) {
      const plan = planOf(container);
      return plan === undefined ? 'never' : runtime.resume(plan, listener);
    },
    stop: (container) => runtime.stop(run(container)),
    kill: (container) => runtime.kill(run(container)),
    containerID: (container) => containerID(record, container, runtime.kind),
    ...(runtime.reach === undefined
      ? {}
      : {
          reach: runtime.reach((name) => {
            const container = record.state.containers.find((one) => one.name === name);
            return container === undefined ? undefined : planOf(container);
          }),
        }),
  };

  const life = createLife({
    record: record.state,
    spec: () => record.plan.pod.spec,
    address,
    runtime: containers,
    clock,
    random,
    keep,
    changed,
    tell(telling) {
      // The time, so that it rises over a restart of the backend.
      const number = Math.max((events.at(-1)?.number ?? 0) + 1, Math.floor(clock.now()));
      events = [...events, { number, ...telling }].slice(-MOST_EVENTS);
    },
  });

  return {
    record,
    get events() {
      return events;
    },
    resume: () => life.resume(),
    advance: () => life.advance(),
    planOf,
    stop: (withinMs) => life.stop(withinMs),
    runOf(container, previous) {
      if (!previous) return run(container);
      if (container.phase === 'resting') return run(container);
      return container.before === undefined ? undefined : run(container, container.restartCount - 1);
    },
    leave: () => life.leave(),
  };
}
