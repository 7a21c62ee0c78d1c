/**
 * The scripts that all access to a zone's state in Redis goes through, and what their answers mean.
 *
 * Two keys with one hash tag: `<prefix>:{<cluster>/<set>/<zone>}:pods`, a hash of records by pod UID beside fields of its
 * own (`#version`, `#id` of this incarnation, `#epoch` and `#holder` of the fence, `#seq` which rises with every write),
 * and `...:gone`, a sorted set of buried UIDs by the time of their burial. The channel is named as the hash.
 *
 * A record is stored as `<seq> <JSON>`. A message is `<id> <seq>` and a line for each change, `<UID> <JSON>` or only
 * `<UID>` for one that is dropped: a reader knows by the numbers what it has missed.
 */
import type { EvalOptions, RedisServer } from '../redis/server.ts';
import { redisScript } from '../redis/server.ts';

export interface ZoneKeys {
  readonly pods: string;
  readonly gone: string;
}

/** `owner`: `<UID of the namespace kube-system>/<set>`, so that two clusters with a set of one name can share a server. */
export function zoneKeys(prefix: string, owner: string, zone: string): ZoneKeys {
  const base = `${prefix}:{${owner}/${zone}}`;
  return { pods: `${base}:pods`, gone: `${base}:gone` };
}

/** Of the layout. */
const VERSION = '1';
/** As many pods as no zone should have: an accident must not fill somebody's Redis. */
export const MAX_RECORDS = 20_000;
export const MAX_GONE = 20_000;
/** A create that was sent before and arrives later than this does not exist. */
const GONE_TTL_MS = 24 * 3_600_000;
const PAGE = 500;

/** Refuses what is not ours and what is later than us; raises the fence. KEYS: pods, gone. ARGV: epoch, holder, id. */
const FENCE = `
local function kind(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= wanted and found ~= 'none' then return found end
end
local found = kind(KEYS[1], 'hash')
if found then return {'FOREIGN', KEYS[1], found} end
found = kind(KEYS[2], 'zset')
if found then return {'FOREIGN', KEYS[2], found} end
local own = redis.call('HMGET', KEYS[1], '#version', '#id', '#epoch', '#holder', '#seq')
local id, seq, fresh = own[2], tonumber(own[5] or '0'), 0
if not own[1] then
  if redis.call('EXISTS', KEYS[1]) == 1 then return {'FOREIGN', KEYS[1], 'hash'} end
  id, fresh = ARGV[3], 1
  redis.call('HSET', KEYS[1], '#version', '${VERSION}', '#id', id, '#epoch', ARGV[1], '#holder', ARGV[2], '#seq', 0)
elseif own[1] ~= '${VERSION}' then
  return {'FOREIGN', KEYS[1], 'version ' .. own[1]}
else
  local stands, epoch = tonumber(own[3]), tonumber(ARGV[1])
  if stands > epoch or (stands == epoch and own[4] ~= ARGV[2]) then return {'FENCED', own[3], own[4]} end
  if stands < epoch then redis.call('HSET', KEYS[1], '#epoch', ARGV[1], '#holder', ARGV[2]) end
end`;

export const CLAIM = redisScript('state-claim', `${FENCE}\nreturn {'OK', id, seq, fresh}`);

/** Takes everything of the zone away. */
export const CLEAR = redisScript(
  'state-clear',
  `${FENCE}\nredis.call('DEL', KEYS[1], KEYS[2])\nreturn {'OK', id, seq, fresh}`,
);

/** More ARGV: then kind, UID and JSON of each change. */
export const WRITE = redisScript(
  'state-write',
  `${FENCE}
local size, full, refused, told = redis.call('HLEN', KEYS[1]) - 5, 0, {}, {}
seq = seq + 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function put(uid, json, known)
  if not known then
    if size >= ${MAX_RECORDS} then full = full + 1 return end
    size = size + 1
  end
  redis.call('HSET', KEYS[1], uid, seq .. ' ' .. json)
  told[#told + 1] = uid .. ' ' .. json
end
for i = 4, #ARGV, 3 do
  local change, uid, json = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local known = redis.call('HEXISTS', KEYS[1], uid) == 1
  if change == 'set' then put(uid, json, known)
  elseif change == 'intend' then
    if redis.call('ZSCORE', KEYS[2], uid) then refused[#refused + 1] = uid
    else put(uid, json, known) end
  elseif change == 'bury' then redis.call('ZADD', KEYS[2], now, uid)
  elseif known then
    redis.call('HDEL', KEYS[1], uid)
    size = size - 1
    told[#told + 1] = uid
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ${GONE_TTL_MS})
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -${MAX_GONE + 1})
redis.call('HSET', KEYS[1], '#seq', seq)
redis.call('PUBLISH', KEYS[1], id .. ' ' .. seq .. '\\n' .. table.concat(told, '\\n'))
return {'OK', id, seq, fresh, full, unpack(refused)}`,
);

