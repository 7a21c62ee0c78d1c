/**
 * Several independent Redis servers that vote: what most of them say counts. The lock is taken, extended and released by
 * redlock; this file is the only one that knows it.
 *
 * Used of redlock is the voting and nothing that waits: no retries and no `using()`, which was measured acting 25 s past
 * the end of its lock. It judges validity by the wall clock; that is left to the campaign, which counts by the
 * monotonic clock from the moment of sending.
 */
import type Redlock from 'redlock';
import type { Lock as RedlockLock, ScriptClient } from 'redlock';
import { type Clock, sleep } from '../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { RedisScript, RedisServer } from '../redis/server.ts';
import type { LockCall } from './lock.ts';
import { createServerFitness } from './redis-fitness.ts';
import { ACQUIRE, EXTEND, RELEASE } from './redis-scripts.ts';

export type RedlockModule = typeof import('redlock');

type ScriptArguments = readonly (string | number)[];

/** By server: what it answered, or the error; undefined where nothing came in time. */
export type Answers = readonly unknown[];

export interface RedisQuorum {
  readonly servers: readonly RedisServer[];
  /** How many of them are a majority. */
  readonly majority: number;
  /** By server: why it is of no use now; undefined where it is. */
  problems(): readonly (string | undefined)[];
  /** Runs a script on all servers. Waits until most have answered or all have failed, then only a moment longer. */
  ask(script: RedisScript, keys: readonly string[], args: ScriptArguments, call: LockCall): Promise<Answers>;
  /** Rejects with `Conflict` when most servers have it otherwise, with `Ambiguous` when that is open. */
  acquire(key: string, value: string, ttlMs: number, call: LockCall): Promise<void>;
  /** Likewise. `lacking`, once all have answered: the servers that did not have the lock any more. */
  extend(key: string, value: string, ttlMs: number, call: LockCall): Promise<{ lacking: Promise<readonly number[]> }>;
  /** Likewise; that it is gone already is as good. */
  release(key: string, value: string, call: LockCall): Promise<void>;
}

/** A server that is slower than most others by more than this is not waited for. */
const STRAGGLER_MS = 50;
/** How long a lock is valid is judged elsewhere. */
const NO_EXPIRY = Number.MAX_SAFE_INTEGER;

type Vote = 'for' | 'against' | ZoneletError | undefined;

interface Ballot {
  readonly redlock: Redlock;
  readonly votes: Vote[];
  /** Resolves once every server has voted. */
  complete(): Promise<unknown>;
}

/** Nothing else loads it. */
export const loadRedlock = (): Promise<RedlockModule> => import('redlock');

