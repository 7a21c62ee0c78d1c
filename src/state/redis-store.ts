/**
 * Pod state in Redis, for one zone: standbys follow what the leader writes, and a leader finds its copy complete when it
 * takes over. Redis being away, emptied or in other hands costs what is in it, never a pod and never a term.
 */
import { sleep } from '../clock.ts';
import type { Term } from '../election/term.ts';
import { messageOf } from '../errors.ts';
import type { StateStore, TermState } from './contract.ts';
import { readNews } from './redis-copy.ts';
import { clear as clearAll } from './redis-scripts.ts';
import { createSharedState, describeForeign, type RedisStateOptions, reasonOf } from './redis-shared.ts';
import { createTermState } from './redis-term.ts';

/** A page is small; a server that does not answer in this time is asked again later. */
const SCAN_TIMEOUT_MS = 1_000;
/** Nobody waits for it but an operator. */
const CLEAR_TIMEOUT_MS = 2_000;
/** Before a scan that failed is tried again, unless the server's return is noticed before. */
const RETRY_MS = 1_000;
/** As long as somebody has to clear away what does not belong there. */
const FOREIGN_RETRY_MS = 10_000;

export function createRedisStateStore(options: RedisStateOptions): StateStore {
  const { server, keys, zone, clock, random, metrics, log } = options;
  const shared = createSharedState(options);
  const { copy, tell } = shared;
  /** Aborts when this replica begins to lead: what the standby was reading is not for the leader's copy. */
  let standby = new AbortController();
  let reading: Promise<unknown> | undefined;
  let wake = new AbortController();
  let isStale = true;

  function look(): void {
    isStale = true;
    wake.abort();
  }

  /** Follows while somebody else leads. */
  async function run(signal: AbortSignal): Promise<void> {
    metrics.connected.set({ zone }, 0);
    const stop = (): void => wake.abort();
    signal.addEventListener('abort', stop, { once: true });
    const unsubscribe = server.subscribe(keys.pods, {
      message(text) {
        const news = standby.signal.aborted ? undefined : readNews(text);
        if (news === undefined) return;
        if (!copy.hear(news)) look();
        metrics.records.set({ zone }, copy.records.size);
      },
      subscribed: look,
    });
    const unwatch = server.onState(look);
    try {
      while (!signal.aborted) {
        wake = new AbortController();
        let pause = Number.POSITIVE_INFINITY;
        if (!standby.signal.aborted && isStale) {
          const following = AbortSignal.any([signal, standby.signal]);
          try {
            const scanning = shared.scanAll(following, SCAN_TIMEOUT_MS, (found) => copy.endScan(found));
            reading = scanning;
            const outcome = await scanning;
            isStale = outcome !== 'ok';
            if (outcome === 'ok') tell(undefined);
            pause = outcome === 'foreign' ? FOREIGN_RETRY_MS : isStale ? 0 : pause;
          } catch (error) {
            if (!following.aborted) tell(messageOf(error), reasonOf(error));
            pause = RETRY_MS;
          }
        }
        if (pause > 0 && !signal.aborted && !wake.signal.aborted) {
          await sleep(clock, Math.min(pause, FOREIGN_RETRY_MS), wake.signal);
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      unwatch();
      unsubscribe();
    }
  }

  async function begin(term: Term): Promise<TermState> {
    standby.abort();
    await reading?.catch(() => {});
    return await createTermState(shared, term, (isCurrent) => {
      standby = new AbortController();
      // Else the next leader's first message fits on to what is here, or shows that it does not.
      if (!isCurrent) look();
    });
  }

  async function clear(term: Term): Promise<void> {
    const fence = { epoch: term.epoch, holder: term.holder, id: random.uuid() };
    const limits = { signal: term.signal, timeoutMs: Math.min(CLEAR_TIMEOUT_MS, term.remainingMs()) };
    try {
      if (!term.mayAct()) return;
      const answer = await clearAll(server, keys, fence, limits);
      if (answer.kind === 'ok') log.info({ server: server.name }, 'took the pod state of the zone away');
      else if (answer.kind === 'foreign') tell(...describeForeign(answer));
    } catch (error) {
      const left = [keys.pods, keys.gone];
      log.warn({ server: server.name, left, error: messageOf(error) }, 'the pod state of the zone is left behind');
    }
  }

  return { run, begin, clear };
}
