/** A TCP proxy in front of a server, for the faults that a network has. */
import { connect, createServer, type Socket } from 'node:net';
import { systemRandom } from '../../src/clock.ts';
import { freePorts } from '../../src/commands/demo/free-ports.ts';

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Where connections made from now on lead. */
  target(port: number): void;
  /** Every connection breaks and none can be made, until it is called with false. */
  cut(on: boolean): void;
  /** As where no process is: every connection breaks and new ones are refused, until it is called with false. */
  refuse(on: boolean): Promise<void>;
  /** Requests get through and no answers, until it is called with false: then they come, late. */
  hang(on: boolean): void;
  /** What clients send stays here, until it is called with false: then it arrives, late. Answers get through. */
  holdRequests(on: boolean): void;
  /** What is held back now, piece by piece. */
  readonly heldRequests: readonly Buffer[];
  /** Every chunk is handed on that many milliseconds later, in both directions; 0 ends it. */
  delay(ms: number): void;
  /**
   * The client is told that no more will come, on every connection and at once on each new one, and the server is told
   * nothing; until it is called with false.
   */
  halfClose(on: boolean): void;
  /** The next PUT or DELETE (or what begins as `of` says) gets through; once it was answered, its connection breaks without the answer. */
  loseNextReply(of?: RegExp): void;
}

/** One direction of one connection. */
interface Lane {
  send(chunk: Buffer): void;
  /** After everything that was sent before. */
  end(): void;
  /** Hands on what is held back by `hang` or `holdRequests`. */
  release(): void;
  readonly waiting: readonly (Buffer | 'end')[];
}

interface Link {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly requests: Lane;
  readonly answers: Lane;
}

export async function startFaultProxy(): Promise<FaultProxy> {
  let targetPort = 0;
  let isCut = false;
  let hangs = false;
  let holds = false;
  let halfClosed = false;
  let losing: RegExp | undefined;
  let delayMs = 0;
  const links = new Set<Link>();

  const lane = (to: Socket, isHeld: () => boolean): Lane => {
    const queue: (Buffer | 'end')[] = [];
    let waiting = 0;
    const flush = (): void => {
      while (queue.length > waiting && !isHeld()) {
        const next = queue.shift();
        if (next === 'end') to.end();
        else if (next !== undefined) to.write(next);
      }
    };
    const put = (next: Buffer | 'end'): void => {
      queue.push(next);
      if (delayMs === 0 && waiting === 0) {
        flush();
        return;
      }
      waiting++;
      // Each timer hands on the first that waits, so that the order stays when the delay changes.
      setTimeout(() => {
        waiting--;
        flush();
      }, delayMs);
    };
    return { send: put, end: () => put('end'), release: flush, waiting: queue };
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const requests = lane(upstream, () => holds);
    const answers = lane(client, () => hangs);
    const link = { client, upstream, requests, answers };
    links.add(link);
    let loses = false;
    const end = (): void => {
      client.destroy();
      // A server that is not to know of it keeps its end.
      if (halfClosed) return;
      upstream.destroy();
      links.delete(link);
    };
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on('error', end);
    }
    client.on('end', () => {
      if (!halfClosed) requests.end();
    });
    client.on('close', end);
    upstream.on('end', () => answers.end());
    upstream.on('close', () => answers.end());
    client.on('data', (chunk) => {
      if (losing?.test(chunk.toString('latin1', 0, 300)) === true) {
        losing = undefined;
        loses = true;
      }
      requests.send(chunk);
    });
    upstream.on('data', (chunk) => {
      if (loses) end();
      else answers.send(chunk);
    });
    if (halfClosed) client.end();
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  // Kept for when it is not listened on for a while.
  const [port = 0] = await freePorts(systemRandom, 1);
  await listen(port);
  const breakAll = (): void => {
    for (const { client, upstream } of links) {
      client.destroy();
      upstream.destroy();
    }
  };
  return {
    port,
    target(port) {
      targetPort = port;
    },
    cut(on) {
      isCut = on;
      if (on) breakAll();
    },
    async refuse(on) {
      if (on === !server.listening) return;
      if (!on) return await listen(port);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      breakAll();
      await closed;
    },
    hang(on) {
      hangs = on;
      if (!on) for (const { answers } of links) answers.release();
    },
    holdRequests(on) {
      holds = on;
      if (!on) for (const { requests } of links) requests.release();
    },
    get heldRequests() {
      return [...links].flatMap(({ requests }) => requests.waiting.filter((piece) => piece !== 'end'));
    },
    delay(ms) {
      delayMs = ms;
    },
    halfClose(on) {
      halfClosed = on;
      if (on) for (const { client } of links) client.end();
      // The server's ends that nobody holds any more.
      else breakAll();
    },
    loseNextReply(of = /^(PUT|DELETE) /) {
      losing = of;
    },
    async [Symbol.asyncDispose]() {
      halfClosed = false;
      breakAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
