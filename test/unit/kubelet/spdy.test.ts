import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { ChannelStream } from '../../../src/kubelet/streams/channel-stream.ts';
import { createSpdyConnection } from '../../../src/kubelet/streams/spdy-connection.ts';
import type { SpdyHeaders } from '../../../src/kubelet/streams/spdy-headers.ts';
import {
  GOAWAY,
  PING,
  RST_STREAM,
  SpdyClient,
  SYN_REPLY,
  SYN_STREAM,
  WINDOW_UPDATE,
} from '../../support/spdy-client.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function connection(maxStreams?: number) {
  const [near, far] = duplexPair({ readableHighWaterMark: 16_384, writableHighWaterMark: 16_384 });
  const opened: { stream: ChannelStream; headers: SpdyHeaders; id: number }[] = [];
  const clock = new VirtualClock();
  const server = createSpdyConnection({
    transport: far,
    clock,
    onStream: (stream, headers, id) => void opened.push({ stream, headers, id }),
    ...(maxStreams === undefined ? {} : { maxStreams }),
  });
  const gone = server.gone.aborted ? Promise.resolve() : once(server.gone, 'abort');
  return { client: new SpdyClient(near), server, opened, near, far, clock, gone };
}

/** Lets everything that is on its way arrive. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('SPDY', () => {
  it('accepts streams and reads their headers, whose compression goes on from block to block', async () => {
    const { client, opened } = connection();
    for (const type of ['error', 'stdin', 'stdout']) await client.open({ streamtype: type, Port: '80' });
    await client.until(() => client.has(SYN_REPLY, 5));
    expect(opened.map(({ id, headers }) => [id, headers.get('streamtype'), headers.get('port')])).toEqual([
      [1, 'error', '80'],
      [3, 'stdin', '80'],
      [5, 'stdout', '80'],
    ]);
    expect((await client.replies()).toString('hex')).toBe('00000000'.repeat(3));
  });

  it('closes each half of a stream by itself', async () => {
    const { client, opened } = connection();
    const id = await client.open({ streamtype: 'data' });
    await client.until(() => client.has(SYN_REPLY, id));
    const stream = opened[0]!.stream;
    stream.end('bye');
    await client.until(() => client.isEnded(id));
    client.data(id, 'still ', false);
    client.data(id, 'here', true);
    expect((await buffer(stream)).toString()).toBe('still here');
    expect(client.text(id)).toBe('bye');
    expect(client.has(RST_STREAM)).toBe(false);
  });

  it('carries frames of megabytes, and tells what it has read', async () => {
    const { client, opened } = connection();
    const id = await client.open({ streamtype: 'data' });
    await client.until(() => client.has(SYN_REPLY, id));
    const sent = Buffer.alloc(5_000_000, 'abc');
    client.data(id, sent, true);
    expect((await buffer(opened[0]!.stream)).equals(sent)).toBe(true);
    expect(client.has(WINDOW_UPDATE, id) && client.has(WINDOW_UPDATE, 0)).toBe(true);
  });

  it('does not read on while a stream is not read, and notices all the same that the client has gone', async () => {
    const { client, opened, near, clock, gone, far } = connection();
    const id = await client.open({ streamtype: 'data' });
    await client.until(() => client.has(SYN_REPLY, id));
    for (let i = 0; i < 200; i++) client.data(id, Buffer.alloc(32_768));
    await settle();
    expect(near.writableLength, 'what the client could not send').toBeGreaterThan(4_000_000);
    expect(opened[0]!.stream.readableLength).toBeLessThan(200_000);
    await clock.advance(10_000);
    await settle();
    expect(client.has(PING, 2), 'asks whether anybody is there').toBe(true);
    far.destroy();
    await gone;
    expect(opened[0]!.stream.destroyed).toBe(true);
  });

  it('writes no faster than the client reads', async () => {
    const { client, opened, near, far } = connection();
    const id = await client.open({ streamtype: 'data' });
    await client.until(() => client.has(SYN_REPLY, id));
    near.pause();
    const stream = opened[0]!.stream;
    let written = 0;
    while (stream.write(Buffer.alloc(32_768)) && written < 1000) {
      written++;
      await settle();
    }
    expect(written).toBeLessThan(10);
    expect(far.writableLength).toBeLessThan(200_000);
    near.resume();
    await once(stream, 'drain');
  });

  it('answers pings of the client, and none for ever to one that reads nothing', async () => {
    const { client, near, far } = connection();
    client.ping(1);
    await client.until(() => client.has(PING, 1));
    near.pause();
    for (let i = 0; i < 40_000; i++) client.ping(3 + 2 * i);
    await settle();
    expect(far.writableLength).toBeLessThan(600_000);
  });

  it('resets and is reset', async () => {
    const { client, opened, server } = connection();
    const [first, second] = [await client.open({ a: '1' }), await client.open({ a: '2' })];
    await client.until(() => client.has(SYN_REPLY, second));
    opened[0]!.stream.destroy();
    await client.until(() => client.has(RST_STREAM, first));
    client.reset(second);
    await once(opened[1]!.stream, 'close');
    client.data(first, 'late');
    client.data(second, 'late');
    await settle();
    expect(server.gone.aborted).toBe(false);
    expect(client.frames.filter(({ type }) => type === RST_STREAM)).toHaveLength(1);
  });

  it('refuses streams beyond its limit, and none before', async () => {
    const { client, opened } = connection(2);
    for (let i = 0; i < 3; i++) await client.open({ a: String(i) });
    await client.until(() => client.has(RST_STREAM, 5));
    expect(opened).toHaveLength(2);
  });

  it('ends in good order', async () => {
    const { client, opened, server, gone } = connection();
    const id = await client.open({ a: '1' });
    await client.until(() => client.has(SYN_REPLY, id));
    opened[0]!.stream.end('the end');
    await client.until(() => client.isEnded(id));
    server.close();
    await client.closed();
    expect(client.text(id)).toBe('the end');
    expect(client.has(GOAWAY)).toBe(true);
    client.transport.end();
    await gone;
  });

  const head = (type: number, length: number, version = 3): Buffer => {
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(((0x8000 | version) * 0x1_0000 + type) >>> 0);
    frame.writeUIntBE(length, 5, 3);
    return frame;
  };

  it.each<[string, (client: SpdyClient) => void | Promise<void>]>([
    ['another version', (client) => void client.transport.write(head(PING, 4, 2))],
    ['a control frame of megabytes', (client) => void client.transport.write(head(SYN_STREAM, 5_000_000))],
    ['a control frame that is too short', (client) => client.control(RST_STREAM, Buffer.alloc(4))],
    ['headers that are not compressed', (client) => client.control(SYN_STREAM, Buffer.alloc(40, 'x'))],
    [
      'the number of a stream a second time',
      async (client) => {
        await client.open({ a: '1' });
        await client.open({ a: '1' }, { id: 1 });
      },
    ],
    ['a stream with an even number', async (client) => void (await client.open({ a: '1' }, { id: 2 }))],
    [
      'headers that say more than they are',
      async (client) => {
        const block = await client.compress({ a: 'x' });
        client.control(SYN_STREAM, Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), block.subarray(0, 10)]));
      },
    ],
    [
      'headers that become a thousand times as many',
      async (client) => void (await client.open({ a: 'x'.repeat(1_000_000) })),
    ],
  ])('ends the connection for %s, and only that', async (_what, send) => {
    const { client, gone } = connection();
    await send(client);
    await client.closed();
    client.transport.end();
    await gone;
    expect(client.has(GOAWAY)).toBe(true);
  });

  it('survives any bytes', async () => {
    for (let seed = 1; seed < 60; seed++) {
      const { client, gone, near } = connection();
      let state = seed;
      const bytes = Buffer.from(
        Array.from({ length: 400 }, () => {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
          return state >>> 24;
        }),
      );
      if (seed % 2 === 0) head(seed % 12, seed * 3).copy(bytes);
      near.write(bytes);
      near.end();
      await client.closed();
      await gone;
    }
  });
});
