/** A `RedisServer` through ioredis, which is loaded only where a server is configured. */
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Clock, Random } from '../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { RedisMetrics } from '../metrics/redis.ts';
import type { RedisAddress } from './address.ts';
import { RedisError, replyWord } from './errors.ts';
import { COMMAND_TIMEOUT_MS, type Link, openLink, type RedisCredentials, type RedisTls } from './link.ts';
import type { RedisServer, Subscriber } from './server.ts';

export interface RedisConnectionOptions {
  readonly address: RedisAddress;
  readonly credentials: RedisCredentials;
  /** Paths of PEM files; looked at for `rediss://` only. */
  readonly tls: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** What `CLIENT LIST` shows of this replica. */
  readonly clientName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: RedisMetrics;
  readonly log: Logger;
}

export interface RedisConnection extends RedisServer, AsyncDisposable {}

/**
 * Connects at the first call, not here. Rejects with `InvalidInput` when the files for TLS cannot be used; a server that
 * is away is no error.
 */
export async function connectRedis(options: RedisConnectionOptions): Promise<RedisConnection> {
  const { address, clock, metrics } = options;
  const log = options.log.child({ redis: address.name });
  const tls = address.tls ? await readTls(options.tls) : {};
  const { Redis: IoRedis } = await import('ioredis');
  const watchers = new Set<() => void>();
  const open = (onChange: (link: Link) => void): Link => openLink(IoRedis, { ...options, tls, onChange });
  metrics.up.set({ server: address.name }, 0);

  let wasUp = false;
  const commands = open((link) => {
    metrics.up.set({ server: address.name }, link.up ? 1 : 0);
    if (link.up) log.info({}, 'Redis answers');
    else log.warn({ reason: link.lastError?.reason, error: link.lastError?.message }, 'Redis is down');
    if (link.up === wasUp) return;
    wasUp = link.up;
    for (const changed of watchers) changed();
  });
  let subscriptions: Subscriptions | undefined;

  return {
    name: address.name,
    get state() {
      return commands.up ? 'up' : 'down';
    },
    get lastError() {
      return commands.lastError;
    },
    async eval(script, keys, args, { timeoutMs = COMMAND_TIMEOUT_MS, signal } = {}) {
      const labels = { server: address.name, script: script.name };
      const sentAt = clock.monotonic();
      metrics.calls.inc(labels);
      try {
        return await commands.call(
          (client) =>
            client.evalsha(script.sha1, keys.length, ...keys, ...args).catch((error: Error) => {
              if (replyWord(error.message) !== 'NOSCRIPT') throw error;
              return client.eval(script.lua, keys.length, ...keys, ...args);
            }),
          timeoutMs,
          signal,
        );
      } catch (error) {
        metrics.errors.inc({ ...labels, reason: error instanceof RedisError ? error.reason : 'ERR' });
        throw error;
      } finally {
        metrics.duration.observe(labels, (clock.monotonic() - sentAt) / 1000);
      }
    },
    subscribe(channel, subscriber) {
      subscriptions ??= openSubscriptions(open);
      return subscriptions.add(channel, subscriber);
    },
    onState(changed) {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
    async [Symbol.asyncDispose]() {
      watchers.clear();
      subscriptions?.[Symbol.dispose]();
      commands[Symbol.dispose]();
    },
  };
}

interface Subscriptions extends Disposable {
  add(channel: string, subscriber: Subscriber): () => void;
}

/** A connection of its own, which such a connection has to be. */
function openSubscriptions(open: (onChange: (link: Link) => void) => Link): Subscriptions {
  const channels = new Map<string, Set<Subscriber>>();
  const link = open(({ up }) => {
    if (up) for (const channel of channels.keys()) void listen(channel);
  });
  link.client.on('message', (channel: string, text: string) => {
    for (const subscriber of channels.get(channel) ?? []) subscriber.message(text);
  });

  async function listen(channel: string): Promise<void> {
    try {
      await link.call((client) => client.subscribe(channel), COMMAND_TIMEOUT_MS);
    } catch (error) {
      // The link is lost with it, or will be found to be by its next beat; when it is up again, so is this.
      if (!hasCode(error, 'Aborted') && link.up) link.client.disconnect(true);
      return;
    }
    for (const subscriber of channels.get(channel) ?? []) subscriber.subscribed();
  }

  return {
    add(channel, subscriber) {
      const subscribers = channels.get(channel) ?? new Set();
      subscribers.add(subscriber);
      channels.set(channel, subscribers);
      if (link.up) void listen(channel);
      else link.start();
      return () => {
        subscribers.delete(subscriber);
        if (subscribers.size > 0 || !channels.delete(channel)) return;
        void link.call((client) => client.unsubscribe(channel), COMMAND_TIMEOUT_MS).catch(() => {});
      };
    },
    [Symbol.dispose]() {
      channels.clear();
      link[Symbol.dispose]();
    },
  };
}

async function readTls(files: RedisConnectionOptions['tls']): Promise<RedisTls> {
  const read = async (name: string, file: string | undefined): Promise<Record<string, string>> => {
    if (file === undefined) return {};
    try {
      return { [name]: await readFile(file, 'utf8') };
    } catch (error) {
      throw new ZoneletError('InvalidInput', `redis.tls: ${file} cannot be read: ${messageOf(error)}`);
    }
  };
  const tls = {
    ...(await read('ca', files.caFile)),
    ...(await read('cert', files.certFile)),
    ...(await read('key', files.keyFile)),
  };
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new ZoneletError('InvalidInput', `redis.tls: the files cannot be used: ${messageOf(error)}`);
  }
  return tls;
}
