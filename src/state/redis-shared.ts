/** What the reading and the writing side of a zone's state in Redis have in common: the copy, and how it is filled. */
import type { Clock, Random } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { StateMetrics } from '../metrics/state.ts';
import { RedisError } from '../redis/errors.ts';
import type { RedisServer } from '../redis/server.ts';
import { readStored, type Snapshot, ZoneCopy } from './redis-copy.ts';
import { type Foreign, isLast, scan, type ZoneKeys } from './redis-scripts.ts';

export interface RedisStateOptions {
  readonly server: RedisServer;
  readonly keys: ZoneKeys;
  readonly zone: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: StateMetrics;
  /** Told when the store refused a write as stale. */
  readonly onFenced: () => void;
  readonly log: Logger;
}

/** `gap`: something was written meanwhile that was missed; scan again. */
export type ScanOutcome = 'ok' | 'gap' | 'foreign';

export interface SharedState extends RedisStateOptions {
  readonly copy: ZoneCopy;
  /**
   * Scans the whole store, a page in `timeoutMs`, and hands what was found to `take`, which puts it into the copy. Throws
   * `RedisError`; what is not ours is told and returned.
   */
  scanAll(signal: AbortSignal, timeoutMs: number, take: (found: Snapshot) => boolean): Promise<ScanOutcome>;
  /** The store cannot be used, for this reason, or can be again: said once. */
  tell(trouble: string | undefined, reason?: string): void;
}

export function createSharedState(options: RedisStateOptions): SharedState {
  const { server, keys, zone, metrics, log } = options;
  const copy = new ZoneCopy();
  let trouble: string | undefined;
  let isTold = false;

  function tell(now: string | undefined, reason?: string): void {
    metrics.connected.set({ zone }, now === undefined ? 1 : 0);
    if (now !== undefined && reason !== undefined) metrics.errors.inc({ zone, reason });
    if (isTold && now === trouble) return;
    isTold = true;
    trouble = now;
    if (now === undefined) log.info({ server: server.name }, 'shares the pod state of the zone');
    else
      log.warn(
        { server: server.name, reason, trouble: now },
        'the pod state of the zone is not shared; nothing else is affected',
      );
  }

  async function scanAll(
    signal: AbortSignal,
    timeoutMs: number,
    take: (found: Snapshot) => boolean,
  ): Promise<ScanOutcome> {
    const entries = new Map<string, NonNullable<ReturnType<typeof readStored>>>();
    copy.beginScan();
    try {
      let page = await scan(server, keys, { signal, timeoutMs });
      const { id, seq } = page.kind === 'ok' ? page : { id: '', seq: 0 };
      for (;;) {
        if (page.kind === 'foreign') {
          copy.abandonScan();
          tell(...describeForeign(page));
          return 'foreign';
        }
        // Emptied while it was read: what was gathered is of another life.
        if (page.id !== id) {
          copy.abandonScan();
          return await scanAll(signal, timeoutMs, take);
        }
        for (let i = 0; i + 1 < page.entries.length; i += 2) {
          const [uid = '', text = ''] = page.entries.slice(i, i + 2);
          const stored = uid.startsWith('#') ? undefined : readStored(text);
          if (stored !== undefined) entries.set(uid, stored);
        }
        if (isLast(page)) break;
        page = await scan(server, keys, { signal, timeoutMs }, page.cursor);
      }
      const outcome = take({ id, seq, entries }) ? 'ok' : 'gap';
      metrics.records.set({ zone }, copy.records.size);
      return outcome;
    } catch (error) {
      copy.abandonScan();
      throw error;
    }
  }

  return { ...options, copy, scanAll, tell };
}

export function describeForeign({ key, what }: Foreign): [string, string] {
  const found = what.startsWith('version ')
    ? `the pod state of another version of Zonelet (${what})`
    : `a ${what} that is not Zonelet's`;
  return [`${key} holds ${found}: delete it, or set another redis.keyPrefix`, 'FOREIGN'];
}

export function reasonOf(error: unknown): string {
  return error instanceof RedisError ? error.reason : 'ERR';
}
