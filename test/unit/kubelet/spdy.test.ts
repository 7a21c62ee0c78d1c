import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { ChannelStream } from '../../../src/kubelet/streams/channel-stream.ts';
import { createSpdyConnection } from '../../../src/kubelet/streams/spdy-connection.ts';
import type { SpdyHeaders } from '../../../src/kubelet/streams/spdy-headers.ts';
import { SpdyClient, SYN_REPLY } from '../../support/spdy-client.ts';

function connection() {
  const [near, far] = duplexPair();
  const opened: { stream: ChannelStream; headers: SpdyHeaders; id: number }[] = [];
  const server = createSpdyConnection({
    transport: far,
    clock: systemClock,
    onStream: (stream, headers, id) => void opened.push({ stream, headers, id }),
  });
  return { client: new SpdyClient(near), server, opened, far };
}

describe('SPDY', () => {
  it('accepts streams and reads their headers, whose compression goes on from block to block', async () => {
    const { client, opened } = connection();
    for (const type of ['error', 'stdin', 'stdout']) await client.open({ streamtype: type });
    await client.until(() => client.has(SYN_REPLY, 5));
    expect(opened.map(({ id, headers }) => [id, headers.get('streamtype')])).toEqual([
      [1, 'error'],
      [3, 'stdin'],
      [5, 'stdout'],
    ]);
    expect((await client.replies()).toString('hex')).toBe('00000000'.repeat(3));
  });
});
