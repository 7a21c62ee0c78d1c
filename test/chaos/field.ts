/** What every fault is given, and what most of them need. */
import { type Clock, sleep } from '../../src/clock.ts';
import type { Replica } from '../../src/commands/demo/stage.ts';
import type { Outage } from '../scenarios/support/leadership.ts';
import type { Play } from '../scenarios/support/play.ts';
import type { RedisServerProcess } from '../support/redis-server.ts';
import type { Dice } from './dice.ts';
import type { Flow } from './flow.ts';
import type { PeerLink } from './peer-link.ts';

export interface Field {
  readonly play: Play;
  readonly dice: Dice;
  readonly flow: Flow;
  /** The proxy between one replica and the others. */
  readonly peer: PeerLink;
  /** With `--election redis` only. */
  readonly redis: readonly RedisServerProcess[];
  /** When most of them were gone. */
  readonly redisOutages: Outage[];
  /** How long others wait for a leader of which they hear nothing, by default. */
  readonly leaseMs: number;
  /** How long take-overs took that a fault was sure to cause, in milliseconds. */
  readonly takeovers: number[];
  readonly clock: Clock;
  /** Aborts when chaos is to end early; everything that waits throws then. */
  readonly signal: AbortSignal;
}

export interface Fault {
  readonly name: string;
  /** Does it and takes it back. Resolves with what was done to whom, for people; throws what it found wrong. */
  happen(field: Field): Promise<string>;
}

export async function pause({ clock, signal }: Field, ms: number): Promise<void> {
  await sleep(clock, ms, signal);
  signal.throwIfAborted();
}

/** One of those that lead a zone. */
export function someLeader({ play, dice }: Field): Replica {
  const leaders = new Set(play.observer.zones().map(({ leader }) => leader));
  return dice.pick(play.stage.replicas.filter(({ name, child }) => child.running && leaders.has(name)));
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Whose zones are taken over by now: called before something happens to the replica, it knows what there is to take. */
export function watchZonesOf({ play, clock, takeovers }: Field, replica: Replica): { taken(): Promise<string> } {
  const led = play.observer.zones().filter(({ leader }) => leader === replica.name);
  const from = clock.monotonic();
  const zones = led.map(({ zone }) => zone).join(', ');
  return {
    async taken() {
      await play.until(`another term for ${zones}`, () =>
        led.every(({ zone, epoch }) => play.observer.zones().some((now) => now.zone === zone && now.epoch > epoch)),
      );
      const tookMs = clock.monotonic() - from;
      takeovers.push(tookMs);
      return `${replica.name} (${zones}), a new term after ${seconds(tookMs)}`;
    },
  };
}
