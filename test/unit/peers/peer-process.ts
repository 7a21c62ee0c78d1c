/** A replica's peers alone in a process of its own, to be killed, stopped and frozen by a test. */
import process from 'node:process';
import { Registry } from 'prom-client';
import { systemClock } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/log.ts';
import { peerMetrics } from '../../../src/metrics/peers.ts';
import type { PeerCertificate } from '../../../src/peers/link.ts';
import { startPeers } from '../../../src/peers/peers.ts';
import { Board, type Entry } from './board.ts';

export interface Beginning {
  readonly name: string;
  readonly holder: string;
  readonly certificate: PeerCertificate;
  readonly others: readonly Entry[];
}

process.once('message', (beginning: Beginning) => void run(beginning));

async function run({ name, holder, certificate, others }: Beginning): Promise<void> {
  const board = new Board();
  for (const other of others) board.put(other);
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  await using peers = await startPeers({
    holder,
    address: '127.0.0.1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate,
    clock: systemClock,
    metrics: peerMetrics(new Registry()),
    log: silentLogger,
  });
  await peers.run(
    board.seenBy(name, holder, (entry) => process.send?.(entry)),
    stop.signal,
  );
  process.disconnect();
}
