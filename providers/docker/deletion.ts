/** Stops a pod with grace, keeps what it stopped until it is told twice, and then removes all that belongs to it. */
import type { Clock } from '../../src/clock.ts';
import { hasCode } from '../../src/errors.ts';
import type { DeleteResult, Operation, PodRef, ReadOptions } from '../../src/provider/contract.ts';
import type { Fleet } from './fleet.ts';
import type { Monitor } from './monitor.ts';
import { LABEL, stopVolume } from './names.ts';
import { isRunning, type PodState } from './pod-state.ts';

export async function deletePod(
  ref: PodRef,
  gracePeriodSeconds: number,
  operation: Operation,
  fleet: Fleet,
  clock: Clock,
): Promise<DeleteResult> {
  const reading: ReadOptions = { signal: operation.signal, timeoutMs: operation.timeoutMs };
  const found = await fleet.find(ref.uid, reading);
  if (found === undefined) return { state: 'gone' };
  const { monitor, state } = found;
  if (!state.sandbox.started) {
    await monitor.pods.remove(ref.uid, reading);
    return { state: 'gone' };
  }
  const graceMs = Math.max(0, gracePeriodSeconds) * 1000;
  await markStopped(monitor, state, Math.ceil(clock.now() + graceMs), operation, reading);
  if (!isRunning(state)) {
    const { observation } = await monitor.observe(state, reading);
    await monitor.pods.remove(ref.uid, reading);
    monitor.kick(ref.uid);
    return { state: 'gone', last: observation };
  }
  if (graceMs === 0) await kill(monitor, state, reading);
  monitor.kick(ref.uid);
  const after = await monitor.pods.read(ref.uid, reading);
  if (after === undefined) return { state: 'gone' };
  return { state: 'stopping', pod: await monitor.observe(after, reading) };
}

/** From then on nobody starts any of its containers. The earliest end of all that were asked for counts. */
async function markStopped(
  { pods }: Monitor,
  state: PodState,
  killAtMs: number,
  { epoch }: Operation,
  reading: ReadOptions,
): Promise<void> {
  if (state.killAtMs !== undefined && state.killAtMs <= killAtMs) return;
  const labels = { [LABEL.role]: 'stop', [LABEL.killAt]: String(killAtMs), [LABEL.epoch]: String(epoch) };
  await pods.makeVolume(stopVolume(pods.prefix(state.ref.uid), killAtMs), state.ref, labels, reading);
}

async function kill({ pods }: Monitor, state: PodState, reading: ReadOptions): Promise<void> {
  const running = [...state.runs.values()].flatMap(([run]) => (run?.phase === 'running' ? [run.id] : []));
  await Promise.all(
    running.map(async (id) => {
      const request = { method: 'POST', path: `/containers/${id}/kill`, ...reading } as const;
      await pods.engine.status(request).catch((error: unknown) => {
        // It has ended by itself.
        if (!hasCode(error, 'Conflict', 'NotFound')) throw error;
      });
    }),
  );
}
