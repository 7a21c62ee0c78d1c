/**
 * The server's end of SPDY/3.1, as kubectl and the API server speak it (moby/spdystream): the client opens streams, each is
 * accepted at once, and data goes both ways with a half-close for each direction.
 *
 * Flow control: what is read is told with WINDOW_UPDATE, for clients that wait for it. What is sent heeds no window: those
 * clients send no WINDOW_UPDATE, and would get 64 KB and then nothing. The transport's own pressure holds both sides back.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { hasCode, ZoneletError } from '../../errors.ts';
import { createBacklog } from './backlog.ts';
import { type ChannelLink, ChannelStream } from './channel-stream.ts';
import { type ClientConnection, endThenDestroy, roomIn } from './client-connection.ts';
import { createOutlet } from './outlet.ts';
import {
  dataHeader,
  GOAWAY_STATUS,
  goAway,
  ping,
  RST_STATUS,
  rstStream,
  type SpdyFrame,
  SpdyParser,
  synReply,
  windowUpdate,
} from './spdy-frames.ts';
import { createHeaderDecoder, createHeaderEncoder, type SpdyHeaders } from './spdy-headers.ts';

export interface SpdyConnectionOptions {
  readonly transport: Duplex;
  readonly clock: Clock;
  /** A stream that the client has opened; it is accepted already, and destroying it resets it. */
  readonly onStream: (stream: ChannelStream, headers: SpdyHeaders, id: number) => void;
  /** Told of every piece of data, either way. */
  readonly onData?: () => void;
  /** Streams open at once; more are refused. @defaultValue 2048: a thousand connections through one port-forward */
  readonly maxStreams?: number;
}

/** One frame of data: a ping waits behind no more than this. */
const MAX_DATA_BYTES = 64 * 1024;
/** Half of the window that SPDY/3.1 begins with. */
const WINDOW_STEP_BYTES = 32 * 1024;
/** Even: ours. */
const PROBE_PING = 2;

export function createSpdyConnection(options: SpdyConnectionOptions): ClientConnection {
  const { transport, clock, onStream } = options;
  const onData = options.onData ?? ((): void => {});
  const maxStreams = options.maxStreams ?? 2048;
  const gone = new AbortController();
  const backlog = createBacklog();
  const outlet = createOutlet(transport);
  const decoder = createHeaderDecoder();
  const encoder = createHeaderEncoder();
  const streams = new Map<number, ChannelStream>();
  let lastId = 0;
  let closing = false;
  let unacknowledged = 0;
  transport.on('error', () => {});
  transport.once('close', () => backlog.close());

  function linkOf(id: number): ChannelLink {
    let read = 0;
    return {
      send(chunk, done) {
        const piece = (from: number): void => {
          const part = chunk.subarray(from, from + MAX_DATA_BYTES);
          const next = from + part.length;
          onData();
          outlet.send([dataHeader(id, part.length, false), part], () => (next < chunk.length ? piece(next) : done()));
        };
        piece(0);
      },
      end: (done) => outlet.send([dataHeader(id, 0, true)], done),
      closed(complete) {
        // One that the client itself has reset is not there any more.
        const known = streams.delete(id);
        if (known && !complete) outlet.urgent(rstStream(id, RST_STATUS.CANCEL));
      },
      consumed(bytes) {
        read += bytes;
        unacknowledged += bytes;
        if (read >= WINDOW_STEP_BYTES && outlet.urgent(windowUpdate(id, read))) read = 0;
        if (unacknowledged >= WINDOW_STEP_BYTES && outlet.urgent(windowUpdate(0, unacknowledged))) unacknowledged = 0;
      },
    };
  }

  /** What the protocol obliges us to answer; a client that asks on and on and reads nothing is let go. */
  function oblige(frame: Buffer): void {
    if (!outlet.urgent(frame)) transport.destroy();
  }

  async function opened(frame: SpdyFrame & { readonly type: 'syn-stream' }): Promise<void> {
    const { streamId: id, fin } = frame;
    const headers = await decoder.decode(frame.block);
    if (id % 2 === 0 || id <= lastId) throw new ZoneletError('InvalidInput', `a stream with the number ${id}`);
    lastId = id;
    if (streams.size >= maxStreams) return oblige(rstStream(id, RST_STATUS.REFUSED_STREAM));
    const stream = new ChannelStream(linkOf(id), backlog);
    streams.set(id, stream);
    oblige(synReply(id, encoder.encode(new Map())));
    if (fin) stream.receiveEnd();
    onStream(stream, headers, id);
  }

  function received({ streamId, fin, payload }: SpdyFrame & { readonly type: 'data' }): void {
    const stream = streams.get(streamId);
    if (stream === undefined) {
      // Of a stream that is closed here, it was on its way.
      if (fin || payload.length === 0 || (streamId <= lastId && streamId % 2 === 1)) return;
      oblige(rstStream(streamId, RST_STATUS.INVALID_STREAM));
      return;
    }
    if (stream.remoteEnded) {
      stream.destroy();
      return;
    }
    if (payload.length > 0) onData();
    stream.receive(payload);
    if (fin) stream.receiveEnd();
  }

  async function take(frame: SpdyFrame): Promise<void> {
    switch (frame.type) {
      case 'syn-stream':
        return await opened(frame);
      case 'headers':
        await decoder.decode(frame.block);
        if (frame.fin) streams.get(frame.streamId)?.receiveEnd();
        return;
      case 'rst-stream': {
        const stream = streams.get(frame.streamId);
        // Nothing to be reset any more on the other side.
        streams.delete(frame.streamId);
        stream?.destroy();
        return;
      }
      case 'ping':
        // Odd: the client's own, to be sent back.
        if (frame.id % 2 === 1) outlet.urgent(ping(frame.id));
        return;
      default:
    }
  }

  async function run(): Promise<void> {
    const parser = new SpdyParser();
    try {
      for await (const chunk of transport.iterator({ destroyOnReturn: false })) {
        if (closing) continue;
        for (const frame of parser.push(chunk as Buffer)) {
          if (frame.type === 'data') received(frame);
          else await take(frame);
        }
        await roomIn(backlog, clock, () => outlet.urgent(ping(PROBE_PING)));
      }
    } catch (error) {
      if (hasCode(error, 'InvalidInput')) {
        outlet.urgent(goAway(lastId, GOAWAY_STATUS.PROTOCOL_ERROR));
        closing = true;
        endThenDestroy(transport, clock);
      }
    }
    over();
  }

  function over(): void {
    gone.abort();
    decoder[Symbol.dispose]();
    for (const stream of streams.values()) stream.destroy();
    if (closing) transport.resume();
    else transport.destroy();
  }

  void run();
  return {
    gone: gone.signal,
    close() {
      if (closing) return;
      closing = true;
      backlog.close();
      outlet.urgent(goAway(lastId, GOAWAY_STATUS.OK));
      endThenDestroy(transport, clock);
    },
  };
}
