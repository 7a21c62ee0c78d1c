/**
 * What is to be done next for a pod, from what its engine shows and what the pod wants: pure, so that any replica comes to
 * the same at any moment. Names on the engine make each step happen once, and none can start a container of a pod whose
 * sandbox was stopped.
 */
import type { Container, Pod } from '../../src/kube/types.ts';
import { isRunning, type PodState, type RunState } from './pod-state.ts';

export type Action =
  | { readonly do: 'start-sandbox' }
  /** Asks it to end and kills it at the given time. */
  | { readonly do: 'stop'; readonly run: RunState; readonly killAtMs: number }
  /** A first or further run. */
  | { readonly do: 'run'; readonly container: Container; readonly attempt: number; readonly backOffMs: number }
  /** One that was made and not started yet. */
  | { readonly do: 'start'; readonly run: RunState }
  | { readonly do: 'look-again'; readonly inMs: number };

/** A kubelet's: the first restart is at once, then after 10 s, doubling up to 5 min, and forgotten after 10 min of running. */
const FIRST_BACK_OFF_MS = 10_000;
const LONGEST_BACK_OFF_MS = 300_000;
const FORGET_MS = 600_000;
const DEFAULT_GRACE_SECONDS = 30;

export function decide(state: PodState, pod: Pod, nowMs: number): Action[] {
  if (state.killAtMs !== undefined) return stopping(state, state.killAtMs, nowMs);
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  const graceMs = (pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
  const wanted = steps(state, pod, nowMs, graceMs);
  if (state.sandbox.running) return wanted;
  const needsSandbox = wanted.some((action) => action.do === 'run' || action.do === 'start');
  // What still runs has the namespaces of a sandbox that is no more: it ends before there is a new one.
  if (isRunning(state)) {
    return [...initContainers, ...containers].flatMap(({ name }) => {
      const run = latest(state, name);
      return run?.phase === 'running' ? [{ do: 'stop', run, killAtMs: nowMs + graceMs } as const] : [];
    });
  }
  return needsSandbox ? [{ do: 'start-sandbox' }] : wanted.filter((action) => action.do === 'look-again');
}

function steps(state: PodState, pod: Pod, nowMs: number, graceMs: number): Action[] {
  const { initContainers = [], containers = [], restartPolicy = 'Always' } = pod.spec ?? {};
  const found: Action[] = [];
  const ended = containers.every((container) => {
    const run = latest(state, container.name);
    return isOver(run, restartPolicy) && !endedByUpdate(run, container, state);
  });
  if (ended) {
    // Those beside them end with them.
    for (const { name } of initContainers) {
      const run = latest(state, name);
      if (run?.phase === 'running') found.push({ do: 'stop', run, killAtMs: nowMs + graceMs });
    }
    return found;
  }
  // A regular container that ever ran proves that the start was over: init containers do not run again for it.
  const initialized = containers.some(({ name }) => latest(state, name) !== undefined);
  for (const container of initContainers) {
    const run = latest(state, container.name);
    if (container.restartPolicy === 'Always') {
      found.push(...step(run, container, state, 'Always', nowMs, graceMs));
      if (!initialized && run?.phase !== 'running') return found;
      continue;
    }
    if (initialized || (run?.phase === 'ended' && run.exitCode === 0)) continue;
    const policy = restartPolicy === 'Never' ? 'Never' : 'OnFailure';
    found.push(...step(run, container, state, policy, nowMs, graceMs));
    return found;
  }
  for (const container of containers) {
    found.push(...step(latest(state, container.name), container, state, restartPolicy, nowMs, graceMs));
  }
  return found;
}

function step(
  run: RunState | undefined,
  container: Container,
  state: PodState,
  restartPolicy: string,
  nowMs: number,
  graceMs: number,
): Action[] {
  if (run === undefined) return [{ do: 'run', container, attempt: 0, backOffMs: 0 }];
  const changed = run.image !== (container.image ?? '');
  const next = { do: 'run', container, attempt: run.attempt + 1 } as const;
  if (run.phase === 'made') return changed ? [{ ...next, backOffMs: run.backOffMs }] : [{ do: 'start', run }];
  if (run.phase === 'running') return changed ? [{ do: 'stop', run, killAtMs: nowMs + graceMs }] : [];
  if (endedByUpdate(run, container, state)) return [{ ...next, backOffMs: 0 }];
  if (isOver(run, restartPolicy)) return [];
  const waitMs = backOffLeft(run, nowMs);
  if (waitMs > 0) return [{ do: 'look-again', inMs: waitMs }];
  const backOffMs = backOff(run) === 0 ? FIRST_BACK_OFF_MS : Math.min(2 * backOff(run), LONGEST_BACK_OFF_MS);
  return [{ ...next, backOffMs }];
}

export function latest(state: PodState, container: string): RunState | undefined {
  return state.runs.get(container)?.[0];
}

/** It has ended and will not run again. */
function isOver(run: RunState | undefined, restartPolicy: string): boolean {
  if (run === undefined || run.phase === 'running' || run.phase === 'made') return false;
  if (restartPolicy === 'Always') return false;
  return restartPolicy === 'Never' || (run.phase === 'ended' && run.exitCode === 0);
}

/** It ran when its image was changed: then it runs again, whatever the policy. */
function endedByUpdate(run: RunState | undefined, { image = '' }: Container, { revisedAt }: PodState): boolean {
  if (run?.phase !== 'ended' || run.image === image || revisedAt === undefined) return false;
  return Date.parse(run.finishedAt ?? run.createdAt) >= Date.parse(revisedAt);
}

/** What is to be waited after the end of this run, in milliseconds. */
function backOff({ backOffMs, startedAt, finishedAt }: RunState): number {
  const ranMs =
    startedAt === undefined || finishedAt === undefined ? 0 : Date.parse(finishedAt) - Date.parse(startedAt);
  return ranMs >= FORGET_MS ? 0 : backOffMs;
}

/** Milliseconds of it that are still to go. */
export function backOffLeft(run: RunState, nowMs: number): number {
  return Date.parse(run.finishedAt ?? run.createdAt) + backOff(run) - nowMs;
}

/** Asked to stop: the regular containers first, those that run beside them afterwards, all within the grace. */
function stopping(state: PodState, killAtMs: number, nowMs: number): Action[] {
  const running = [...state.runs.values()].flatMap(([run]) => (run?.phase === 'running' ? [run] : []));
  const first = running.filter(({ role }) => role !== 'sidecar');
  const now = first.length > 0 ? first : running;
  if (now.length === 0) return [];
  const stops = (nowMs >= killAtMs ? running : now).map((run) => ({ do: 'stop', run, killAtMs }) as const);
  return [...stops, ...(nowMs < killAtMs ? [{ do: 'look-again', inMs: killAtMs - nowMs } as const] : [])];
}
