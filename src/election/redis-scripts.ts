/**
 * What a zone's lock is on each Redis server, and the scripts that look at it and change it. The lock itself is taken,
 * extended and released by redlock's own scripts; these do what redlock has no word for.
 *
 * | key       | value                                 | lives                                         |
 * | --------- | ------------------------------------- | --------------------------------------------- |
 * | `:lock`   | `<epoch> <holder> <id of the attempt>`| the lease duration, from each extension       |
 * | `:epoch`  | the highest epoch that was drawn      | for ever: it must not come twice              |
 * | `:given`  | `<epoch> <replica, or nothing>`       | a day after a release in good order            |
 */
import { redisScript } from '../redis/server.ts';

export interface LockKeys {
  readonly lock: string;
  readonly epoch: string;
  readonly given: string;
}

/** `owner` keeps the sets of several clusters apart. The braces keep the keys of a zone together. */
export function lockKeys(keyPrefix: string, owner: string, zone: string): LockKeys {
  const zoneKey = `${keyPrefix}:{${owner}/${zone}}`;
  return { lock: `${zoneKey}:lock`, epoch: `${zoneKey}:epoch`, given: `${zoneKey}:given` };
}

/** Keys: lock, epoch, given. Value of the lock, its PTTL, epoch, note of a release, its PTTL. */
export const LOOK = redisScript(
  'lock-look',
  `return {
  redis.call('get', KEYS[1]), redis.call('pttl', KEYS[1]),
  redis.call('get', KEYS[2]),
  redis.call('get', KEYS[3]), redis.call('pttl', KEYS[3])
}`,
);

/** What RAISE answers. */
export const RAISED = { yes: 1, held: 0, outrun: -1 } as const;

/**
 * Makes an epoch one's own on this server, before the lock is taken with it. Keys: lock, epoch, given. Arguments: the
 * epoch, the highest that there can be; the value that is being replaced and how many milliseconds it may have left, for
 * one that was extended since is held by somebody who lives (one without an end has less than none); then values that may
 * be cleared away whatever they have left.
 */
export const RAISE = redisScript(
  'lock-raise',
  `local held = redis.call('get', KEYS[1])
local clear = not held or (held == ARGV[3] and redis.call('pttl', KEYS[1]) <= tonumber(ARGV[4]))
for i = 5, #ARGV do
  if held == ARGV[i] then clear = true end
end
if not clear then return ${RAISED.held} end
local drawn = tonumber(redis.call('get', KEYS[2]) or '0') or 0
if drawn > tonumber(ARGV[2]) then drawn = 0 end
if drawn >= tonumber(ARGV[1]) then return ${RAISED.outrun} end
redis.call('set', KEYS[2], ARGV[1])
if held then
  redis.call('del', KEYS[1])
  redis.pcall('publish', KEYS[1], 'taken')
end
redis.call('del', KEYS[3])
return ${RAISED.yes}`,
);

/**
 * Puts a lock that a majority has just extended on a server that has lost it. Keys: lock, epoch. Arguments: value,
 * milliseconds, epoch, the highest that there can be.
 */
export const MEND = redisScript(
  'lock-mend',
  `local drawn = tonumber(redis.call('get', KEYS[2]) or '0') or 0
if drawn > tonumber(ARGV[3]) and drawn <= tonumber(ARGV[4]) then return 0 end
if not redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('set', KEYS[2], ARGV[3])
return 1`,
);

/** Says that the lock is about to be given up, and for whom. Keys: lock, given. Arguments: value, note, milliseconds. */
export const GIVE = redisScript(
  'lock-give',
  `if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1`,
);

/**
 * Whether the server may forget locks: memory limit and eviction policy; nothing where the user may not ask. INFO rather than CONFIG GET: it tells both, and managed services forbid the other.
 */
export const FITNESS = redisScript(
  'lock-fitness',
  `local memory = redis.pcall('info', 'memory')
if type(memory) ~= 'string' then return {} end
return { memory:match('maxmemory:(%d+)'), memory:match('maxmemory_policy:([%w-]+)') }`,
);

/** redlock's, but for memory: PEXPIRE works on a full server, where SET would take the lock from its living holder. */
export const EXTEND = redisScript(
  'lock-extend',
  `if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])`,
);

/** redlock's for one key, and tells whoever waits; a user who may not publish only makes them wait for their next look. */
export const RELEASE = redisScript(
  'lock-release',
  `if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
redis.pcall('publish', KEYS[1], 'released')
return 1`,
);

/** redlock's for one key. */
export const ACQUIRE = redisScript(
  'lock-acquire',
  `if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0`,
);
