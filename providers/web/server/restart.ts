/** What follows from the end of a run: nothing, or another one after a pause. */
import { type ContainerRecord, containerID, endedWell, type PodRecord, secondsText } from './pod-record.ts';
import type { RunEnd } from './runtime.ts';

/** First restart at once, then 10 s doubling up to 5 min, forgotten after a run of 10 min: as the kubelet's. */
const FIRST_BACK_OFF_MS = 10_000;
const LONGEST_BACK_OFF_MS = 300_000;
const CALM_RUN_MS = 600_000;

/** Writes an end into the record, and when the container runs again. `nowMs`: on the clock that `restartAtMs` is on. */
export function endRun(
  record: PodRecord,
  container: ContainerRecord,
  end: RunEnd,
  runtime: string,
  nowMs: number,
): void {
  const { startedAtMs = end.finishedAtMs } = container;
  const { exitCode, reason = exitCode === 0 ? 'Completed' : 'Error', message } = end;
  container.end = {
    terminated: {
      exitCode,
      reason,
      startedAt: secondsText(startedAtMs),
      finishedAt: secondsText(Math.max(startedAtMs, end.finishedAtMs)),
      containerID: containerID(record, container, runtime),
      ...(message === undefined ? {} : { message }),
    },
  };
  container.phase = 'ended';
  const replaced = container.replace === true;
  delete container.replace;
  delete container.killByMs;
  if (record.state.deleting || !(replaced || isToRestart(record, container, exitCode))) return;
  if (end.finishedAtMs - startedAtMs >= CALM_RUN_MS) container.crashes = 0;
  const crashes = replaced ? 0 : container.crashes++;
  const delayMs = crashes === 0 ? 0 : Math.min(FIRST_BACK_OFF_MS * 2 ** (crashes - 1), LONGEST_BACK_OFF_MS);
  container.restDelayMs = delayMs;
  container.restartAtMs = nowMs + delayMs;
  container.phase = 'resting';
}

/** Nothing but sidecars has anything left to do. */
export function isOver({ state }: PodRecord): boolean {
  const failed = state.containers.some((one) => one.role === 'init' && one.phase === 'ended' && !endedWell(one));
  return failed || state.containers.every(({ role, phase }) => role !== 'main' || phase === 'ended');
}

function isToRestart(record: PodRecord, { role }: ContainerRecord, exitCode: number): boolean {
  if (role === 'sidecar') return !isOver(record);
  // An init container that ended well is done, whatever the policy.
  if (role === 'init' && exitCode === 0) return false;
  const policy = record.plan.pod.spec?.restartPolicy ?? 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}
