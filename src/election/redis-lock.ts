/**
 * A lock on several independent Redis servers. It ends by itself when its holder does not extend it, so nobody has to
 * watch whether it changes; what a record says of time is therefore what the servers say: how long ago it was extended.
 *
 * What the servers have forgotten is told from what has run out: a lock that vanishes before its time, or of whose zone
 * most servers know nothing, is no record at all, as a Lease that was deleted, and others wait as long for it.
 */
import type { Clock, Random } from '../clock.ts';
import { ZoneletError } from '../errors.ts';
import { MAX_EPOCH } from './epoch-floor.ts';
import type { Lock, LockCall, LockRecord } from './lock.ts';
import { type Answers, type RedisQuorum, shortage } from './redis-quorum.ts';
import { GIVE, LOOK, type LockKeys, MEND, RAISE, RAISED } from './redis-scripts.ts';
import { formatClaim, formatGiven, type Look, parseClaim, parseLook, type Tally, tally } from './redis-tally.ts';

export interface RedisLockOptions {
  readonly quorum: RedisQuorum;
  readonly keys: LockKeys;
  /** Who acquires. */
  readonly holder: string;
  readonly leaseDurationMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * A lock that is gone this much before its time has run out: the way of the answer that told of it and a server's clock
 * count for less. Its holder, which leaves at least half a second of it unused, has stopped.
 */
const EARLY_MS = 250;
/** How long a release in good order is known to have been one: a set that was stopped and is started again waits for nobody. */
const GIVEN_MS = 86_400_000;
/** By so much do the servers differ in when the same extension came. Less than the time between two. */
const SAME_MS = 50;

interface Held {
  readonly value: string;
  /** Monotonic time of its last extension, at the latest. */
  readonly extendedAt: number;
}

export function createRedisLock(options: RedisLockOptions): Lock {
  const { quorum, keys, holder, leaseDurationMs, clock, random } = options;
  const { servers, majority } = quorum;
  const name = keys.lock;
  const everyKey = [keys.lock, keys.epoch, keys.given];
  const values = new WeakMap<LockRecord, string>();
  /** Values without an end, and since when they were seen so. */
  const endless = new Map<string, number>();
  let versions = 0;
  let highestEpoch = 0;
  /** What was last seen to be held. */
  let last: Held | undefined;
  /** Since when the lock was seen free, of which nothing is known. */
  let freeSince: number | undefined;
  /** Values of the last look that may be cleared away. */
  let own: readonly string[] = [];
  let mending: Promise<unknown> | undefined;

  function record(of: Omit<LockRecord, 'version' | 'durationMs'>, value?: string): LockRecord {
    const made: LockRecord = { ...of, durationMs: leaseDurationMs, version: String(++versions) };
    if (value !== undefined) values.set(made, value);
    return made;
  }

  function heldRecord(held: Held): LockRecord {
    const claim = parseClaim(held.value);
    return record(
      {
        holder: claim?.holder ?? held.value,
        epoch: claim?.epoch ?? 0,
        released: false,
        handOverTo: undefined,
        ageMs: clock.monotonic() - held.extendedAt,
      },
      held.value,
    );
  }

  /** A lock whose end somebody has taken away: its holder gives it one again with every extension, if it lives. */
  function judged(look: Look): Look {
    const now = clock.monotonic();
    if (look.value === undefined || look.leftMs !== Number.POSITIVE_INFINITY) return look;
    if (parseClaim(look.value) === undefined) return look;
    const since = endless.get(look.value) ?? now;
    endless.set(look.value, since);
    return { ...look, leftMs: Math.max(0, since + leaseDurationMs - now) };
  }

  function forgetEndless(looks: readonly Look[]): void {
    for (const value of endless.keys()) {
      if (!looks.some((look) => look.value === value && look.leftMs === Number.POSITIVE_INFINITY))
        endless.delete(value);
    }
  }

  function recordOf(told: Tally): LockRecord | undefined {
    const now = clock.monotonic();
    if (told.busyMs > 0 && told.value !== undefined) {
      assertEnds(told.value, told.busyMs);
      const extendedAt = now - (leaseDurationMs - told.busyMs);
      last = { value: told.value, extendedAt };
      freeSince = undefined;
      return heldRecord(last);
    }
    if (told.given !== undefined && told.given.epoch >= Math.max(told.epoch, epochOf(last))) {
      last = undefined;
      freeSince = undefined;
      const ageMs = GIVEN_MS - told.given.leftMs;
      return record({ holder: '', epoch: told.epoch, released: true, handOverTo: told.given.to, ageMs });
    }
    if (!told.remembers) return undefined;
    if (last !== undefined) {
      return last.extendedAt + leaseDurationMs - EARLY_MS > now ? undefined : heldRecord(last);
    }
    // It has run out, or somebody deleted it, and who held it may live.
    freeSince ??= now;
    return record({ holder: '', epoch: told.epoch, released: false, handOverTo: undefined, ageMs: now - freeSince });
  }

  function epochOf(held: Held | undefined): number {
    return held === undefined ? 0 : (parseClaim(held.value)?.epoch ?? 0);
  }

  /** Somebody else's: left alone, and waited for where it has an end. */
  function assertEnds(value: string, busyMs: number): void {
    if (busyMs !== Number.POSITIVE_INFINITY || parseClaim(value) !== undefined) return;
    throw new ZoneletError(
      'InvalidInput',
      `the Redis key ${keys.lock} holds "${value.slice(0, 60)}", which no replica has written and which has no end: delete that key, or give the set another keyPrefix`,
    );
  }

  function valueIn(from: LockRecord): string {
    const value = values.get(from);
    if (value === undefined) throw new ZoneletError('Conflict', `${name} is not held`);
    return value;
  }

  async function raise(from: LockRecord | undefined, epoch: number, call: LockCall): Promise<void> {
    const value = from === undefined ? undefined : values.get(from);
    const leftMs =
      value === last?.value && last !== undefined ? last.extendedAt + leaseDurationMs - clock.monotonic() : 0;
    const replaced = [value ?? '', Math.ceil(Math.max(0, leftMs)) + SAME_MS];
    const answers = await quorum.ask(RAISE, everyKey, [epoch, MAX_EPOCH, ...replaced, ...own], call);
    const count = (answer: number): number => answers.filter((given) => given === answer).length;
    const raised = count(RAISED.yes);
    if (raised >= majority) return;
    if (count(RAISED.outrun) > 0) highestEpoch = Math.max(highestEpoch, epoch);
    if (count(RAISED.held) + count(RAISED.outrun) > 0) {
      throw new ZoneletError('Conflict', `epoch ${epoch} was taken by ${raised} of ${servers.length} Redis servers`);
    }
    throw shortage(servers, answers, majority);
  }

  /** After a majority has extended it: a server that lost it, by a restart or a flush, gets it again. */
  function mend(lacking: readonly number[], value: string, epoch: number, sentAt: number): void {
    const ttlMs = Math.floor(leaseDurationMs - (clock.monotonic() - sentAt));
    // It may have been given up meanwhile.
    if (lacking.length === 0 || ttlMs <= 0 || last?.value !== value) return;
    mending = Promise.allSettled(
      lacking.map(async (index) => {
        await servers[index]?.eval(MEND, [keys.lock, keys.epoch], [value, ttlMs, epoch, MAX_EPOCH]);
      }),
    );
  }

  return {
    name,
    provesReach: false,

    get highestEpoch() {
      return highestEpoch;
    },

    async read(call) {
      const answers: Answers = await quorum.ask(LOOK, everyKey, [], call);
      const given = answers.flatMap((answer) => parseLook(answer) ?? []);
      forgetEndless(given);
      const looks = given.map(judged);
      if (looks.length < majority) throw shortage(servers, answers, majority);
      const told = tally(looks, majority, holder);
      highestEpoch = Math.max(highestEpoch, told.epoch);
      own = told.own;
      return recordOf(told);
    },

    async acquire(from, epoch, call) {
      if (epoch > MAX_EPOCH) throw new ZoneletError('InvalidInput', `${name}: no epoch is left above ${MAX_EPOCH}`);
      const sentAt = clock.monotonic();
      const value = formatClaim({ epoch, holder, attempt: random.uuid() });
      await raise(from, epoch, call);
      highestEpoch = Math.max(highestEpoch, epoch);
      const leftMs = Math.max(1, call.timeoutMs - (clock.monotonic() - sentAt));
      await quorum.acquire(keys.lock, value, leaseDurationMs, { ...call, timeoutMs: leftMs });
      last = { value, extendedAt: sentAt };
      return heldRecord(last);
    },

    async renew(from, epoch, call) {
      const value = valueIn(from);
      const sentAt = clock.monotonic();
      const { lacking } = await quorum.extend(keys.lock, value, leaseDurationMs, call);
      void lacking.then((indexes) => mend(indexes, value, epoch, sentAt));
      last = { value, extendedAt: sentAt };
      return heldRecord(last);
    },

    async release(from, handOverTo, call) {
      const value = valueIn(from);
      const epoch = parseClaim(value)?.epoch ?? 0;
      // It must not come back after it is gone.
      await mending;
      await quorum.ask(GIVE, [keys.lock, keys.given], [value, formatGiven(epoch, handOverTo), GIVEN_MS], call);
      await quorum.release(keys.lock, value, call);
      last = undefined;
      return record({ holder: '', epoch, released: true, handOverTo, ageMs: 0 });
    },

    watch(tell) {
      // Also when a connection is back: something may have been said meanwhile.
      const doubt = (): void => tell(undefined);
      const ends = servers.flatMap((server) => [
        server.subscribe(keys.lock, { message: doubt, subscribed: doubt }),
        server.onState(doubt),
      ]);
      return () => {
        for (const end of ends) end();
      };
    },

    compare: (a, b) => Number(a.version) - Number(b.version),
  };
}
