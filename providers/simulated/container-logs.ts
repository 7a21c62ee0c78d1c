/** What simulated containers wrote, and the kubelet's log options applied to it. */
import type { LogOptions } from '../../src/provider/contract.ts';

interface Line {
  readonly timeMs: number;
  readonly text: string;
}

/** One run of one container. */
export interface ContainerLog {
  readonly lines: Line[];
  ended: boolean;
  /** Told when a line came or the run ended. */
  readonly followers: Set<() => void>;
}

export function createContainerLog(): ContainerLog {
  return { lines: [], ended: false, followers: new Set() };
}

export function appendLine(log: ContainerLog, timeMs: number, text: string): void {
  log.lines.push({ timeMs, text });
  for (const wake of log.followers) wake();
}

export function endLog(log: ContainerLog): void {
  log.ended = true;
  for (const wake of log.followers) wake();
}

/** The bytes that a reader with these options gets. */
export async function* readLog(
  log: ContainerLog,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const encoder = new TextEncoder();
  const since = options.sinceTimeMs ?? Number.NEGATIVE_INFINITY;
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  const early = log.lines.filter((line) => line.timeMs >= since).length;
  let skip = Math.max(0, early - (options.tailLines ?? Number.POSITIVE_INFINITY));
  let next = 0;
  let woken = (): void => {};
  const wake = (): void => woken();
  log.followers.add(wake);
  signal.addEventListener('abort', wake, { once: true });
  try {
    while (!signal.aborted && left > 0) {
      const line = log.lines[next];
      if (line === undefined) {
        if (!options.follow || log.ended) return;
        await new Promise<void>((resolve) => {
          woken = resolve;
        });
        continue;
      }
      next++;
      if (line.timeMs < since || skip-- > 0) continue;
      const bytes = encoder.encode(`${options.timestamps ? `${rfc3339Nano(line.timeMs)} ` : ''}${line.text}\n`);
      const chunk = bytes.subarray(0, Math.min(left, bytes.byteLength));
      left -= chunk.byteLength;
      yield chunk;
    }
  } finally {
    log.followers.delete(wake);
    signal.removeEventListener('abort', wake);
  }
}

function rfc3339Nano(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('Z', '000000Z');
}