export function createRedisQuorum(
  servers: readonly RedisServer[],
  { default: RedlockClass, Lock }: RedlockModule,
  clock: Clock,
  log: Logger,
): RedisQuorum {
  const majority = Math.floor(servers.length / 2) + 1;
  const members = servers.map((server) => ({ server, fitness: createServerFitness(server, clock, log) }));
  type Member = (typeof members)[number];

  async function run(
    { server, fitness }: Member,
    script: RedisScript,
    keys: readonly string[],
    args: ScriptArguments,
    call: LockCall,
  ): Promise<unknown> {
    await fitness.check();
    return server.eval(script, keys, args, call);
  }

  /** redlock for one call: the value of the lock and the time that each server gets are this call's own. */
  function ballot(operation: RedisScript, value: string, call: LockCall): Ballot {
    const votes: Vote[] = members.map(() => undefined);
    const voting: Promise<void>[] = [];
    const clients = members.map((member, index): ScriptClient => {
      async function evaluate(hash: string, count: number, all: ScriptArguments): Promise<unknown> {
        const script = [ACQUIRE, EXTEND, RELEASE].find(({ sha1 }) => sha1 === hash);
        if (script === undefined) throw new ZoneletError('Internal', 'redlock runs a script that it was not given');
        const answering = run(member, script, all.slice(0, count).map(String), all.slice(count), call);
        // redlock takes back what a failed acquire left behind: that is no vote.
        if (script === operation) voting.push(noted(index, answering));
        return answering;
      }
      // The server's own adapter sends the script in full where the server does not have it.
      return { evalsha: evaluate, eval: evaluate };
    });
    async function noted(index: number, answering: Promise<unknown>): Promise<void> {
      try {
        votes[index] = (await answering) === 1 ? 'for' : 'against';
      } catch (error) {
        votes[index] = error instanceof ZoneletError ? error : new ZoneletError('Internal', messageOf(error));
      }
    }
    const OfThisValue = class extends RedlockClass {
      protected override _random(): string {
        return value;
      }
    };
    const redlock = new OfThisValue(
      clients,
      { retryCount: 0 },
      { acquireScript: () => ACQUIRE.lua, extendScript: () => EXTEND.lua, releaseScript: () => RELEASE.lua },
    );
    return { redlock, votes, complete: () => Promise.all(voting) };
  }

  /** Runs it against a deadline of our own. False: the majority did not vote for it, which `votes` tells more of. */
  async function vote(
    { redlock }: Ballot,
    call: LockCall,
    operation: (redlock: Redlock) => Promise<unknown>,
  ): Promise<boolean> {
    const timeout = new AbortController();
    const late = sleep(clock, call.timeoutMs, timeout.signal).then(() => false);
    const voted = operation(redlock).then(
      () => true,
      () => false,
    );
    try {
      return await Promise.race([voted, late]);
    } finally {
      timeout.abort();
    }
  }

  function lockOf({ redlock }: Ballot, key: string, value: string): RedlockLock {
    return new Lock(redlock, [key], value, [], NO_EXPIRY);
  }

  return {
    servers,
    majority,

    problems: () =>
      members.map(({ server, fitness }) => {
        if (fitness.unfit !== undefined) return fitness.unfit.message;
        if (server.state === 'up') return undefined;
        return server.lastError?.message ?? `${server.name} has not answered yet`;
      }),

    async ask(script, keys, args, call) {
      const answers: unknown[] = members.map(() => undefined);
      let answered = 0;
      await new Promise<void>((resolve) => {
        let left = members.length;
        const straggling = new AbortController();
        const done = (): void => {
          straggling.abort();
          resolve();
        };
        void sleep(clock, call.timeoutMs, straggling.signal).then(done);
        for (const [index, member] of members.entries()) {
          void run(member, script, keys, args, call)
            .then((answer) => {
              answers[index] = answer;
              if (++answered === majority) void sleep(clock, STRAGGLER_MS, straggling.signal).then(done);
            })
            .catch((error: unknown) => {
              answers[index] = error instanceof Error ? error : new Error(String(error));
            })
            .finally(() => {
              if (--left === 0) done();
            });
        }
      });
      // What comes later changes nothing any more.
      return [...answers];
    },

    async acquire(key, value, ttlMs, call) {
      const cast = ballot(ACQUIRE, value, call);
      if (!(await vote(cast, call, (redlock) => redlock.acquire([key], ttlMs)))) {
        throw refusal(cast.votes, majority, 'taken');
      }
    },

    async extend(key, value, ttlMs, call) {
      const cast = ballot(EXTEND, value, call);
      if (!(await vote(cast, call, (redlock) => redlock.extend(lockOf(cast, key, value), ttlMs)))) {
        throw refusal(cast.votes, majority, 'extended');
      }
      const lacking = cast
        .complete()
        .then(() => cast.votes.flatMap((voted, index) => (voted === 'against' ? [index] : [])));
      return { lacking };
    },

    async release(key, value, call) {
      const cast = ballot(RELEASE, value, call);
      if (await vote(cast, call, (redlock) => redlock.release(lockOf(cast, key, value)))) return;
      await Promise.race([cast.complete(), sleep(clock, STRAGGLER_MS)]);
      const gone = cast.votes.filter((voted) => voted === 'for' || voted === 'against');
      if (gone.length < majority) throw refusal(cast.votes, majority, 'released');
    },
  };
}

/** Why too few servers are at hand, from what they say themselves. */
export function shortage(servers: readonly RedisServer[], answers: Answers, majority: number): ZoneletError {
  return new ZoneletError(
    'Unavailable',
    `${majority} of ${servers.length} Redis servers have to answer: ${reasons(answers)}`,
  );
}

function reasons(answers: Answers): string {
  const told = answers.flatMap((answer) => (answer instanceof Error ? [messageOf(answer)] : []));
  return [...new Set(told)].join('; ') || 'no answer came in time';
}

function refusal(votes: readonly Vote[], majority: number, done: string): ZoneletError {
  const count = (of: (vote: Vote) => boolean): number => votes.filter(of).length;
  const open = count((vote) => vote === undefined || hasCode(vote, 'Ambiguous', 'Aborted'));
  const cast = count((vote) => vote === 'for');
  const against = count((vote) => vote === 'against');
  const text = `the lock was ${done} on ${cast} of ${votes.length} Redis servers`;
  if (open > 0 && cast + open >= majority) return new ZoneletError('Ambiguous', `${text} so far: ${reasons(votes)}`);
  if (against > 0) return new ZoneletError('Conflict', `${text}: it is another's or gone on ${against}`);
  return new ZoneletError('Unavailable', `${text}: ${reasons(votes)}`);
}
