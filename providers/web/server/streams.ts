/** The answers without end: the watch of an owner's pods and the reports of the zone, one JSON object a line. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../src/clock.ts';
import { HEARTBEAT_INTERVAL_MS, LINES_TYPE, type WatchLine, type ZoneLine } from '../protocol.ts';
import { write } from './answer.ts';
import type { Backend } from './backend.ts';

/** A snapshot, then each change. By UID: however slow the reader, what waits for it is bounded by the number of pods. */
export async function streamWatch(
  backend: Backend,
  owner: string,
  response: ServerResponse,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const pending = new Map<string, WatchLine>();
  const pause = createPause(clock, signal);
  const unsubscribe = backend.subscribe({
    owner,
    changed(ref, pod, last) {
      // To the end of the queue, so that what is told is told in the order in which it happened last.
      pending.delete(ref.uid);
      pending.set(
        ref.uid,
        pod === undefined ? { type: 'gone', ref, ...(last === undefined ? {} : { last }) } : { type: 'pod', pod },
      );
      pause.wake();
    },
  });
  const put = (line: WatchLine): Promise<boolean> => write(response, `${JSON.stringify(line)}\n`);
  try {
    beginLines(response);
    if (!(await put({ type: 'sync-start' }))) return;
    // A pod that goes while the snapshot is written is among the changes after it.
    for (const { pod } of [...backend.list(owner)]) if (!(await put({ type: 'pod', pod }))) return;
    if (!(await put({ type: 'sync-end', complete: true }))) return;
    while (!signal.aborted) {
      const [uid, line] = pending.entries().next().value ?? [];
      if (uid !== undefined && line !== undefined) {
        pending.delete(uid);
        if (!(await put(line))) return;
        continue;
      }
      if ((await pause.wait()) === 'silent' && !(await put({ type: 'heartbeat' }))) return;
    }
  } finally {
    unsubscribe();
  }
}

/** At once, at every change, and as often as a heartbeat. */
export async function streamZone(
  backend: Backend,
  response: ServerResponse,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  beginLines(response);
  const pause = createPause(clock, signal);
  const unsubscribe = backend.watchZone(() => pause.wake());
  try {
    while (!signal.aborted) {
      const report: ZoneLine = backend.report();
      if (!(await write(response, `${JSON.stringify(report)}\n`))) return;
      await pause.wait();
    }
  } finally {
    unsubscribe();
  }
}

/** What a stream does while there is nothing to say: waits for a change, a heartbeat's time or its end. */
function createPause(clock: Clock, signal: AbortSignal): { wake(): void; wait(): Promise<'woken' | 'silent'> } {
  let woken = false;
  let end = (): void => {};
  const wake = (): void => {
    woken = true;
    end();
  };
  signal.addEventListener('abort', wake, { once: true });
  return {
    wake,
    async wait() {
      if (!woken && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const timer = clock.setTimer(HEARTBEAT_INTERVAL_MS, resolve);
          end = () => {
            timer.cancel();
            resolve();
          };
        });
      }
      const result = woken ? 'woken' : 'silent';
      woken = false;
      return result;
    },
  };
}

function beginLines(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': LINES_TYPE, 'cache-control': 'no-store' });
  response.flushHeaders();
}
