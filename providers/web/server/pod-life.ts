/**
 * One pod on its way: init containers in order, then the others, restarts with back-off by `restartPolicy`, an end with
 * grace. What is to happen follows from the record alone, so that a backend that was killed goes on where it was.
 */
import type { Clock, Timer } from '../../../src/clock.ts';
import { type ContainerRecord, endedWell, initDone, type PodRecord, podKey, runs, specOf } from './pod-record.ts';
import { endRun, isOver } from './restart.ts';
import type { Run, RunEnd, RunListener, RunPlan, Runtime } from './runtime.ts';

/** The API's default for `terminationGracePeriodSeconds`. */
const DEFAULT_GRACE_SECONDS = 30;

export interface PodLifeOptions {
  readonly record: PodRecord;
  readonly runtime: Runtime;
  readonly clock: Clock;
  /** The record is to be kept now, before what comes next is done. */
  keep(): void;
  /** Something changed by itself: to be kept and told. */
  changed(): void;
}

export interface PodLife {
  readonly record: PodRecord;
  /** Takes up what an earlier process of this backend left, then goes on. */
  resume(): void;
  /** Does what is to be done now. The record is to be kept afterwards. */
  advance(): void;
  /** Restarts the containers whose image is no longer the one wanted. */
  replaceImages(): void;
  /** Asks everything to end, and kills what has not within so many milliseconds. A longer time than before changes nothing. */
  stop(withinMs: number): void;
  /** The run whose log is asked for; undefined when there was none. */
  runOf(container: ContainerRecord, previous: boolean): Run | undefined;
  /** Stops its timers. Containers go on running. */
  leave(): void;
}

