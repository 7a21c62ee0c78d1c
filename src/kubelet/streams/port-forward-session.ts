/**
 * Port-forwards of one client over SPDY, as many at a time as it opens: for each connection a stream for its data and one for
 * its errors, paired by their request ID.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { type ChannelStream, written } from './channel-stream.ts';
import type { ClientConnection } from './client-connection.ts';
import { createSpdyConnection } from './spdy-connection.ts';
import type { SpdyHeaders } from './spdy-headers.ts';

/** Connects to a port of the pod. */
export type OpenPort = (port: number, signal: AbortSignal) => Promise<Duplex>;

export interface PortForwardOptions {
  readonly transport: Duplex;
  readonly clock: Clock;
  /** For messages: `namespace/name`. */
  readonly pod: string;
  readonly open: OpenPort;
  readonly onData: () => void;
  /** Between the two streams of a connection, in milliseconds. */
  readonly creationTimeoutMs: number;
}

interface Pair {
  data?: ChannelStream;
  error?: ChannelStream;
  readonly timer: Timer;
}

/** Goes on until the client is gone, or `stop` aborts: then every open connection is told its reason. Never throws. */
export async function runPortForwardSession(options: PortForwardOptions, stop: AbortSignal): Promise<void> {
  const { transport, clock, pod, open, onData, creationTimeoutMs } = options;
  const pairs = new Map<string, Pair>();
  const running = new Set<Promise<void>>();

  function onStream(stream: ChannelStream, headers: SpdyHeaders, id: number): void {
    const type = headers.get('streamtype');
    const port = portOf(headers.get('port'));
    if ((type !== 'data' && type !== 'error') || port === undefined) {
      // In words where there is a stream for words.
      if (type === 'error') refuse(stream, `${JSON.stringify(headers.get('port') ?? '')} is no port`);
      else stream.destroy();
      return;
    }
    // Old clients leave it out; they open the error stream first, and their streams have odd numbers.
    const key = headers.get('requestid') ?? String(type === 'error' ? id : id - 2);
    let pair = pairs.get(key);
    if (pair === undefined) {
      pair = { timer: clock.setTimer(creationTimeoutMs, () => givenUp(key)) };
      pairs.set(key, pair);
    }
    if (pair[type] !== undefined) {
      stream.destroy();
      return;
    }
    pair[type] = stream;
    const { data, error, timer } = pair;
    if (data === undefined || error === undefined) return;
    timer.cancel();
    pairs.delete(key);
    const forwarding = forward({ data, error, port, pod, open }, stop).finally(() => running.delete(forwarding));
    running.add(forwarding);
  }

  function givenUp(key: string): void {
    const pair = pairs.get(key);
    pairs.delete(key);
    pair?.data?.destroy();
    if (pair?.error !== undefined) refuse(pair.error, 'timed out waiting for the data stream');
  }

  const connection: ClientConnection = createSpdyConnection({ transport, clock, onStream, onData });
  await new Promise<void>((resolve) => {
    for (const signal of [connection.gone, stop]) {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
  for (const { timer } of pairs.values()) timer.cancel();
  await Promise.all(running);
  connection.close();
}

export interface Forwarding {
  readonly data: Duplex;
  /** Where a failure is told. */
  readonly error: ChannelStream;
  readonly port: number;
  readonly pod: string;
  readonly open: OpenPort;
}

/** One connection, until both sides have ended it. Never throws. */
export async function forward({ data, error, port, pod, open }: Forwarding, stop: AbortSignal): Promise<void> {
  const over = new AbortController();
  let upstream: Duplex | undefined;
  const fail = (why: unknown): void => {
    if (over.signal.aborted) return;
    refuse(error, `error forwarding port ${port} to pod ${pod}: ${messageOf(why)}`);
    data.destroy();
    over.abort();
  };
  const stopped = (): void => fail(stop.reason);
  const end = (): void => over.abort();
  const gone = (): void => {
    // Ended by both sides; what the client sent last may be on its way yet.
    if (upstream !== undefined && data.readableEnded) void written(upstream).then(end);
    else end();
  };
  error.resume();
  data.once('close', gone);
  stop.addEventListener('abort', stopped, { once: true });
  if (stop.aborted) stopped();
  try {
    if (data.destroyed) return;
    const opened = await open(port, over.signal);
    upstream = opened;
    opened.on('error', fail);
    if (over.signal.aborted) return void opened.destroy();
    over.signal.addEventListener('abort', () => opened.destroy(), { once: true });
    // A client that waits for the end of the errors must not wait for its own half of the data.
    opened.once('end', () => error.end());
    // Broken off, not ended: it must not look like the end of what was sent.
    opened.once('close', () => {
      if (!opened.readableEnded) fail('the connection broke off');
    });
    opened.pipe(data);
    data.pipe(opened);
    await new Promise<void>((resolve) => {
      over.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } catch (why) {
    fail(why);
  } finally {
    stop.removeEventListener('abort', stopped);
    if (!error.writableEnded) error.end();
    await written(error);
  }
}

function refuse(error: ChannelStream, text: string): void {
  error.resume();
  if (!error.writableEnded) error.end(text);
}

/** Undefined for what is no TCP port. */
export function portOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}
