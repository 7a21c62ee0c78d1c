/** What one Redis server says of a zone's lock, and what several of them say together; pure. */
import { MAX_EPOCH } from './epoch-floor.ts';
import { isEarlierBoot } from './identity.ts';

/** A value of the lock that a replica wrote. */
export interface Claim {
  readonly epoch: number;
  readonly holder: string;
  /** Another one for every attempt. */
  readonly attempt: string;
}

export function formatClaim({ epoch, holder, attempt }: Claim): string {
  return `${epoch} ${holder} ${attempt}`;
}

/** Undefined for what no replica has written. */
export function parseClaim(value: string): Claim | undefined {
  const [, digits, holder, attempt] = /^(\d{1,10}) (\S+) (\S+)$/.exec(value) ?? [];
  if (digits === undefined || holder === undefined || attempt === undefined) return undefined;
  const epoch = Number(digits);
  return epoch <= MAX_EPOCH ? { epoch, holder, attempt } : undefined;
}

/** What stands on one server. */
export interface Look {
  readonly value: string | undefined;
  /** Milliseconds that the lock will last there unless it is extended; Infinity when nothing limits it. */
  readonly leftMs: number;
  /** 0: no epoch was ever drawn there, or the server has lost it. */
  readonly epoch: number;
  readonly given: Given | undefined;
}

/** A release in good order. */
export interface Given {
  readonly epoch: number;
  readonly to: string | undefined;
  readonly leftMs: number;
}

/** From what the script LOOK answers; undefined when it is no such answer. */
export function parseLook(answer: unknown): Look | undefined {
  if (!Array.isArray(answer)) return undefined;
  const [value, ttl, epoch, given, givenTtl] = answer as readonly unknown[];
  const drawn = typeof epoch === 'string' && /^\d{1,10}$/.test(epoch) ? Number(epoch) : 0;
  return {
    value: typeof value === 'string' ? value : undefined,
    leftMs: typeof value !== 'string' ? 0 : Number(ttl) < 0 ? Number.POSITIVE_INFINITY : Number(ttl),
    // Nobody drew a higher one: it was written by hand.
    epoch: drawn <= MAX_EPOCH ? drawn : 0,
    given: typeof given === 'string' ? parseGiven(given, Number(givenTtl)) : undefined,
  };
}

function parseGiven(text: string, leftMs: number): Given | undefined {
  const [, epoch, to] = /^(\d{1,10}) (\S*)$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), to: to || undefined, leftMs };
}

export function formatGiven(epoch: number, to: string | undefined): string {
  return `${epoch} ${to ?? ''}`;
}

export interface Tally {
  /** The value that most servers have. */
  readonly value: string | undefined;
  /** Milliseconds until a majority is free, as far as the servers tell that have answered; 0 when it is now. */
  readonly busyMs: number;
  /** The highest that was drawn. */
  readonly epoch: number;
  /** Most of those that have answered know of an epoch: they have not lost what they knew. */
  readonly remembers: boolean;
  readonly given: Given | undefined;
  /** Values that may be cleared away: own ones of earlier attempts, and those of an earlier process of this pod. */
  readonly own: readonly string[];
}

export function tally(looks: readonly Look[], majority: number, holder: string): Tally {
  const counts = new Map<string, number>();
  for (const { value } of looks) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  const epochOf = (value: string): number => parseClaim(value)?.epoch ?? 0;
  const values = [...counts].sort(([a, n], [b, m]) => m - n || epochOf(b) - epochOf(a)).map(([value]) => value);
  const gifts = looks.flatMap(({ given }) => given ?? []).sort((a, b) => b.epoch - a.epoch || b.leftMs - a.leftMs);
  const busy = looks.map(({ leftMs }) => leftMs).sort((a, b) => a - b);
  return {
    value: values[0],
    busyMs: busy[majority - 1] ?? Number.POSITIVE_INFINITY,
    epoch: Math.max(0, ...looks.map(({ epoch }) => epoch), ...values.map(epochOf)),
    remembers: looks.filter(({ epoch }) => epoch > 0).length >= majority,
    given: gifts[0],
    own: values.filter((value) => {
      const claim = parseClaim(value);
      return claim !== undefined && (claim.holder === holder || isEarlierBoot(claim.holder, holder));
    }),
  };
}
