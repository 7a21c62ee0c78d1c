import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Registry } from 'prom-client';
import { beforeAll, expect, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { PEER_ANNOTATION } from '../../../src/election/names.ts';
import { selfSigned } from '../../../src/kubelet/self-signed.ts';
import { silentLogger } from '../../../src/log.ts';
import { type PeerMetrics, peerMetrics } from '../../../src/metrics/peers.ts';
import type { PeerCertificate } from '../../../src/peers/link.ts';
import { formatPeerAddress, type PeerAddress, parsePeerAddress } from '../../../src/peers/peer-address.ts';
import { type Peers, type PeersOptions, startPeers } from '../../../src/peers/peers.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { Board, type Entry } from './board.ts';
import type { Beginning } from './peer-process.ts';

const LIMIT = { timeout: 20_000, interval: 5 };
const certificates: PeerCertificate[] = [];

beforeAll(async () => {
  const now = Date.now();
  const lifetime = { notBeforeMs: now - 3_600_000, notAfterMs: now + 3_600_000 };
  for (const commonName of ['a', 'b', 'c']) {
    certificates.push(await selfSigned({ commonName, dnsNames: [], addresses: ['127.0.0.1'], ...lifetime }));
  }
});

interface Here extends AsyncDisposable {
  readonly peers: Peers;
  readonly metrics: PeerMetrics;
  connected(): Promise<number>;
  ended(end: string): Promise<number>;
}

const holderOf = (name: string): string => `${name}_-_boot-${name}`;

/** The peers of a replica in this process. */
async function here(
  name: string,
  board: Board,
  certificate = certificates[0]!,
  also: Partial<PeersOptions> = {},
): Promise<Here> {
  const metrics = peerMetrics(new Registry());
  const peers = await startPeers({
    holder: holderOf(name),
    address: '127.0.0.1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate,
    clock: systemClock,
    metrics,
    log: silentLogger,
    ...also,
  });
  const stop = new AbortController();
  const running = peers.run(board.seenBy(name, holderOf(name)), stop.signal);
  return {
    peers,
    metrics,
    connected: async () => (await metrics.connected.get()).values[0]?.value ?? 0,
    ended: async (end) => (await metrics.ended.get()).values.find(({ labels }) => labels.end === end)?.value ?? 0,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await peers[Symbol.asyncDispose]();
    },
  };
}

interface Away extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly entry: Entry;
}

/**
 * The peers of a replica in a process of its own, which knows of those that are on the board now. `known`: what the board
 * gets to say of it, if anything.
 */
async function away(name: string, board: Board, known = (entry: Entry): Entry | undefined => entry): Promise<Away> {
  const child = fork(join(import.meta.dirname, 'peer-process.ts'), [], { execArgv: [] });
  const others = board.others(name);
  child.send({ name, holder: holderOf(name), certificate: certificates[1]!, others } satisfies Beginning);
  const [entry] = (await once(child, 'message')) as [Entry];
  const told = known(entry);
  if (told !== undefined) board.put(told);
  return {
    child,
    entry,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** What the witness says from now on until `what` holds. */
async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => expect(await what()).toBe(true), LIMIT);
}

test('a process that is killed is proved dead at once, and only that process', async () => {
  const board = new Board();
  await using a = await here('a', board);
  await using b = await away('b', board);
  await until(async () => (await a.connected()) === 1);
  let told = 0;
  a.peers.witness.subscribe(() => told++);
  expect(a.peers.witness.proofOf(holderOf('b'))).toBeUndefined();
  b.child.kill('SIGKILL');
  await until(() => told === 1);
  const proof = a.peers.witness.proofOf(holderOf('b'));
  expect(proof?.by).toBe('refused');
  expect((proof?.coversUntil ?? 0) - (proof?.at ?? 0)).toBeCloseTo(1_000);
  expect(a.peers.witness.proofOf('b_-_another-boot')).toBeUndefined();
  expect([await a.connected(), await a.ended('dead')]).toEqual([0, 1]);
});

