/**
 * Looks at a zone's backend all the time, in standbys too: the provider's reports as they come, and a ping of its own
 * whenever nothing came for a while or there is doubt, so that a judgement never waits for a stream that hangs.
 */
import { type Clock, deadline, type Timer } from '../../clock.ts';
import type { ZoneReport } from '../../provider/contract.ts';
import type { GuardedProvider } from '../../provider/guard.ts';
import type { ZoneReports } from '../zone-reports.ts';
import { type Judgement, judge, NO_JUDGEMENT, type Observation } from './judgement.ts';

export interface SightOptions {
  readonly provider: Pick<GuardedProvider, 'zoneReports'>;
  readonly reports: ZoneReports;
  readonly clock: Clock;
  /** Called after every observation. */
  readonly observed: () => void;
}

export interface Sight {
  /** As of now: what was last seen too long ago is `Unknown`. */
  judgement(): Judgement;
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Providers report every 10 s at the latest, most of them more often. */
const PING_AFTER_MS = 6_000;
/** While the last observation speaks against the judgement. */
const PING_IN_DOUBT_MS = 2_000;
const PING_TIMEOUT_MS = 3_000;
/** Twice what the slowest ping takes. */
const STALE_MS = 20_000;

export function createSight({ provider, reports, clock, observed }: SightOptions): Sight {
  let memory = NO_JUDGEMENT;
  let observedAt = clock.monotonic();
  let timer: Timer | undefined;
  let over = true;

  function observe(seen: Observation): void {
    observedAt = clock.monotonic();
    memory = judge(memory, seen, observedAt);
    plan();
    observed();
  }

  function plan(): void {
    timer?.cancel();
    if (over) return;
    timer = clock.setTimer(memory.rival !== undefined ? PING_IN_DOUBT_MS : PING_AFTER_MS, () => void look());
  }

  let looking: AbortController | undefined;
  async function look(): Promise<void> {
    looking = new AbortController();
    const mine = looking;
    const seen = await ping(provider, clock, mine.signal);
    // A report that came meanwhile is as good, and was observed already.
    if (!mine.signal.aborted) observe(seen);
  }

  return {
    judgement() {
      if (clock.monotonic() - observedAt < STALE_MS) return memory;
      return { ...NO_JUDGEMENT, evidence: 'nothing was observed of the backend for too long' };
    },
    async run(signal) {
      over = false;
      const unsubscribe = reports.subscribe(() => {
        looking?.abort();
        if (reports.latest !== undefined) observe(reports.latest);
      });
      if (reports.latest !== undefined) observe(reports.latest);
      else plan();
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
      over = true;
      unsubscribe();
      looking?.abort();
      timer?.cancel();
    },
  };
}

/** Asks for a report of its own, past whatever stream there is. */
async function ping(provider: SightOptions['provider'], clock: Clock, signal: AbortSignal): Promise<ZoneReport> {
  using limit = deadline(clock, PING_TIMEOUT_MS, signal);
  for await (const report of provider.zoneReports(limit.signal)) return report;
  return { state: 'Unknown', evidence: `the backend did not answer a ping within ${PING_TIMEOUT_MS / 1000} s` };
}
