/**
 * The health of every zone of the set as one replica knows it: what it sees itself, told to the others, and what the
 * others tell. Kept by standbys too, so that a new leader knows at once.
 */
import type { Clock } from '../../clock.ts';
import { type BackendSight, reaches } from '../../election/backend-sight.ts';
import type { Candidates } from '../../election/candidates.ts';
import type { HealthMetrics } from '../../metrics/health.ts';
import { ZONE_STATES } from '../../provider/received-report.ts';
import { agree, type Observer, type Verdict } from './agreement.ts';
import type { Judgement } from './judgement.ts';
import { createSight, type SightOptions } from './sight.ts';

export interface SetHealthOptions {
  readonly zones: readonly string[];
  readonly replica: { readonly name: string; readonly homeZone?: string };
  readonly candidates: Pick<Candidates, 'sees' | 'living' | 'subscribe'>;
  readonly clock: Clock;
  readonly metrics: HealthMetrics;
}

export interface ZoneHealth {
  /** Looks at the zone's backend until the signal aborts. */
  run(options: Pick<SightOptions, 'provider' | 'reports'>, signal: AbortSignal): Promise<void>;
  /** As of the last news. */
  readonly verdict: Verdict;
  /** Monotonic time since when the verdict is `Down` without a break; undefined while it is not. */
  readonly downSince: number | undefined;
  /** Calls back after every observation and every news of another replica. Returns its removal. */
  subscribe(callback: () => void): () => void;
}

export interface SetHealth {
  zone(name: string): ZoneHealth;
}

interface Tracked {
  judgement: () => Judgement;
  verdict: Verdict;
  downSince: number | undefined;
}

const NOTHING: Judgement = { state: 'Unknown', evidence: 'nothing was heard of the backend yet', rival: undefined };

export function createSetHealth({ zones, replica, candidates, clock, metrics }: SetHealthOptions): SetHealth {
  const tracked = new Map<string, Tracked>();
  const subscribers = new Set<() => void>();
  for (const zone of zones) {
    const verdict: Verdict = { state: 'Unknown', reason: 'BackendUnknown', message: NOTHING.evidence };
    tracked.set(zone, { judgement: () => NOTHING, verdict, downSince: undefined });
  }
  const of = (zone: string): Tracked => {
    const found = tracked.get(zone);
    if (found === undefined) throw new Error(`the set has no zone ${zone}`);
    return found;
  };

  function consider(): void {
    const living = candidates.living();
    const seen = new Map([...tracked].map(([zone, { judgement }]) => [zone, judgement()] as const));
    const everythingIsDown =
      [...seen.values()].every(({ state }) => state === 'Down') &&
      !living.some(({ backends }) => zones.some((zone) => reaches(backends, zone)));
    for (const [zone, state] of tracked) {
      const own = observer(replica.name, replica.homeZone, seen.get(zone) ?? NOTHING);
      const others = living.map(({ name, homeZone, backends }) =>
        observer(name, homeZone, backends.get(zone) ?? { state: 'Unknown', evidence: '' }),
      );
      state.verdict = agree({ own, others, everythingIsDown });
      state.downSince = state.verdict.state === 'Down' ? (state.downSince ?? clock.monotonic()) : undefined;
      for (const each of ZONE_STATES) {
        metrics.health.set({ zone, state: each }, state.verdict.state === each ? 1 : 0);
        const count = [own, ...others].filter(({ sight }) => sight.state === each).length;
        metrics.observers.set({ zone, state: each }, count);
      }
    }
    for (const callback of subscribers) callback();
  }
  candidates.subscribe(consider);

  return {
    zone: (zone) => ({
      async run({ provider, reports }, signal) {
        const observed = (): void => {
          candidates.sees(zone, told(sight.judgement()));
          consider();
        };
        const sight = createSight({ provider, reports, clock, observed });
        of(zone).judgement = () => sight.judgement();
        await sight.run(signal);
      },
      get verdict() {
        return of(zone).verdict;
      },
      get downSince() {
        return of(zone).downSince;
      },
      subscribe(callback) {
        subscribers.add(callback);
        return () => subscribers.delete(callback);
      },
    }),
  };
}

/** A backend that was not reached just now is not recommended to anybody, and not condemned either. */
function told({ state, evidence, rival }: Judgement): BackendSight {
  return rival?.isBad === true ? { state: 'Unknown', evidence: 'not reached lately' } : { state, evidence };
}

function observer(replica: string, homeZone: string | undefined, { state, evidence }: BackendSight): Observer {
  return { replica, homeZone, sight: { state, evidence } };
}
