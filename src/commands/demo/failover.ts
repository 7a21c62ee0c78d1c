/** Ending a leader and timing, from outside, how long its zones were without one. */
import type { Clock } from '../../clock.ts';
import { ZoneletError } from '../../errors.ts';
import type { Observer } from './observer.ts';
import type { Replica } from './stage.ts';
import { waitFor } from './wait-for.ts';

export interface Failover {
  /** Zones that were to be taken over. */
  readonly zones: readonly string[];
  /** Milliseconds until the last of those zones was claimed with a higher epoch, as a watch shows it. */
  readonly takeoverMs: number;
  /** Who leads them now. */
  readonly successors: readonly string[];
}

/** Longest that a take-over may take before the demo gives up: ten lease durations. */
const LIMIT_MS = 60_000;

/** Ends a replica that leads. Throws `Conflict` when it leads nothing. */
export async function endLeader(
  replica: Replica,
  signal: 'SIGKILL' | 'SIGTERM',
  observer: Observer,
  clock: Clock,
  stop: AbortSignal,
): Promise<Failover> {
  const led = observer.zones().filter(({ leader }) => leader === replica.name);
  if (led.length === 0) throw new ZoneletError('Conflict', `${replica.name} leads no zone`);
  const zones = led.map(({ zone }) => zone);
  return await timeTakeover(zones, () => replica.child.kill(signal), observer, clock, stop);
}

/** From when `act` is called until each of the zones has a new term. */
export async function timeTakeover(
  zones: readonly string[],
  act: () => void,
  observer: Observer,
  clock: Clock,
  stop: AbortSignal,
): Promise<Failover> {
  const led = observer.zones().filter(({ zone }) => zones.includes(zone));
  const sentAt = clock.monotonic();
  act();
  const taken = (): boolean =>
    led.every((before) => observer.zones().some((now) => now.zone === before.zone && now.epoch > before.epoch));
  await waitFor(`another leader for ${zones.join(', ')}`, taken, {
    onChange: observer.onChange,
    clock,
    limitMs: LIMIT_MS,
    signal: stop,
  });
  const takeoverMs = Math.round(clock.monotonic() - sentAt);
  const successors = observer
    .zones()
    .filter(({ zone }) => zones.includes(zone))
    .map(({ leader }) => leader ?? '-');
  return { zones, takeoverMs, successors };
}
