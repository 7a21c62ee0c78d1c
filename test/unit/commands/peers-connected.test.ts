import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { peersConnected } from '../../../src/commands/demo/peers-connected.ts';
import type { Replica } from '../../../src/commands/demo/stage.ts';

/** Replicas that are connected to so many others each, by what they say of themselves. */
async function replicas(...connected: readonly number[]) {
  const undo = new AsyncDisposableStack();
  const all: Pick<Replica, 'httpPort'>[] = [];
  for (const count of connected) {
    const server = createServer((_request, response) =>
      response.end(`zonelet_leader{set="demo",zone="a"} 1\nzonelet_peers_connected{set="demo"} ${count}\n`),
    ).listen(0, '127.0.0.1');
    undo.defer(() => void server.close());
    await once(server, 'listening');
    all.push({ httpPort: (server.address() as AddressInfo).port });
  }
  return { all, [Symbol.asyncDispose]: () => undo.disposeAsync() };
}

test.for([
  { counts: [2, 2, 2], connected: true },
  { counts: [2, 1, 2], connected: false },
  { counts: [0, 0], connected: false },
  { counts: [1, 1], connected: true },
])('replicas that are connected to $counts others: $connected', async ({ counts, connected }) => {
  await using set = await replicas(...counts);
  expect(await peersConnected({ replicas: set.all })).toBe(connected);
});