test('a process that goes in good order says goodbye: nothing is proved', async () => {
  const board = new Board();
  await using a = await here('a', board);
  await using b = await away('b', board);
  await until(async () => (await a.connected()) === 1);
  b.child.kill('SIGTERM');
  await once(b.child, 'exit');
  await until(async () => (await a.ended('goodbye')) === 1);
  expect(b.child.exitCode).toBe(0);
  expect(a.peers.witness.proofOf(holderOf('b'))).toBeUndefined();
});

test('a process that is stopped keeps its connection and accepts new ones: nothing is proved', async () => {
  const board = new Board();
  await using a = await here('a', board);
  await using b = await away('b', board);
  await until(async () => (await a.connected()) === 1);
  b.child.kill('SIGSTOP');
  const probe = connectPlain({ host: '127.0.0.1', port: addressOf(b.entry).port });
  await once(probe, 'connect');
  probe.destroy();
  expect([await a.connected(), a.peers.witness.proofOf(holderOf('b'))]).toEqual([1, undefined]);
  // Killed while it is stopped, it is dead like any other.
  b.child.kill('SIGKILL');
  await until(() => a.peers.witness.proofOf(holderOf('b')) !== undefined);
});

function addressOf(entry: Entry | undefined): PeerAddress {
  const at = parsePeerAddress(entry?.annotations[PEER_ANNOTATION]);
  if (at === undefined) throw new Error('it has told no address');
  return at;
}

/** A replica as the others know it when there is something in between. */
function detour(entry: Entry, port: number): Entry {
  return { ...entry, annotations: { [PEER_ANNOTATION]: formatPeerAddress({ ...addressOf(entry), port }) } };
}

test('something in between cuts a living one off and goes on listening: nothing is proved, and it is dialed again', async () => {
  const board = new Board();
  await using proxy = await startFaultProxy();
  await using a = await here('a', board);
  await using _b = await away('b', board, (entry) => {
    proxy.target(addressOf(entry).port);
    return detour(entry, proxy.port);
  });
  await until(async () => (await a.connected()) === 1);
  proxy.cut(true);
  await until(async () => (await a.ended('unproved')) >= 1);
  expect(a.peers.witness.proofOf(holderOf('b'))).toBeUndefined();
  proxy.cut(false);
  await until(async () => (await a.connected()) === 1);
});

