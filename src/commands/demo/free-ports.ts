/** Ports of loopback that nobody listens on now. Taken all at once, so that no two are the same. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** `count` ports; where `run` is above 1, each is the first of that many free ones in a row. */
export async function freePorts(count: number, run = 1): Promise<number[]> {
  const held: ReturnType<typeof createServer>[] = [];
  const first: number[] = [];
  try {
    for (let tries = 0; first.length < count && tries < 200; tries++) {
      const begin = await hold(0, held);
      if (begin === undefined) continue;
      let complete = true;
      for (let i = 1; i < run && complete; i++) complete = (await hold(begin + i, held)) !== undefined;
      if (complete) first.push(begin);
    }
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
  if (first.length < count) throw new Error(`no ${count} times ${run} free ports on 127.0.0.1`);
  return first;
}

async function hold(port: number, held: ReturnType<typeof createServer>[]): Promise<number | undefined> {
  if (port > 65_535) return undefined;
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return undefined;
  }
  held.push(server);
  return (server.address() as AddressInfo).port;
}