/** ARGV: cursor. */
export const SCAN = redisScript(
  'state-scan',
  `local found = redis.call('TYPE', KEYS[1]).ok
if found == 'none' then return {'OK', '', 0, '0', {}} end
if found ~= 'hash' then return {'FOREIGN', KEYS[1], found} end
local own = redis.call('HMGET', KEYS[1], '#version', '#id', '#seq')
if own[1] ~= '${VERSION}' then return {'FOREIGN', KEYS[1], own[1] and 'version ' .. own[1] or 'hash'} end
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ${PAGE})
return {'OK', own[2], tonumber(own[3]), page[1], page[2]}`,
);

export interface Change {
  /** `set` always, `intend` unless the UID is buried, `bury`, `drop`. */
  readonly kind: 'set' | 'intend' | 'bury' | 'drop';
  readonly uid: string;
  /** The record; empty for the others. */
  readonly json: string;
}

/** A later term stands there. */
export interface FencedOff {
  readonly kind: 'fenced';
  readonly epoch: number;
  readonly holder: string;
}

/** Somebody else's value, or one of another version of this program. */
export interface Foreign {
  readonly kind: 'foreign';
  readonly key: string;
  readonly what: string;
}

export interface Written {
  readonly kind: 'ok';
  /** Which incarnation of the store this is: another one after it was lost. */
  readonly id: string;
  readonly seq: number;
  /** It was empty. */
  readonly fresh: boolean;
  /** Records that found no room. */
  readonly full: number;
  /** UIDs that are buried and were not taken. */
  readonly buried: readonly string[];
}

export interface Page {
  readonly kind: 'ok';
  /** Empty: there is nothing. */
  readonly id: string;
  readonly seq: number;
  readonly cursor: string;
  /** UID, then what is stored, and so on. */
  readonly entries: readonly string[];
}

export interface Fence {
  readonly epoch: number;
  readonly holder: string;
  /** The id of the store, should it be made now. */
  readonly id: string;
}

const FIRST_PAGE = '0';

/** Raises the fence, and writes the changes if there are any. */
export async function write(
  server: RedisServer,
  keys: ZoneKeys,
  { epoch, holder, id }: Fence,
  changes: readonly Change[],
  options: EvalOptions,
): Promise<Written | FencedOff | Foreign> {
  const args = [epoch, holder, id, ...changes.flatMap(({ kind, uid, json }) => [kind, uid, json])];
  const script = changes.length === 0 ? CLAIM : WRITE;
  return outcome(await server.eval(script, [keys.pods, keys.gone], args, options));
}

export async function clear(
  server: RedisServer,
  keys: ZoneKeys,
  { epoch, holder, id }: Fence,
  options: EvalOptions,
): Promise<Written | FencedOff | Foreign> {
  return outcome(await server.eval(CLEAR, [keys.pods, keys.gone], [epoch, holder, id], options));
}

function outcome(answer: unknown): Written | FencedOff | Foreign {
  const [word, first, second, fresh, full = 0, ...buried] = answer as [
    string,
    string,
    unknown,
    number,
    number?,
    ...string[],
  ];
  if (word === 'FENCED') return { kind: 'fenced', epoch: Number(first), holder: String(second) };
  if (word === 'FOREIGN') return { kind: 'foreign', key: first, what: String(second) };
  return { kind: 'ok', id: first, seq: Number(second), fresh: fresh === 1, full, buried };
}

export async function scan(
  server: RedisServer,
  keys: ZoneKeys,
  options: EvalOptions,
  cursor = FIRST_PAGE,
): Promise<Page | Foreign> {
  const answer = await server.eval(SCAN, [keys.pods], [cursor], options);
  const [word, first, second, next, entries] = answer as [string, string, unknown, string, string[]];
  if (word === 'FOREIGN') return { kind: 'foreign', key: first, what: String(second) };
  return { kind: 'ok', id: first, seq: Number(second), cursor: next, entries };
}

export function isLast({ cursor }: Page): boolean {
  return cursor === FIRST_PAGE;
}
