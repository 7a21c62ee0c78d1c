/** Frames, and what the provider makes of a backend whose streams misbehave. */
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../src/errors.ts';
import { silentLogger } from '../../src/log.ts';
import { seededRandom, VirtualClock } from '../../test/support/virtual-clock.ts';
import { connectTo, eventually, OWNER, podOf } from '../../test/support/web-client.ts';
import { CHANNEL, createFrames, LONGEST_PAYLOAD, sendFrame } from './frames.ts';
import { createWebProvider } from './provider.ts';

describe('frames', () => {
  it('are whole wherever they were cut', async () => {
    const wire = new PassThrough();
    sendFrame(wire, CHANNEL.output, 'first');
    sendFrame(wire, CHANNEL.input);
    sendFrame(wire, CHANNEL.error, 'x'.repeat(300));
    wire.end();
    const bytes = Buffer.from(await text(wire), 'utf8');
    for (let cut = 0; cut <= bytes.byteLength; cut++) {
      const frames = createFrames();
      const found = [...frames.push(bytes.subarray(0, cut)), ...frames.push(bytes.subarray(cut))];
      expect(found.map(({ channel, payload }) => [channel, payload.toString()])).toEqual([
        [CHANNEL.output, 'first'],
        [CHANNEL.input, ''],
        [CHANNEL.error, 'x'.repeat(300)],
      ]);
    }
  });

  it('that are too long are cut by the sender and refused by the receiver', () => {
    const wire = new PassThrough({ highWaterMark: 4 * LONGEST_PAYLOAD });
    sendFrame(wire, CHANNEL.output, Buffer.alloc(LONGEST_PAYLOAD + 1));
    const frames = createFrames().push(wire.read() as Buffer);
    expect(frames.map(({ payload }) => payload.byteLength)).toEqual([LONGEST_PAYLOAD, 1]);
    const head = Buffer.from([CHANNEL.output, 0, 0x10, 0, 1]);
    expect(() => createFrames().push(head)).toThrow(/too long/);
  });
});

interface FakeBackend extends AsyncDisposable {
  readonly url: string;
}

/** Agrees to every stream and does with the connection as it is told. */
async function fakeBackend(serve: (socket: Socket) => void): Promise<FakeBackend> {
  const sockets = new Set<Socket>();
  const server = createServer((_request, response) => response.writeHead(200).end('{}'));
  server.on('upgrade', (_request, socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: zonelet-stream\r\n\r\n');
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const REF = podOf('one').ref;
const EXEC = { command: ['true'], tty: false };

describe('a command on a backend', () => {
  it.each<[string, (socket: Socket) => void, string]>([
    ['that breaks off', (socket) => void socket.end(), 'Unavailable'],
    ['that sends no frames', (socket) => void socket.end('HTTP/1.1 500 Oops\r\n\r\n'), 'InvalidInput'],
    ['that ends with no JSON', (socket) => void sendFrame(socket, CHANNEL.end, 'done'), 'Unavailable'],
    ['that ends without a code', (socket) => void sendFrame(socket, CHANNEL.end, '{}'), 'Unavailable'],
    [
      'that ends with an error',
      (socket) => void sendFrame(socket, CHANNEL.end, '{"error":{"code":"Conflict","message":"it has ended"}}'),
      'Conflict',
    ],
  ])('%s fails', async (_what, serve, code) => {
    await using backend = await fakeBackend(serve);
    await using provider = connectTo({ url: backend.url });
    const ran = provider.exec?.(OWNER, REF, 'main', EXEC, {}, new AbortController().signal);
    expect(await ran?.catch(codeOf)).toBe(code);
  });

  it('that has no streams fails as unsupported or unavailable, and never hangs', async () => {
    const server = createServer((_request, response) => response.writeHead(404).end('no such page'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await using provider = connectTo({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const ran = provider.exec?.(OWNER, REF, 'main', EXEC, {}, new AbortController().signal);
    expect(await ran?.catch(codeOf)).toBe('Unavailable');
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  it('that falls silent is taken for dead after 15 s, a heartbeat is no silence', async () => {
    const open: Socket[] = [];
    await using backend = await fakeBackend((socket) => void open.push(socket));
    const clock = new VirtualClock();
    const context = { zone: 'zone-a', clock, random: seededRandom(1), log: silentLogger };
    await using provider = createWebProvider({ url: backend.url }, context);
    const stdout = new PassThrough();
    let code: unknown = 'open';
    const ran = provider
      .exec?.(OWNER, REF, 'main', EXEC, { stdout }, new AbortController().signal)
      .catch(codeOf)
      .then((result) => {
        code = result;
      });
    const socket = await eventually('the stream is open', () => open[0]);
    for (let i = 0; i < 3; i++) {
      sendFrame(socket, CHANNEL.heartbeat);
      sendFrame(socket, CHANNEL.output, `${i}`);
      await eventually('it was heard', () => (stdout.readableLength > i ? true : undefined));
      await clock.advance(14_000);
      expect(code).toBe('open');
    }
    await clock.advance(1_500);
    await ran;
    expect(code).toBe('Unavailable');
  });
});