test('a machine is gone without a word: the connection stays, and nothing is proved by a death that no kernel tells', async () => {
  const board = new Board();
  await using a = await here('a', board);
  await using b = await away('b', board, () => undefined);
  const held: Socket[] = [];
  // What b's kernel says at its end does not come through.
  const relay = createServer((client) => {
    const upstream = connectPlain({ host: '127.0.0.1', port: addressOf(b.entry).port });
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => client.write(chunk));
    held.push(client, upstream);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  board.put(detour(b.entry, (relay.address() as AddressInfo).port));
  await until(async () => (await a.connected()) === 1);
  const severed = once(held[1]!, 'close');
  b.child.kill('SIGKILL');
  await severed;
  expect([await a.connected(), await a.ended('unproved'), a.peers.witness.proofOf(holderOf('b'))]).toEqual([
    1,
    0,
    undefined,
  ]);
  // Closed half only, at an address that goes on accepting.
  held[0]!.end();
  await until(async () => (await a.ended('unproved')) === 1);
  expect(a.peers.witness.proofOf(holderOf('b'))).toBeUndefined();
  for (const socket of held) socket.destroy();
  relay.close();
});

test('something in between cuts a living one off and refuses in its name: believed, until it answers again', async () => {
  const board = new Board();
  await using a = await here('a', board);
  await using b = await away('b', board, () => undefined);
  const at = addressOf(b.entry);
  const port = await (async () => {
    await using proxy = await startFaultProxy();
    proxy.target(at.port);
    board.put(detour(b.entry, proxy.port));
    await until(async () => (await a.connected()) === 1);
    return proxy.port;
  })();
  await until(() => a.peers.witness.proofOf(holderOf('b')) !== undefined);
  // The way is good again.
  const relay = createServer((client) => {
    const upstream = connectPlain({ host: '127.0.0.1', port: at.port });
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.pipe(upstream).pipe(client);
  });
  relay.listen(port, '127.0.0.1');
  await once(relay, 'listening');
  await until(async () => (await a.connected()) === 1);
  expect(a.peers.witness.proofOf(holderOf('b'))).toBeUndefined();
  relay.close();
});

test('who shows another certificate than the Lease tells is never connected, so its end proves nothing', async () => {
  const board = new Board();
  await using a = await here('a', board);
  await using b = await away('b', board, () => undefined);
  const other = { ...addressOf(b.entry), fingerprint: '0'.repeat(64) };
  board.put({ ...b.entry, name: 'x', holder: 'x_-_1', annotations: { [PEER_ANNOTATION]: formatPeerAddress(other) } });
  // Right certificate, wrong process.
  board.put({ ...b.entry, name: 'y', holder: 'y_-_1' });
  // The one that it is comes last, and is connected.
  board.put(b.entry);
  await until(async () => (await a.connected()) === 1);
  b.child.kill('SIGKILL');
  await until(() => a.peers.witness.proofOf(holderOf('b')) !== undefined);
  expect(['x_-_1', 'y_-_1'].map((holder) => a.peers.witness.proofOf(holder))).toEqual([undefined, undefined]);
});

test('a stranger is not greeted, whatever certificate it shows', async () => {
  const board = new Board();
  await using _a = await here('a', board);
  const { port } = addressOf(board.get('a'));
  for (const shown of [undefined, certificates[2]]) {
    const socket = connect({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ...(shown === undefined ? {} : { cert: shown.certificate, key: shown.key }),
    });
    let heard = '';
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    socket.on('error', () => {});
    await once(socket, 'close');
    expect(heard).toBe('');
  }
});

test('each holds a connection to each, and a newcomer is found', async () => {
  const board = new Board();
  await using a = await here('a', board, certificates[0]);
  await using b = await here('b', board, certificates[1]);
  await until(async () => (await a.connected()) === 1 && (await b.connected()) === 1);
  await using c = await here('c', board, certificates[2]);
  const all = [a, b, c];
  await until(async () => (await Promise.all(all.map((one) => one.connected()))).every((count) => count === 2));
});

test('a replica that cannot be connected to is told of, once', async () => {
  const board = new Board();
  const warnings: object[] = [];
  const log = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  let timers = 0;
  // Pauses between tries are of no interest here.
  const clock: Clock = {
    ...systemClock,
    setTimer(delayMs, run) {
      timers++;
      return systemClock.setTimer(delayMs / 100, run);
    },
  };
  await using _a = await here('a', board, certificates[0], { clock, log });
  const at = { host: '127.0.0.1', port: 1, fingerprint: '0'.repeat(64) };
  board.put({ name: 'b', holder: holderOf('b'), annotations: { [PEER_ANNOTATION]: formatPeerAddress(at) } });
  await until(() => warnings.length > 0);
  const seen = timers;
  await until(() => timers > seen + 10);
  expect(warnings).toEqual([expect.objectContaining({ peer: holderOf('b'), at: '127.0.0.1 1' })]);
});

test('a port that is taken is named in the failure', async () => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const starting = startPeers({
    holder: holderOf('a'),
    address: '127.0.0.1',
    listen: { host: '127.0.0.1', port },
    certificate: certificates[0]!,
    clock: systemClock,
    metrics: peerMetrics(new Registry()),
    log: silentLogger,
  });
  await expect(starting).rejects.toThrow(`peers cannot be listened for on 127.0.0.1:${port}`);
  taken.close();
});

test('an address that is told in another form is none', () => {
  const at = { host: 'fd00::1', port: 7250, fingerprint: 'ab'.repeat(32) };
  expect(parsePeerAddress(formatPeerAddress(at))).toEqual(at);
  const wrong = [undefined, '', '10.0.0.1 7250', '10.0.0.1 0 sha256:', `host 7250 sha256:${'ab'.repeat(32)}`];
  expect([...wrong, `10.0.0.1 70000 sha256:${'ab'.repeat(32)}`].map(parsePeerAddress)).toEqual(
    [...wrong, ''].map(() => undefined),
  );
});
