/**
 * One connection to one server, kept up for ever: nothing is queued while it is away or sent again after it was, and it
 * is asked regularly, because a connection that is only open at this end looks like a good one.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Redis } from 'ioredis';
import { type Clock, deadline, type Random, sleep } from '../clock.ts';
import type { RedisAddress } from './address.ts';
import {
  abortedCall,
  closedUnanswered,
  connectionEnded,
  dialError,
  RedisError,
  replyError,
  replyWord,
  timedOut,
  unreachable,
} from './errors.ts';

export interface RedisCredentials {
  readonly username?: string;
  readonly password?: string;
  /** Read at every connect, so that a rotated one is taken. */
  readonly passwordFile?: string;
}

export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface LinkOptions {
  readonly address: RedisAddress;
  readonly credentials: RedisCredentials;
  readonly tls: RedisTls;
  /** What `CLIENT LIST` shows. */
  readonly clientName: string;
  readonly clock: Clock;
  readonly random: Random;
  /** After every change of `up`, and of the error while it is down. */
  readonly onChange: (link: Link) => void;
}

export interface Link extends Disposable {
  readonly client: Redis;
  readonly up: boolean;
  readonly lastError: RedisError | undefined;
  /** Connects, if that was not begun yet. */
  start(): void;
  /** Sends when there is a connection, waits for one that is coming about, rejects at once when there is none. */
  call<T>(send: (client: Redis) => Promise<T>, timeoutMs: number, signal?: AbortSignal): Promise<T>;
}

/** For the handshake, for the questions whether it is there, and for calls that say nothing else. */
export const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** A connection with something under way that brings no byte for so long is given up. */
const SOCKET_TIMEOUT_MS = 2_000;
const BEAT_MS = 2_000;
/** While it answers with an error: it is loading, say. */
const RETRY_BEAT_MS = 250;
/** A server that stays a replica is not dialled anew at every write. */
const MOVED_EVERY_MS = 30_000;
const RECONNECT_MIN_MS = 50;
/** A zone may be without a leader for as long: a dial a second costs a server nothing. */
const RECONNECT_MAX_MS = 1_000;

export function openLink(IoRedis: typeof Redis, options: LinkOptions): Link {
  const { address, credentials, tls, clock, random } = options;
  const life = new AbortController();
  const client = new IoRedis({
    host: address.host,
    port: address.port,
    ...(address.tls ? { tls: { ...tls, ...(isIP(address.host) === 0 ? { servername: address.host } : {}) } } : {}),
    ...(credentials.username === undefined ? {} : { username: credentials.username }),
    connectionName: options.clientName,
    lazyConnect: true,
    // A lock that is taken, or a status that is written, when its time is long over does harm.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // What was missed meanwhile has to be made good by the subscriber, so it must hear of every subscription.
    autoResubscribe: false,
    // The server's own answer to the first command says more than ioredis' waiting for INFO.
    enableReadyCheck: false,
    disableClientInfo: true,
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    keepAlive: 5_000,
    retryStrategy: (times) => {
      readPassword();
      const pause = Math.min(RECONNECT_MIN_MS * 2 ** Math.min(times - 1, 10), RECONNECT_MAX_MS);
      return pause * (0.8 + 0.4 * random.next());
    },
    // Behind a name that moved to a new primary the old one answers still.
    reconnectOnError(error) {
      const now = clock.monotonic();
      if (replyWord(error.message) !== 'READONLY' || now - movedAt < MOVED_EVERY_MS) return false;
      movedAt = now;
      setDown(replyError(address.name, error.message));
      return true;
    },
  });
  let up = false;
  /** When it was last dialled anew because the server is a replica. */
  let movedAt = Number.NEGATIVE_INFINITY;
  let lastError: RedisError | undefined;
  /** Counts connections, so that the beats of one that ended stop. */
  let connection = 0;

  readPassword();
  client.on('error', (error: Error) => setDown(dialError(address.name, error)));
  client.on('ready', () => void beat(++connection));
  client.on('close', () => {
    connection++;
    if (up) setDown(connectionEnded(address.name));
  });

  function readPassword(): void {
    const { password, passwordFile } = credentials;
    try {
      const text = passwordFile === undefined ? password : readFileSync(passwordFile, 'utf8').trimEnd();
      if (text !== undefined) client.options.password = text;
    } catch (error) {
      setDown(dialError(address.name, error as Error));
    }
  }

  function setDown(error: RedisError): void {
    if (life.signal.aborted) return;
    const isNews = up || lastError?.message !== error.message;
    up = false;
    lastError = error;
    if (isNews) options.onChange(link);
  }

  async function beat(mine: number): Promise<void> {
    while (mine === connection && !life.signal.aborted) {
      try {
        await client.ping();
        if (mine !== connection) return;
        if (!up) {
          up = true;
          lastError = undefined;
          options.onChange(link);
        }
      } catch (error) {
        if (mine !== connection) return;
        setDown(commandError(error));
      }
      await sleep(clock, up ? BEAT_MS : RETRY_BEAT_MS, life.signal);
    }
  }

  function commandError(error: unknown): RedisError {
    if (error instanceof Error && error.name === 'ReplyError') return replyError(address.name, error.message);
    return client.status === 'ready' ? timedOut(address.name, COMMAND_TIMEOUT_MS) : closedUnanswered(address.name);
  }

  function start(): void {
    if (client.status === 'wait') void client.connect().catch(() => {});
  }

  /** Resolves once commands can be sent; rejects when the present try to connect has failed. */
  async function connected(signal: AbortSignal): Promise<void> {
    start();
    if (client.status === 'ready') return;
    if (client.status !== 'connecting' && client.status !== 'connect') throw unreachable(address.name, lastError);
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void): void => {
        client.off('ready', onReady);
        client.off('close', onClose);
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      const onReady = (): void => end(resolve);
      const onClose = (): void => end(() => reject(unreachable(address.name, lastError)));
      // The caller knows why.
      const onAbort = (): void => end(resolve);
      client.on('ready', onReady);
      client.on('close', onClose);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  const link: Link = {
    client,
    get up() {
      return up;
    },
    get lastError() {
      return lastError;
    },
    start,
    async call(send, timeoutMs, signal) {
      if (signal?.aborted || life.signal.aborted) throw abortedCall(address.name);
      using limit = deadline(clock, timeoutMs, signal, life.signal);
      await connected(limit.signal);
      // Nothing is sent that nobody waits for any more.
      if (limit.signal.aborted) throw limit.expired ? unreachable(address.name, lastError) : abortedCall(address.name);
      const over = Promise.withResolvers<never>();
      const onAbort = (): void =>
        over.reject(limit.expired ? timedOut(address.name, timeoutMs) : abortedCall(address.name));
      limit.signal.addEventListener('abort', onAbort, { once: true });
      try {
        return await Promise.race([over.promise, send(client)]);
      } catch (error) {
        // Whatever ioredis rejects with goes no further: it carries the command's arguments.
        throw error instanceof RedisError ? error : commandError(error);
      } finally {
        limit.signal.removeEventListener('abort', onAbort);
      }
    },
    [Symbol.dispose]() {
      life.abort();
      client.disconnect();
    },
  };
  return link;
}
