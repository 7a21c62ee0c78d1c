/**
 * One Redis server as the election and the state store see it: scripts and messages, nothing else. Narrow, so that a
 * model can stand in for it.
 */
import { createHash } from 'node:crypto';
import type { RedisError } from './errors.ts';

/** A Lua script that is sent once a server and named by its hash from then on. */
export interface RedisScript {
  /** For metrics and messages. */
  readonly name: string;
  readonly lua: string;
  readonly sha1: string;
}

export function redisScript(name: string, lua: string): RedisScript {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

export interface EvalOptions {
  /** How long the answer is waited for, from the call on, connecting included. @defaultValue 1000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Subscriber {
  message(text: string): void;
  /** The subscription stands, at first and again after a loss of the connection: what was said in between is lost. */
  subscribed(): void;
}

export interface RedisServer {
  /** `redis://host:port`, for logs and messages: never with a user or a password. */
  readonly name: string;
  /** Whether it answered the last time that it was asked. `down` until it has for the first time. */
  readonly state: 'up' | 'down';
  /** Why it is down; undefined while it is up and before anything was tried. */
  readonly lastError: RedisError | undefined;
  /**
   * Runs the script by its hash, and in full where the server does not have it. The answer is what Redis makes of the
   * script's: numbers, strings, null and lists of these. Rejects with a `RedisError`: `Unavailable` and the other codes
   * mean that nothing was done, `Ambiguous` that it may have been done or still will be.
   * Nothing is queued while the server is away: then it rejects at once.
   */
  eval(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
    options?: EvalOptions,
  ): Promise<unknown>;
  /** Hears what is published on the channel, until the function returned is called. */
  subscribe(channel: string, subscriber: Subscriber): () => void;
  /** Called after every change of `state`, until the function returned is called. */
  onState(changed: () => void): () => void;
}
