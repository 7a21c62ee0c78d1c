/** A byte stream inside of a WebSocket: its binary messages, one after the other, are SPDY. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { ChannelStream } from './channel-stream.ts';
import { createWebSocket } from './websocket.ts';

export function openTunnel(transport: Duplex, clock: Clock): Duplex {
  const socket = createWebSocket({
    transport,
    clock,
    onPart: ({ payload }) => stream.receive(payload),
  });
  const stream: ChannelStream = new ChannelStream(
    {
      send: (chunk, done) => socket.send([chunk], 'binary', done),
      end(done) {
        socket.close();
        done();
      },
      closed: () => socket.close(),
    },
    socket.backlog,
  );
  socket.gone.addEventListener('abort', () => stream.receiveEnd());
  return stream;
}
