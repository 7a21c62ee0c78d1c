/**
 * One pod on its way: carries out what `nextAction` names on a runtime of single containers, runs hooks and probes, and
 * wakes at the times that the record names. What is to happen follows from the record alone, so that a process that was
 * killed goes on where it was.
 */
import type { Clock, Random, Timer } from '../clock.ts';
import { endRun, type RunEnd } from './end.ts';
import { runHook } from './hook.ts';
import { type Action, nextAction, nextTime } from './next-action.ts';
import { createProbes } from './probes.ts';
import type { Reach } from './reach.ts';
import { addEphemeral, type ContainerRecord, type LifeRecord, type PodSpec, runs, specOf } from './record.ts';
import { killing, POST_START_FAILED, PRE_STOP_FAILED, type Telling } from './telling.ts';

/** What a container gets to end by itself when its grace went by before it was asked: as the kubelet. */
const SHORTEST_GRACE_MS = 2_000;

/** Told by the runtime, also within the call that caused it. */
export interface RunListener {
  ended(end: RunEnd): void;
}

/** Runs single containers, once for each `restartCount`. */
export interface ContainerRuntime {
  /** Begins a run. A run that cannot begin has ended, with the reason. */
  start(container: ContainerRecord, listener: RunListener): void;
  /**
   * Finds a run again that was begun, or was about to be. `never` says that it did not begin and never will. One that
   * ended meanwhile tells its listener.
   */
  resume(container: ContainerRecord, listener: RunListener): 'found' | 'never';
  /** Asks the run to end. */
  stop(container: ContainerRecord): void;
  /** Ends the run, whatever it does. */
  kill(container: ContainerRecord): void;
  containerID(container: ContainerRecord): string;
  /** For probes and hooks. Left out: pods that have any were refused. */
  readonly reach?: Reach;
}

export interface LifeOptions {
  readonly record: LifeRecord;
  /** As it is wanted now; asked again at every step. */
  spec(): PodSpec | undefined;
  /** What pods are dialled at, for people and for the `Host` header. */
  readonly address: string;
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly random: Random;
  /** The record is to be kept now, before what comes next is done. */
  keep(): void;
  /** Something changed by itself: to be kept and told. */
  changed(): void;
  /** For people. */
  tell(telling: Telling): void;
}

export interface Life {
  /** Takes up what an earlier process left, then goes on. */
  resume(): void;
  /** Does what is to be done now, for a spec that may have changed. The record is to be kept afterwards. */
  advance(): void;
  /** Asks everything to end, and kills what has not within so many milliseconds. A longer time than before changes nothing. */
  stop(withinMs: number): void;
  /** Stops its timers, hooks and probes. Containers go on running. */
  leave(): void;
}

