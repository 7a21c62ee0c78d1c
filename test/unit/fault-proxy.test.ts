import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';

/** Answers every chunk with the same one; keeps its connections. */
let peers: Socket[];
let undo: AsyncDisposableStack;
let proxy: FaultProxy;

beforeEach(async () => {
  undo = new AsyncDisposableStack();
  peers = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    peers.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end('bye'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.defer(() => {
    for (const peer of peers) peer.destroy();
    server.close();
  });
  proxy = undo.use(await startFaultProxy());
  proxy.target((server.address() as AddressInfo).port);
});
afterEach(() => undo.disposeAsync());

async function open(): Promise<{ readonly socket: Socket; text(): string }> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  undo.defer(() => void socket.destroy());
  let received = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  await once(socket, 'connect');
  return { socket, text: () => received };
}

async function says(client: Awaited<ReturnType<typeof open>>, text: string): Promise<void> {
  while (client.text() !== text) await once(client.socket, 'data');
}

test('hands on both ways, and the end of a connection after what was said before', async () => {
  const client = await open();
  client.socket.write('hello');
  await says(client, 'hello');
  client.socket.end(' world');
  await once(client.socket, 'end');
  expect(client.text()).toBe('hello worldbye');
});

test('delayed chunks keep their order, also when the delay ends meanwhile', async () => {
  const client = await open();
  proxy.delay(40);
  client.socket.write('1');
  await once(peers[0] ?? client.socket, 'data');
  client.socket.write('2');
  proxy.delay(0);
  client.socket.end('3');
  await once(client.socket, 'end');
  expect(client.text()).toBe('123bye');
});

test('hanging, requests get through and the answers come when it is over', async () => {
  const client = await open();
  client.socket.write('first');
  await says(client, 'first');
  proxy.hang(true);
  client.socket.write('second');
  await once(peers[0] ?? client.socket, 'data');
  const other = await open();
  other.socket.write('third');
  while (peers.length < 2) await new Promise(setImmediate);
  await once(peers[1] ?? other.socket, 'data');
  expect([client.text(), other.text()]).toEqual(['first', '']);
  proxy.hang(false);
  await says(client, 'firstsecond');
  await says(other, 'third');
});

test('half-closed, the client is told of an end that the server hears nothing of', async () => {
  const client = await open();
  client.socket.write('hello');
  await says(client, 'hello');
  proxy.halfClose(true);
  await once(client.socket, 'end');
  client.socket.destroy();
  const late = await open();
  await once(late.socket, 'end');
  expect(peers[0]?.destroyed).toBe(false);
  expect(peers[0]?.readableEnded).toBe(false);
  proxy.halfClose(false);
  await once(peers[0] ?? client.socket, 'close');
  const again = await open();
  again.socket.write('again');
  await says(again, 'again');
});

test('refusing, as where nobody listens, and back on the same port', async () => {
  const client = await open();
  client.socket.write('hello');
  await says(client, 'hello');
  const ended = once(client.socket, 'end');
  await proxy.refuse(true);
  await ended;
  await expect(once(connect({ port: proxy.port, host: '127.0.0.1' }), 'connect')).rejects.toMatchObject({
    code: 'ECONNREFUSED',
  });
  await proxy.refuse(false);
  const again = await open();
  again.socket.write('again');
  await says(again, 'again');
});

test('cut, every connection breaks and none can be made', async () => {
  const client = await open();
  client.socket.write('hello');
  await says(client, 'hello');
  proxy.cut(true);
  await once(client.socket, 'end');
  const other = await open();
  await once(other.socket, 'end');
  proxy.cut(false);
  const again = await open();
  again.socket.write('again');
  await says(again, 'again');
  expect(peers).toHaveLength(2);
});

test('holds requests back and lets them go, in order, while answers get through', async () => {
  const client = await open();
  client.socket.write('before ');
  await says(client, 'before ');
  proxy.holdRequests(true);
  client.socket.write('one ');
  while (proxy.heldRequests.length === 0) await new Promise(setImmediate);
  client.socket.write('two');
  peers[0]?.write('meanwhile ');
  await says(client, 'before meanwhile ');
  expect(Buffer.concat(proxy.heldRequests).toString().startsWith('one ')).toBe(true);
  proxy.holdRequests(false);
  await says(client, 'before meanwhile one two');
});
