/** A TCP proxy in front of a server, for the faults that a network has. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Where connections made from now on lead. */
  target(port: number): void;
  /** Every connection breaks and none can be made, until it is called with false. */
  cut(on: boolean): void;
  /** Requests get through and no answers, until it is called with false. */
  hang(on: boolean): void;
  /** The next PUT or DELETE gets through; once it was answered, its connection breaks without the answer. */
  loseNextReply(): void;
}

export async function startFaultProxy(): Promise<FaultProxy> {
  let targetPort = 0;
  let isCut = false;
  let hangs = false;
  let losing = false;
  const links = new Set<{ readonly sockets: readonly Socket[]; release(): void }>();
  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(targetPort, '127.0.0.1');
    let held: Buffer[] = [];
    let loses = false;
    const link = {
      sockets: [client, upstream],
      release() {
        for (const chunk of held) client.write(chunk);
        held = [];
      },
    };
    links.add(link);
    const end = (): void => {
      client.destroy();
      upstream.destroy();
      links.delete(link);
    };
    for (const socket of link.sockets) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (chunk) => {
      if (losing && /^(PUT|DELETE) /.test(chunk.toString('latin1', 0, 7))) {
        losing = false;
        loses = true;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (loses) end();
      else if (hangs) held.push(chunk);
      else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const breakAll = (): void => {
    for (const { sockets } of links) for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    target(port) {
      targetPort = port;
    },
    cut(on) {
      isCut = on;
      if (on) breakAll();
    },
    hang(on) {
      hangs = on;
      if (!on) for (const link of links) link.release();
    },
    loseNextReply() {
      losing = true;
    },
    async [Symbol.asyncDispose]() {
      breakAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
