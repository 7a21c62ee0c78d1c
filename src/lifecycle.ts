/**
 * Ordered start and stop of what a process runs.
 *
 * Parts are in groups. Groups start in their order (servers, then caches, then what only a leader does): a group starts
 * once every part of the one before is ready. They stop in the reverse order, each within its own time. A part that
 * fails or ends by itself takes the whole down, in the same order. After controller-runtime's runnable groups.
 */
import { type Clock, sleep } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';

export interface Part {
  readonly name: string;
  /**
   * Runs until `signal` aborts, then winds down and returns. Calls `ready` once whatever comes after may start.
   * To return or throw before the signal is a failure of the part.
   */
  run(signal: AbortSignal, ready: () => void): Promise<void>;
}

export interface Group {
  readonly name: string;
  readonly parts: readonly Part[];
  /** Milliseconds that the group may take to stop; what has not stopped then is left behind. @defaultValue 5000 */
  readonly stopTimeoutMs?: number;
}

export interface LifecycleOptions {
  readonly groups: readonly Group[];
  /** Aborts when everything is to stop in good order: the first SIGTERM. */
  readonly stop: AbortSignal;
  /** Aborts when nothing is to be waited for any more: the second SIGTERM. */
  readonly halt: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How it ended. */
export interface LifecycleResult {
  /** The first failure of a part; undefined when it was stopped from outside. */
  readonly failure?: { readonly part: string; readonly error: unknown };
  /** Parts that had not stopped in their group's time, or when it was halted. Empty after an orderly stop. */
  readonly abandoned: readonly string[];
}

interface Running {
  readonly group: Group;
  readonly controller: AbortController;
  readonly ended: Promise<unknown>;
  /** Names of the parts that have not returned. */
  readonly live: Set<string>;
}

/** Starts the groups, waits for `stop` (or a failure), stops them. Never throws. */
export async function runLifecycle(options: LifecycleOptions): Promise<LifecycleResult> {
  const { groups, stop, halt, clock, log } = options;
  const over = new AbortController();
  let failure: LifecycleResult['failure'];
  const fail = (part: string, error: unknown): void => {
    if (failure === undefined) log.error({ part, error: messageOf(error) }, 'a part of the process failed; stopping');
    failure ??= { part, error };
    over.abort();
  };
  const ending = AbortSignal.any([stop, halt, over.signal]);

  const running: Running[] = [];
  for (const group of groups) {
    if (ending.aborted) break;
    const started = startGroup(group, fail);
    running.push(started.running);
    await Promise.race([started.ready, aborted(ending)]);
    if (!ending.aborted) log.debug({ group: group.name }, 'group started');
  }
  await aborted(ending);

  const abandoned: string[] = [];
  for (const { group, controller, ended, live } of running.reverse()) {
    controller.abort();
    const stopTimeoutMs = group.stopTimeoutMs ?? 5000;
    const done = new AbortController();
    await Promise.race([ended, sleep(clock, stopTimeoutMs, AbortSignal.any([done.signal, halt]))]);
    done.abort();
    if (live.size === 0) continue;
    abandoned.push(...live);
    log.warn(
      { group: group.name, parts: [...live], halted: halt.aborted, stopTimeoutMs },
      'left behind while stopping',
    );
  }
  return failure === undefined ? { abandoned } : { failure, abandoned };
}

function startGroup(
  group: Group,
  fail: (part: string, error: unknown) => void,
): { readonly running: Running; readonly ready: Promise<unknown> } {
  const controller = new AbortController();
  const { signal } = controller;
  const live = new Set(group.parts.map((part) => part.name));
  const ready: Promise<void>[] = [];
  const ended = group.parts.map((part) => {
    const readiness = Promise.withResolvers<void>();
    ready.push(readiness.promise);
    return run(part, readiness.resolve);
  });
  return { running: { group, controller, live, ended: Promise.all(ended) }, ready: Promise.all(ready) };

  async function run(part: Part, onReady: () => void): Promise<void> {
    try {
      await part.run(signal, onReady);
      if (!signal.aborted) fail(part.name, new Error(`${part.name} ended by itself`));
    } catch (error) {
      fail(part.name, error);
    } finally {
      live.delete(part.name);
    }
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