export function createLife(options: LifeOptions): Life {
  const { record, runtime, clock, random, spec } = options;
  const hooks = new Map<ContainerRecord, AbortController>();
  let timer: Timer | undefined;
  let left = false;
  /** Above 0 while a method of this life runs: what the runtime tells meanwhile belongs to it. */
  let depth = 0;

  const wallAtStart = clock.now();
  const monotonicAtStart = clock.monotonic();
  /** Times that are kept are wall times, but a step of the wall clock must not make a kill or a restart wait. */
  const now = (): number => wallAtStart + clock.monotonic() - monotonicAtStart;

  const probes = createProbes({
    record,
    spec,
    address: options.address,
    ...(runtime.reach === undefined ? {} : { reach: runtime.reach }),
    clock,
    random,
    now,
    tell: options.tell,
    // What a probe found belongs to the run that was probed: the probes see to that.
    found: (act) => within(act),
  });

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
    if (left) return;
    quietly(act);
    if (depth === 0) options.changed();
  }

  function quietly(act: () => void): void {
    depth++;
    try {
      act();
      if (depth === 1) settle();
    } finally {
      depth--;
    }
  }

  /** Does everything that is to be done now; each step may make more possible. */
  function settle(): void {
    // One moment for all: what is not due yet for one step must not be overdue for the next, or neither sees to it.
    const at = now();
    for (let action = nextAction(spec(), record, at); action !== undefined; action = nextAction(spec(), record, at)) {
      carryOut(action, at);
    }
    timer?.cancel();
    const next = nextTime(spec(), record);
    timer = next === undefined ? undefined : clock.setTimer(Math.max(0, next - now()), () => within(() => {}));
    probes.look();
  }

  function carryOut(action: Action, at: number): void {
    if (action.do === 'fail') {
      const { reason, message } = action;
      record.failure = { reason, message };
      options.tell({ type: 'Normal', reason, message });
      return;
    }
    const { container } = action;
    if (action.do === 'start') begin(container);
    else if (action.do === 'stop') stop(container, action, at);
    else if (action.do === 'ask') ask(container, at);
    else if (action.do === 'give-up') container.phase = 'ended';
    else {
      if (container.stop !== undefined) container.stop.killed = true;
      runtime.kill(container);
    }
  }

  function ask(container: ContainerRecord, at: number): void {
    const { stop: it } = container;
    if (it === undefined) return;
    it.asked = true;
    if (it.killAtMs <= at) it.killAtMs = at + SHORTEST_GRACE_MS;
    runtime.stop(container);
  }

  function begin(container: ContainerRecord): void {
    const wanted = specOf(spec(), container.name);
    if (container.phase === 'resting') {
      container.restartCount++;
      if (container.end !== undefined) container.before = container.end;
    }
    delete container.restartAtMs;
    delete container.stop;
    container.phase = 'starting';
    container.image = wanted?.image ?? container.image;
    const hook = wanted?.lifecycle?.postStart;
    if (hook !== undefined) container.postStart = true;
    // Before it begins: a process killed in between must know where to look.
    options.keep();
    container.startedAtMs = clock.now();
    container.phase = 'running';
    runtime.start(container, listenerOf(container));
    if (hook !== undefined && container.phase === 'running') runPostStart(container);
  }

  function ended(container: ContainerRecord, end: RunEnd): void {
    if (!runs(container)) return;
    hooks.get(container)?.abort();
    hooks.delete(container);
    endRun(record, spec(), container, { ...end, containerID: runtime.containerID(container) }, now());
  }

  function stop(container: ContainerRecord, { why, graceMs }: Action & { readonly do: 'stop' }, at: number): void {
    const hook = specOf(spec(), container.name)?.lifecycle?.preStop;
    const preStop = hook !== undefined && graceMs > 0 && container.phase === 'running';
    container.stop = { why, killAtMs: at + graceMs, atOnce: graceMs <= 0, preStop, asked: false, killed: false };
    const again = why === 'image' || (spec()?.restartPolicy ?? 'Always') !== 'Never' || container.role === 'sidecar';
    // A deletion is told of by whoever asked for it.
    if (!(why === 'pod' && record.deleting)) options.tell(killing(container, why, again));
    options.keep();
    if (preStop) runPreStop(container);
  }

  function runPostStart(container: ContainerRecord): void {
    runHookOf(container, 'postStart', (failed) => {
      delete container.postStart;
      if (!failed) return;
      options.tell(POST_START_FAILED);
      container.unhealthy = 'postStart';
    });
  }

  function runPreStop(container: ContainerRecord): void {
    runHookOf(container, 'preStop', (failed) => {
      if (failed) options.tell(PRE_STOP_FAILED);
      if (container.stop === undefined) return;
      container.stop.preStop = false;
      // A hook that took all of the grace leaves its container a moment of its own.
      container.stop.killAtMs = Math.max(container.stop.killAtMs, now() + SHORTEST_GRACE_MS);
    });
  }

  function runHookOf(
    container: ContainerRecord,
    which: 'postStart' | 'preStop',
    over: (failed: boolean) => void,
  ): void {
    const { reach } = runtime;
    const wanted = specOf(spec(), container.name);
    const handler = wanted?.lifecycle?.[which];
    if (reach === undefined || wanted === undefined || handler === undefined) {
      over(handler !== undefined);
      return;
    }
    // The other one may still run: a container that is stopped while it starts has no use for that any more.
    hooks.get(container)?.abort();
    const life = new AbortController();
    hooks.set(container, life);
    const { address } = options;
    void runHook(handler, { container: wanted, address, reach, clock, signal: life.signal }).then((failed) => {
      if (life.signal.aborted) return;
      hooks.delete(container);
      within(() => over(failed));
    });
  }

  function takeUp(container: ContainerRecord): void {
    const found = runtime.resume(container, listenerOf(container));
    if (found === 'never') {
      if (record.deleting) container.phase = 'pending';
      else begin(container);
      return;
    }
    // It may have ended within the call.
    if (container.phase === 'starting') container.phase = 'running';
    if (container.startedAtMs === undefined) container.startedAtMs = clock.now();
    if (!runs(container)) return;
    // Whether it was asked, killed or hooked to the end nobody knows: each is done again.
    if (container.stop !== undefined) {
      container.stop.asked = false;
      container.stop.killed = false;
    }
    if (container.stop?.preStop === true) runPreStop(container);
    else if (container.postStart === true) runPostStart(container);
  }

  return {
    resume() {
      quietly(() => {
        for (const container of record.containers) if (runs(container)) takeUp(container);
        probes.spread();
      });
    },

    advance() {
      quietly(() => {
        addEphemeral(record, spec());
        // What does not run gets a new image with its next start.
        for (const container of record.containers) {
          const image = specOf(spec(), container.name)?.image;
          if (image !== undefined && !runs(container) && container.phase !== 'ended') container.image = image;
        }
      });
    },

    stop(withinMs) {
      quietly(() => {
        record.deleting = true;
        const killAtMs = Math.min(record.killAtMs ?? Number.POSITIVE_INFINITY, now() + withinMs);
        record.killAtMs = killAtMs;
        for (const { stop: it } of record.containers) {
          if (it === undefined || it.killAtMs <= killAtMs) continue;
          it.killAtMs = killAtMs;
          it.atOnce ||= withinMs <= 0;
        }
        options.keep();
      });
    },

    leave() {
      left = true;
      timer?.cancel();
      for (const life of hooks.values()) life.abort();
      hooks.clear();
      probes.leave();
    },
  };
}
