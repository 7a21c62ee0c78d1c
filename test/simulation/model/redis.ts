/** The set's Redis servers, in memory, and how a replica reaches one: over a link that can be bad. */
import { abortedCall, RedisError, timedOut, unreachable } from '../../../src/redis/errors.ts';
import type { RedisServer, Subscriber } from '../../../src/redis/server.ts';
import { lockPrograms } from '../../support/redis-lock-programs.ts';
import { createRedisModel, type RedisModel } from '../../support/redis-model.ts';
import { stateRedisPrograms } from '../../support/redis-state-model.ts';
import { type Breakable, type Link, roundTrip } from './link.ts';
import type { Process } from './process.ts';
import type { Scheduler } from './scheduler.ts';

const RECONNECT_MS = 500;
const TIMEOUT_MS = 1_000;

export function createRedis(name: string, scheduler: Scheduler): RedisModel {
  return createRedisModel({ clock: scheduler.clock, programs: { ...lockPrograms, ...stateRedisPrograms }, name });
}

export interface RedisClientOptions {
  readonly name: string;
  readonly model: RedisModel;
  readonly link: Link;
  readonly process: Process;
  readonly scheduler: Scheduler;
}

export function redisOver({ name, model, link, process, scheduler }: RedisClientOptions): RedisServer {
  const server = model.connect();
  const watchers = new Set<() => void>();
  let state: RedisServer['state'] = 'down';
  let lastError: RedisError | undefined;

  function known(now: RedisServer['state'], error: RedisError | undefined): void {
    const changed = now !== state;
    state = now;
    lastError = error;
    if (changed) for (const watcher of [...watchers]) watcher();
  }

  function redisError(error: unknown, timeoutMs: number): RedisError {
    if (error instanceof RedisError) return error;
    const { code } = error as { code?: string };
    if (code === 'Aborted') return abortedCall(name);
    return code === 'Ambiguous' ? timedOut(name, timeoutMs) : unreachable(name);
  }

  return {
    name,
    get state() {
      return state;
    },
    get lastError() {
      return lastError;
    },
    async eval(script, keys, args, { timeoutMs = TIMEOUT_MS, signal } = {}) {
      try {
        const answer = await roundTrip({
          link,
          process,
          scheduler,
          what: `${name} ${script.name}`,
          mutating: true,
          repeatable: false,
          signal,
          timeoutMs,
          aborted: 'Aborted',
          serve: () => server.eval(script, keys, args),
        });
        known('up', undefined);
        return answer;
      } catch (error) {
        const told = redisError(error, timeoutMs);
        if (told.code !== 'Aborted') known('down', told);
        throw told;
      }
    },
    subscribe(channel, subscriber) {
      let over = false;
      const arrive = (run: (to: Subscriber) => void): void => {
        const deliver = (): void => process.deliver(() => over || run(subscriber));
        if (link.down.blocked) link.hold('down', deliver);
        else if (!link.refused) scheduler.after(link.delay('down'), deliver);
      };
      const unsubscribe = server.subscribe(channel, {
        message: (text) => arrive((to) => to.message(text)),
        subscribed: () => arrive((to) => to.subscribed()),
      });
      const again = (): void => {
        if (over || process.state === 'killed') return;
        if (link.refused || link.up.blocked || link.down.blocked) scheduler.after(RECONNECT_MS, again);
        else arrive((to) => to.subscribed());
      };
      const breakable: Breakable = { break: () => void scheduler.after(RECONNECT_MS, again) };
      link.streams.add(breakable);
      return () => {
        over = true;
        link.streams.delete(breakable);
        unsubscribe();
      };
    },
    onState(changed) {
      watchers.add(changed);
      return () => watchers.delete(changed);
    },
  };
}
