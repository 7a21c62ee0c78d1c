/** What follows from the end of a run: nothing, or another one after a pause. */
import { backOff } from './back-off.ts';
import { type ContainerRecord, isEnding, type LifeRecord, type PodSpec, secondsText } from './record.ts';

export interface RunEnd {
  readonly exitCode: number;
  readonly finishedAtMs: number;
  /** @defaultValue Completed or Error, by the exit code */
  readonly reason?: string;
  readonly message?: string;
}

/** Writes an end into the record, and when the container runs again. `nowMs`: on the clock that `restartAtMs` is on. */
export function endRun(
  record: LifeRecord,
  spec: PodSpec | undefined,
  container: ContainerRecord,
  end: RunEnd & { readonly containerID: string },
  nowMs: number,
): void {
  const { startedAtMs = end.finishedAtMs } = container;
  const { exitCode, containerID, reason = exitCode === 0 ? 'Completed' : 'Error', message } = end;
  const finishedAtMs = Math.max(startedAtMs, end.finishedAtMs);
  container.end = {
    terminated: {
      exitCode,
      reason,
      startedAt: secondsText(startedAtMs),
      finishedAt: secondsText(finishedAtMs),
      containerID,
      ...(message === undefined ? {} : { message }),
    },
  };
  container.phase = 'ended';
  const replaced = container.stop?.why === 'image';
  delete container.stop;
  delete container.postStart;
  delete container.started;
  delete container.ready;
  delete container.unhealthy;
  if (record.deleting || record.failure !== undefined) return;
  if (!replaced && !isToRestart(record, spec, container, exitCode)) return;
  // A new image has a back-off of its own, which is empty.
  const { crashes, delayMs } = replaced
    ? { crashes: 0, delayMs: 0 }
    : backOff(container.crashes, finishedAtMs - startedAtMs);
  container.crashes = crashes;
  container.restDelayMs = delayMs;
  container.restartAtMs = nowMs + delayMs;
  container.phase = 'resting';
}

function isToRestart(
  record: LifeRecord,
  spec: PodSpec | undefined,
  { role }: ContainerRecord,
  exitCode: number,
): boolean {
  if (role === 'ephemeral') return false;
  if (role === 'sidecar') return !isEnding(record);
  // An init container that ended well is done, whatever the policy.
  if (role === 'init' && exitCode === 0) return false;
  const policy = spec?.restartPolicy ?? 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}
