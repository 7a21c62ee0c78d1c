/**
 * The channels of Kubernetes' WebSocket sub-protocols: the first byte of a message (or its first digit, in base64 ones) is
 * the channel it belongs to. With v5, a message on channel 255 says which channel the client closes.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { type ChannelLink, ChannelStream } from './channel-stream.ts';
import type { ClientConnection } from './client-connection.ts';
import { createWebSocket, type MessagePart } from './websocket.ts';

export interface WebSocketChannelsOptions {
  readonly transport: Duplex;
  readonly clock: Clock;
  /** As negotiated; empty is the first one. */
  readonly protocol: string;
  readonly channels: number;
  /** The first channel that this server writes to: an empty message there tells the client that it is connected. */
  readonly greeting: number;
  /** Told of every piece of data, either way. */
  readonly onData?: () => void;
}

export interface WebSocketChannels {
  readonly connection: ClientConnection;
  /** By number. */
  readonly channels: readonly ChannelStream[];
}

const CLOSE_CHANNEL = 255;
const DIGIT_ZERO = 0x30;

export function openWebSocketChannels(options: WebSocketChannelsOptions): WebSocketChannels {
  const isText = options.protocol.includes('base64');
  const canClose = options.protocol.startsWith('v5.');
  /** Of the message that is being read; undefined before its first byte. */
  let channel: number | undefined;
  /** Digits that are not four yet. */
  let digits = '';

  const socket = createWebSocket({ ...options, onPart });

  const linkOf = (number: number): ChannelLink => ({
    send(chunk, done) {
      if (isText) socket.send([Buffer.from(`${number}${chunk.toString('base64')}`)], 'text', done);
      else socket.send([Buffer.from([number]), chunk], 'binary', done);
    },
    // A server has no word for it: the end of the connection is the end of all.
    end: (done) => done(),
    closed() {},
  });
  const channels = Array.from({ length: options.channels }, (_, i) => new ChannelStream(linkOf(i), socket.backlog));

  function onPart({ payload, first, last }: MessagePart): void {
    if (first) channel = undefined;
    let rest = payload;
    if (channel === undefined && rest.length > 0) {
      channel = (rest[0] ?? 0) - (isText ? DIGIT_ZERO : 0);
      rest = rest.subarray(1);
      digits = '';
    }
    if (channel === CLOSE_CHANNEL && canClose) {
      if (rest.length > 0) channels[rest[0] ?? 0]?.receiveEnd();
      return;
    }
    const target = channel === undefined ? undefined : channels[channel];
    if (target === undefined || target.remoteEnded) return;
    if (!isText) {
      target.receive(rest);
      return;
    }
    digits += rest.toString('latin1');
    const whole = last ? digits.length : digits.length - (digits.length % 4);
    target.receive(Buffer.from(digits.slice(0, whole), 'base64'));
    digits = digits.slice(whole);
  }

  socket.gone.addEventListener('abort', () => {
    for (const one of channels) one.destroy();
  });
  linkOf(options.greeting).send(Buffer.alloc(0), () => {});
  return { connection: socket, channels };
}
