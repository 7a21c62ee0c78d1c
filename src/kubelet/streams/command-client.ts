/** A client of exec or attach, whichever protocol it speaks: its streams, and how it wants to be told how it ended. */
import type { Duplex } from 'node:stream';
import { type Clock, deadline } from '../../clock.ts';
import { ZoneletError } from '../../errors.ts';
import type { ChannelStream } from './channel-stream.ts';
import type { ClientConnection } from './client-connection.ts';
import type { Agreement } from './negotiation.ts';
import { createSpdyConnection } from './spdy-connection.ts';
import { openWebSocketChannels } from './websocket-channels.ts';

/** Which streams a client asked for. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

type StreamType = 'error' | 'stdin' | 'stdout' | 'stderr' | 'resize';

export interface CommandClient {
  readonly connection: ClientConnection;
  readonly streams: Readonly<Partial<Record<StreamType, ChannelStream>>> & { readonly error: ChannelStream };
  /** How the end is told: a Status in JSON, or text and only of a failure. */
  readonly status: 'json' | 'text';
}

export interface CommandClientOptions {
  readonly transport: Duplex;
  readonly agreement: Agreement;
  readonly wanted: WantedStreams;
  readonly clock: Clock;
  /** Told of every piece of data, either way. */
  readonly onData: () => void;
  /** How long a client may take to open its streams, in milliseconds. */
  readonly creationTimeoutMs: number;
}

/** By number, with the WebSocket protocols. */
const CHANNELS: readonly StreamType[] = ['stdin', 'stdout', 'stderr', 'error', 'resize'];

/** Throws when the client does not open what it has announced. */
export async function acceptCommandClient(options: CommandClientOptions): Promise<CommandClient> {
  const { carrier, protocol } = options.agreement;
  const status = /^v[45]\./.test(protocol) ? 'json' : 'text';
  const { stdin, stdout, stderr, tty } = options.wanted;
  const resizes = tty && (carrier === 'websocket' || /^v[34]\./.test(protocol));
  const wanted = new Set<StreamType>(['error']);
  if (stdin) wanted.add('stdin');
  if (stdout) wanted.add('stdout');
  if (stderr && !tty) wanted.add('stderr');
  if (resizes) wanted.add('resize');
  return carrier === 'websocket' ? overWebSocket(options, wanted, status) : await overSpdy(options, wanted, status);
}

function overWebSocket(
  { transport, clock, agreement, onData }: CommandClientOptions,
  wanted: ReadonlySet<StreamType>,
  status: CommandClient['status'],
): CommandClient {
  const { protocol } = agreement;
  const { connection, channels } = openWebSocketChannels({
    transport,
    clock,
    protocol,
    channels: CHANNELS.length,
    onData,
    greeting: CHANNELS.findIndex((type) => type !== 'stdin' && wanted.has(type)),
  });
  const streams: Partial<Record<StreamType, ChannelStream>> = {};
  for (const [i, type] of CHANNELS.entries()) {
    const channel = channels[i];
    if (channel === undefined) continue;
    if (wanted.has(type)) streams[type] = channel;
    // What nobody reads must not fill the connection.
    else channel.resume();
  }
  return { connection, streams: complete(streams), status };
}

async function overSpdy(
  { transport, clock, onData, creationTimeoutMs }: CommandClientOptions,
  wanted: ReadonlySet<StreamType>,
  status: CommandClient['status'],
): Promise<CommandClient> {
  const streams: Partial<Record<StreamType, ChannelStream>> = {};
  const missing = new Set<string>(wanted);
  let all = (): void => {};
  const opened = new Promise<void>((resolve) => {
    all = resolve;
  });
  const connection = createSpdyConnection({
    transport,
    clock,
    onData,
    onStream(stream, headers) {
      const type = headers.get('streamtype') ?? '';
      if (!missing.delete(type)) return void stream.destroy();
      streams[type as StreamType] = stream;
      if (missing.size === 0) all();
    },
  });
  using limit = deadline(clock, creationTimeoutMs, connection.gone);
  const late = new Promise<void>((resolve) => limit.signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([opened, late]);
  if (missing.size > 0) {
    connection.close();
    throw new ZoneletError('Unavailable', `the client did not open its streams: ${[...missing].join(', ')}`);
  }
  return { connection, streams: complete(streams), status };
}

function complete(streams: Partial<Record<StreamType, ChannelStream>>): CommandClient['streams'] {
  const { error } = streams;
  if (error === undefined) throw new ZoneletError('Internal', 'there is no error stream');
  // These only go to the client.
  for (const stream of [error, streams.stdout, streams.stderr]) stream?.resume();
  return { ...streams, error };
}
