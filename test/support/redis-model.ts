/**
 * A Redis server in memory, under the clock it is given, for tests and the simulation. It runs no Lua: each script has a
 * program here that does the same to the model's data, and the same tests run on both.
 */
import { type Clock, sleep } from '../../src/clock.ts';
import {
  abortedCall,
  closedUnanswered,
  RedisError,
  replyError,
  timedOut,
  unreachable,
} from '../../src/redis/errors.ts';
import type { EvalOptions, RedisScript, RedisServer, Subscriber } from '../../src/redis/server.ts';

export type ModelValue =
  | { readonly type: 'string'; text: string }
  | { readonly type: 'hash'; readonly fields: Map<string, string> }
  | { readonly type: 'zset'; readonly scores: Map<string, number> };

/** What a program works on. */
export interface ModelDatabase {
  /** The value, unless it has run out. */
  get(key: string): ModelValue | undefined;
  /** Without `expiresInMs` it stays for ever. */
  set(key: string, value: ModelValue, expiresInMs?: number): void;
  delete(key: string): void;
  /** The hash under the key, made when there is none. Throws WRONGTYPE for another value. */
  hash(key: string): Map<string, string>;
  /** As `hash`, for a sorted set. */
  zset(key: string): Map<string, number>;
  /** Milliseconds that are left; undefined for a key without an end. */
  expiresIn(key: string): number | undefined;
  publish(channel: string, text: string): void;
  /** As TIME has it. */
  now(): number;
}

export type RedisProgram = (database: ModelDatabase, keys: readonly string[], args: readonly string[]) => unknown;

/** What may happen to a call between a client and the server; each is asked for every call. */
export interface ModelFaults {
  /** Milliseconds there, and as many back. */
  latencyMs?(): number;
  /** The call never arrives. */
  loseRequest?(): boolean;
  /** It is carried out and the answer is lost. */
  loseReply?(): boolean;
  /** A published message does not reach this client. */
  loseMessage?(): boolean;
}

interface Client {
  readonly subscribers: Map<string, Set<Subscriber>>;
  readonly watchers: Set<() => void>;
  deliver(channel: string, text: string): void;
}

export interface RedisModel {
  /** A client's view of the server. */
  connect(faults?: ModelFaults): RedisServer;
  /** As FLUSHALL. */
  flush(): void;
  /** Every call is answered with this error reply (`LOADING ...`) until it is called with undefined. */
  fail(reply: string | undefined): void;
  /** Nobody can connect; `losing` its data too. */
  stop(losing?: boolean): void;
  start(): void;
  readonly data: ModelDatabase;
}

const NAME = 'redis://model:6379';
const WRONGTYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

