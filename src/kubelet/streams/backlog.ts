/** Bytes that came over one connection and that nobody has read yet. */

export interface Backlog {
  add(bytes: number): void;
  remove(bytes: number): void;
  /** Undefined while there is room; else resolves once there is, or at `close`. */
  room(): Promise<void> | undefined;
  /** Nobody has to wait any more. */
  close(): void;
}

/**
 * Enough that one stream of many that is not read for a while does not hold up the others; SPDY's clients here know no
 * window for each stream (see `spdy-connection.ts`).
 */
const MAX_BACKLOG_BYTES = 1024 * 1024;

export function createBacklog(): Backlog {
  let waiting = 0;
  let closed = false;
  let wake: (() => void) | undefined;
  const look = (): void => {
    if (!closed && waiting > MAX_BACKLOG_BYTES) return;
    wake?.();
    wake = undefined;
  };
  return {
    add(bytes) {
      waiting += bytes;
    },
    remove(bytes) {
      waiting -= bytes;
      look();
    },
    room() {
      if (closed || waiting <= MAX_BACKLOG_BYTES) return undefined;
      return new Promise((resolve) => {
        wake = resolve;
      });
    },
    close() {
      closed = true;
      look();
    },
  };
}
