/** Frames on their way to a client: no more are buffered than one for each sender beyond what the transport holds. */
import type { Duplex } from 'node:stream';

export interface Outlet {
  /** Sends once the transport takes more, then calls back when yet more may come. After the transport's end it is thrown away. */
  send(parts: readonly Buffer[], done: () => void): void;
  /** Sends at once, ahead of what waits: small frames that the protocol itself asks for. False: not sent, since the client does not read. */
  urgent(frame: Buffer): boolean;
}

/** What a client that reads nothing can make us keep by asking for answers. */
const MAX_URGENT_BYTES = 256 * 1024;

export function createOutlet(transport: Duplex): Outlet {
  let waiting: (() => void)[] = [];
  const isOpen = (): boolean => !transport.destroyed && !transport.writableEnded;
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const run of woken) run();
  };
  transport.on('drain', wake);
  transport.once('close', wake);

  function send(parts: readonly Buffer[], done: () => void): void {
    if (!isOpen()) {
      done();
      return;
    }
    if (transport.writableNeedDrain) {
      waiting.push(() => send(parts, done));
      return;
    }
    // Together: each write would be a record of TLS and a packet of its own.
    transport.cork();
    for (const part of parts) transport.write(part);
    transport.uncork();
    if (transport.writableNeedDrain) waiting.push(done);
    else done();
  }

  return {
    send,
    urgent(frame) {
      if (!isOpen() || transport.writableLength > MAX_URGENT_BYTES) return false;
      transport.write(frame);
      return true;
    },
  };
}