export function createRedisModel(options: {
  readonly clock: Clock;
  /** By the name of the script. */
  readonly programs: Readonly<Record<string, RedisProgram>>;
  readonly name?: string;
}): RedisModel {
  const { clock, programs, name = NAME } = options;
  const values = new Map<string, { value: ModelValue; expiresAt: number | undefined }>();
  const clients = new Set<Client>();
  let running = true;
  let failing: string | undefined;

  const alive = (key: string): { value: ModelValue; expiresAt: number | undefined } | undefined => {
    const entry = values.get(key);
    if (entry?.expiresAt === undefined || entry.expiresAt > clock.monotonic()) return entry;
    values.delete(key);
    return undefined;
  };
  const data: ModelDatabase = {
    get: (key) => alive(key)?.value,
    set(key, value, expiresInMs) {
      values.set(key, { value, expiresAt: expiresInMs === undefined ? undefined : clock.monotonic() + expiresInMs });
    },
    delete: (key) => void values.delete(key),
    hash(key) {
      const value = alive(key)?.value;
      if (value?.type === 'hash') return value.fields;
      if (value !== undefined) throw replyError(name, WRONGTYPE);
      const fields = new Map<string, string>();
      data.set(key, { type: 'hash', fields });
      return fields;
    },
    zset(key) {
      const value = alive(key)?.value;
      if (value?.type === 'zset') return value.scores;
      if (value !== undefined) throw replyError(name, WRONGTYPE);
      const scores = new Map<string, number>();
      data.set(key, { type: 'zset', scores });
      return scores;
    },
    expiresIn(key) {
      const expiresAt = alive(key)?.expiresAt;
      return expiresAt === undefined ? undefined : expiresAt - clock.monotonic();
    },
    publish(channel, text) {
      for (const client of clients) client.deliver(channel, text);
    },
    now: () => clock.now(),
  };

  function run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): unknown {
    const program = programs[script.name];
    if (program === undefined) throw new Error(`the model has no program for the script ${script.name}`);
    if (failing !== undefined) throw replyError(name, failing);
    return program(data, keys, args.map(String));
  }

  function connect(faults: ModelFaults = {}): RedisServer {
    const down = (): RedisError => new RedisError('Unavailable', name, 'UNREACHABLE', 'refuses connections');
    const client: Client = {
      subscribers: new Map(),
      watchers: new Set(),
      deliver(channel, text) {
        if (!running || faults.loseMessage?.() === true) return;
        const subscribers = [...(client.subscribers.get(channel) ?? [])];
        void travel().then(() => {
          for (const subscriber of subscribers) subscriber.message(text);
        });
      },
    };
    clients.add(client);

    /** One way. Without latency it takes no time, not even a timer's turn. */
    async function travel(): Promise<void> {
      const latencyMs = faults.latencyMs?.() ?? 0;
      if (latencyMs > 0) await sleep(clock, latencyMs);
    }

    /** What the call comes to, whether or not somebody still waits for it. */
    async function exchange(work: () => unknown): Promise<unknown> {
      if (!running) throw unreachable(name, down());
      await travel();
      if (!running) throw closedUnanswered(name);
      if (faults.loseRequest?.() === true) return await new Promise(() => {});
      const answer = work();
      if (faults.loseReply?.() === true) return await new Promise(() => {});
      await travel();
      if (!running) throw closedUnanswered(name);
      return answer;
    }

    return {
      name,
      get state() {
        return running && failing === undefined ? 'up' : 'down';
      },
      get lastError() {
        return !running ? down() : failing === undefined ? undefined : replyError(name, failing);
      },
      async eval(script, keys, args, { timeoutMs = 1000, signal }: EvalOptions = {}) {
        if (signal?.aborted === true) throw abortedCall(name);
        const over = Promise.withResolvers<never>();
        const onAbort = (): void => over.reject(abortedCall(name));
        signal?.addEventListener('abort', onAbort, { once: true });
        const timer = clock.setTimer(timeoutMs, () => over.reject(timedOut(name, timeoutMs)));
        over.promise.catch(() => {});
        try {
          return await Promise.race([exchange(() => run(script, keys, args)), over.promise]);
        } finally {
          signal?.removeEventListener('abort', onAbort);
          timer.cancel();
        }
      },
      subscribe(channel, subscriber) {
        const subscribers = client.subscribers.get(channel) ?? new Set();
        client.subscribers.set(channel, subscribers);
        subscribers.add(subscriber);
        if (running) queueMicrotask(() => subscribers.has(subscriber) && subscriber.subscribed());
        return () => {
          subscribers.delete(subscriber);
        };
      },
      onState(changed) {
        client.watchers.add(changed);
        return () => client.watchers.delete(changed);
      },
    };
  }

  function tell(): void {
    for (const { watchers } of clients) for (const changed of watchers) changed();
  }

  return {
    connect,
    data,
    flush: () => values.clear(),
    fail(reply) {
      failing = reply;
      tell();
    },
    stop(losing = false) {
      running = false;
      if (losing) values.clear();
      tell();
    },
    start() {
      running = true;
      tell();
      for (const { subscribers } of clients) {
        for (const each of subscribers.values()) for (const subscriber of each) subscriber.subscribed();
      }
    },
  };
}
