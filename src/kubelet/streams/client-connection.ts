/** What the connections of both protocols have in common for whoever serves a session on one. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import type { Backlog } from './backlog.ts';

export interface ClientConnection {
  /** Aborts when the client is gone, or the connection is over for another reason. */
  readonly gone: AbortSignal;
  /** Ends it in good order once everything that was written has been sent. */
  close(): void;
}

/** How long a client may take to close its side once ours is closed. */
const LINGER_MS = 10_000;
/** Between two looks at whether a client that we cannot read from at the moment is still there. */
const PROBE_MS = 10_000;

/**
 * Ends our side, then waits a while for the client's: closing with something of its unread would reset the connection, and
 * what we sent last could be lost.
 */
export function endThenDestroy(transport: Duplex, clock: Clock): void {
  transport.end(() => {
    const timer = clock.setTimer(LINGER_MS, () => transport.destroy());
    transport.once('close', () => timer.cancel());
  });
}

/** Waits for room in the backlog. Since nothing is read meanwhile, only writing can tell that the client has gone. */
export async function roomIn(backlog: Backlog, clock: Clock, probe: () => void): Promise<void> {
  const room = backlog.room();
  if (room === undefined) return;
  let timer = clock.setTimer(PROBE_MS, again);
  function again(): void {
    probe();
    timer = clock.setTimer(PROBE_MS, again);
  }
  await room;
  timer.cancel();
}
