/**
 * Port-forward over plain WebSocket channels, as before tunnels: the ports are in the query, one connection for each, with a
 * channel for its data and one for its errors, both of which begin with the port's number.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { written } from './channel-stream.ts';
import { forward, type OpenPort } from './port-forward-session.ts';
import { openWebSocketChannels } from './websocket-channels.ts';

export interface WebSocketPortForwardOptions {
  readonly transport: Duplex;
  readonly clock: Clock;
  readonly protocol: string;
  readonly ports: readonly number[];
  /** For messages: `namespace/name`. */
  readonly pod: string;
  readonly open: OpenPort;
  readonly onData: () => void;
}

/** Goes on until every port's connection has ended, the client is gone, or `stop` aborts. Never throws. */
export async function runWebSocketPortForward(options: WebSocketPortForwardOptions, stop: AbortSignal): Promise<void> {
  const { transport, clock, protocol, ports, pod, open, onData } = options;
  const { connection, channels } = openWebSocketChannels({
    transport,
    clock,
    protocol,
    channels: 2 * ports.length,
    greeting: 0,
    onData,
  });
  await Promise.all(
    ports.map(async (port, i) => {
      const [data, error] = [channels[2 * i], channels[2 * i + 1]];
      if (data === undefined || error === undefined) return;
      const number = Buffer.alloc(2);
      number.writeUInt16LE(port);
      data.write(number);
      error.write(number);
      void forward({ data, error, port, pod, open }, stop);
      // A client has no word for the end of its half: the other side's end is the end.
      await written(error);
      await written(data.destroyed ? undefined : data.end());
    }),
  );
  connection.close();
}