export function createPodLife(options: PodLifeOptions): PodLife {
  const { record, runtime, clock } = options;
  const { state } = record;
  const pod = podKey(record.plan.owner, record.plan.ref.uid);
  const restarts = new Map<ContainerRecord, Timer>();
  let killing: Timer | undefined;
  let left = false;
  /** Above 0 while a method of this life runs: what the runtime tells meanwhile belongs to it. */
  let depth = 0;

  const wallAtStart = clock.now();
  const monotonicAtStart = clock.monotonic();
  /** Times on disk are wall times, but a step of the wall clock must not make a kill or a restart wait. */
  const now = (): number => wallAtStart + clock.monotonic() - monotonicAtStart;

  const runNumber = (container: ContainerRecord, number = container.restartCount): Run => ({
    pod,
    container: container.name,
    number,
  });

  function planOf(container: ContainerRecord): RunPlan | undefined {
    const { plan } = record;
    const spec = specOf(record, container.name);
    if (spec === undefined) return undefined;
    return {
      ...runNumber(container),
      resolved: plan,
      spec,
      role: container.role,
      address: plan.address,
      startedAtMs: container.startedAtMs,
    };
  }

  function listenerOf(container: ContainerRecord): RunListener {
    const number = container.restartCount;
    return {
      ended(end) {
        if (left || container.restartCount !== number || !runs(container)) return;
        within(() => ended(container, end));
      },
    };
  }

  /** Runs `act`; outermost, goes on with what follows from it and tells. */
  function within(act: () => void): void {
    depth++;
    try {
      act();
      if (depth === 1) settle();
    } finally {
      depth--;
    }
    if (depth === 0) options.changed();
  }

  function begin(container: ContainerRecord): void {
    const plan = planOf(container);
    restarts.get(container)?.cancel();
    restarts.delete(container);
    delete container.restartAtMs;
    container.phase = 'starting';
    container.image = plan?.spec.image ?? container.image;
    // Before it begins: a backend killed in between must know where to look.
    options.keep();
    container.startedAtMs = clock.now();
    container.phase = 'running';
    if (plan === undefined) ended(container, { exitCode: 128, finishedAtMs: clock.now(), reason: 'StartError' });
    else runtime.start({ ...plan, startedAtMs: undefined }, listenerOf(container));
  }

  function ended(container: ContainerRecord, end: RunEnd): void {
    if (runs(container)) endRun(record, container, end, runtime.kind, now());
  }

  /** Does everything that is to be done now; each round may make more possible. */
  function settle(): void {
    // One moment for all: what is not due yet for one step must not be overdue for the next, or neither sees to it.
    const at = now();
    while (state.deleting ? end(at) : proceed(at)) {}
    arm(at);
  }

  /** One step of a pod that is to run; false when there is none now. */
  function proceed(at: number): boolean {
    if (isOver(record)) return endSidecars();
    for (const container of state.containers) {
      if (container.phase === 'resting' && (container.restartAtMs ?? 0) <= at) {
        container.restartCount++;
        if (container.end !== undefined) container.before = container.end;
        begin(container);
        return true;
      }
      if (container.role !== 'main' && container.phase === 'pending') {
        begin(container);
        return true;
      }
      // The next one waits for this.
      if (container.role === 'init' && !endedWell(container)) return false;
    }
    if (!initDone(record)) return false;
    const next = state.containers.find(({ phase }) => phase === 'pending');
    if (next === undefined) return false;
    begin(next);
    return true;
  }

  function endSidecars(): boolean {
    for (const container of state.containers) {
      if (container.phase === 'resting') container.phase = 'ended';
      if (!runs(container)) continue;
      container.killByMs ??= now() + graceMs();
      runtime.stop(runNumber(container));
    }
    return false;
  }

  function graceMs(): number {
    return (record.plan.pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
  }

  /** One step of a pod that is to end. */
  function end(at: number): boolean {
    for (const container of state.containers) if (container.phase === 'resting') container.phase = 'ended';
    const running = state.containers.filter(runs);
    if (running.length === 0) return false;
    if ((state.killAtMs ?? 0) <= at) {
      for (const container of running) runtime.kill(runNumber(container));
      return false;
    }
    // The others first: what runs beside them serves them to their end.
    const mains = running.filter(({ role }) => role !== 'sidecar');
    for (const container of mains.length > 0 ? mains : running) runtime.stop(runNumber(container));
    return mains.length > 0 && mains.every((container) => !runs(container));
  }

  /** Sets the timers for what is to be done later. */
  function arm(at: number): void {
    for (const timer of restarts.values()) timer.cancel();
    restarts.clear();
    killing?.cancel();
    killing = undefined;
    const wait = (atMs: number): Timer => clock.setTimer(Math.max(0, atMs - now()), () => within(() => {}));
    for (const container of state.containers) {
      if (container.phase === 'resting') restarts.set(container, wait(container.restartAtMs ?? 0));
      else if (container.killByMs !== undefined && runs(container)) {
        const run = runNumber(container);
        restarts.set(
          container,
          clock.setTimer(Math.max(0, container.killByMs - now()), () => runtime.kill(run)),
        );
      }
    }
    if (state.deleting && state.killAtMs !== undefined && state.killAtMs > at && state.containers.some(runs)) {
      killing = wait(state.killAtMs);
    }
  }

  return {
    record,

    resume() {
      depth++;
      try {
        for (const container of state.containers) {
          if (!runs(container)) continue;
          const plan = planOf(container);
          const found = plan === undefined ? 'never' : runtime.resume(plan, listenerOf(container));
          if (found === 'found') {
            // It may have ended within the call.
            if (container.phase === 'starting') container.phase = 'running';
            if (container.startedAtMs === undefined) container.startedAtMs = clock.now();
          } else if (state.deleting) container.phase = 'pending';
          else begin(container);
        }
        for (const container of state.containers) {
          if (container.killByMs !== undefined && runs(container)) runtime.stop(runNumber(container));
        }
        settle();
      } finally {
        depth--;
      }
    },

    advance() {
      depth++;
      try {
        settle();
      } finally {
        depth--;
      }
    },

    replaceImages() {
      depth++;
      try {
        for (const container of state.containers) {
          const image = specOf(record, container.name)?.image;
          if (image === undefined || image === container.image || state.deleting) continue;
          if (!runs(container)) {
            if (container.phase !== 'ended') container.image = image;
            continue;
          }
          container.replace = true;
          container.killByMs = now() + graceMs();
          options.keep();
          runtime.stop(runNumber(container));
        }
        settle();
      } finally {
        depth--;
      }
    },

    stop(withinMs) {
      depth++;
      try {
        state.deleting = true;
        state.killAtMs = Math.min(state.killAtMs ?? Number.POSITIVE_INFINITY, now() + withinMs);
        options.keep();
        settle();
      } finally {
        depth--;
      }
    },

    runOf(container, previous) {
      if (!previous) return runNumber(container);
      if (container.phase === 'resting') return runNumber(container);
      return container.before === undefined ? undefined : runNumber(container, container.restartCount - 1);
    },

    leave() {
      left = true;
      for (const timer of restarts.values()) timer.cancel();
      killing?.cancel();
    },
  };
}
