/**
 * Ports of loopback that nobody listens on now. They are taken from below the range from which systems give ports to
 * outgoing connections (32768 and up on Linux): one of those could have it by the time that it is listened on. A port that was
 * given out stays the process's until that ends: nobody else who asks here gets it, whether or not it is listened on yet,
 * or any more.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Random } from '../../clock.ts';
import { hasCode } from '../../errors.ts';
import { holdPath } from '../../exclusive-path.ts';

const FIRST = 15_000;
const LAST = 32_000;
const TRIES = 1_000;

/** `count` ports, no two the same; where `run` is above 1, each is the first of that many free ones in a row. */
export async function freePorts(random: Pick<Random, 'next'>, count: number, run = 1): Promise<number[]> {
  const held: Server[] = [];
  const first: number[] = [];
  try {
    for (let tries = 0; first.length < count && tries < TRIES; tries++) {
      const begin = FIRST + Math.floor(random.next() * (LAST - FIRST - run));
      let complete = true;
      for (let i = 0; i < run && complete; i++) complete = await hold(begin + i, held);
      if (complete) first.push(begin);
    }
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
  if (first.length < count) throw new Error(`no ${count} times ${run} free ports on 127.0.0.1`);
  return first;
}

async function hold(port: number, held: Server[]): Promise<boolean> {
  try {
    await holdPath('port', `/${port}`, `port ${port} is another process's`);
  } catch (error) {
    if (hasCode(error, 'Conflict')) return false;
    throw error;
  }
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  held.push(server);
  return true;
}
