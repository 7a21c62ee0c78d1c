/** How long zones were without a leader, by the recorded history. */
import { zoneLeaseName } from '../../../src/election/names.ts';
import { parseTime } from '../../../src/kube/micro-time.ts';
import { EPOCH_ANNOTATION } from '../../../src/node/names.ts';
import type { History } from './history.ts';

/** A stretch of time, in milliseconds since the epoch, in which no zone can be led: no API server, no replica, or nothing to be elected by. */
export interface Outage {
  readonly from: number;
  readonly until: number;
}

/**
 * Ten lease durations. A take-over needs little more than one, as the benchmarks say; here a machine may be so busy that
 * processes stand still, and the next leader may be killed just as it was about to take over.
 */
const LED_AGAIN_MS = 60_000;

/** The lock of a zone was held by this epoch's leader, in milliseconds since the epoch. */
export interface Sign {
  readonly zone: string;
  readonly at: number;
  readonly epoch: number;
}

export interface Led {
  readonly set: string;
  readonly zones: readonly { readonly name: string; readonly nodeName: string }[];
  readonly outages: readonly Outage[];
  /** Of locks that are no Leases, in order: the history has none of them. */
  readonly signs?: readonly Sign[];
  /** Only Leases leave signs of every renewal in the history. @defaultValue lease */
  readonly electedBy?: 'lease' | 'redis';
  /** Clocks of replicas were set: when something was heard counts instead of when its Lease says that it was. @defaultValue false */
  readonly clocksSet?: boolean;
  /** When the history was read, in milliseconds since the epoch. */
  readonly now: number;
}

export interface Gap {
  readonly zone: string;
  /** `claimed`: a new leader's first write; `renewed`: the next sign on the lock; `open`: nobody leads to this day. */
  readonly ended: 'claimed' | 'renewed' | 'open';
  readonly until: number;
  /** Without what outages explain. */
  readonly tookMs: number;
}

/**
 * Every stretch between two signs of a leader: on the lock, whose renewals and releases say until when somebody led, and
 * on the Node, which every new leader has to claim before it acts. Nothing for a zone that was never led.
 */
export function gaps(history: History, { set, zones, outages, signs: ofLocks = [], now, clocksSet }: Led): Gap[] {
  const found: Gap[] = [];
  const add = (zone: string, ended: Gap['ended'], from: number, until: number): void => {
    const explained = outages.reduce(
      (sum, outage) => sum + Math.max(0, Math.min(until, outage.until) - Math.max(from, outage.from)),
      0,
    );
    found.push({ zone, ended, until, tookMs: until - from - explained });
  };
  for (const { name: zone, nodeName } of zones) {
    const onLease = history.leases.flatMap(({ t, type, object }): Sign[] => {
      const at = clocksSet === true ? t : parseTime(object.spec?.renewTime);
      if (object.metadata?.name !== zoneLeaseName(set, zone) || type === 'gone' || at === undefined) return [];
      return [{ zone, at, epoch: object.spec?.leaseTransitions ?? 0 }];
    });
    const signs = [...onLease, ...ofLocks.filter((sign) => sign.zone === zone)].sort((a, b) => a.at - b.at);
    let last: number | undefined;
    for (const { at } of signs) {
      if (last !== undefined) add(zone, 'renewed', last, at);
      last = at;
    }
    if (last !== undefined) add(zone, 'open', last, now);

    let claimed = 0;
    for (const { t, type, object } of history.nodes) {
      if (object.metadata?.name !== nodeName || type === 'gone') continue;
      const epoch = Number(object.metadata.annotations?.[EPOCH_ANNOTATION] ?? 0);
      if (epoch <= claimed) continue;
      claimed = epoch;
      const before = signs.filter((sign) => sign.epoch < epoch && sign.at <= t).at(-1);
      if (before !== undefined) add(zone, 'claimed', before.at, t);
    }
  }
  return found;
}

/** No zone is without a leader for longer than the bound, where locks say when there was one. */
export function zonesAreLed(history: History, led: Led): string[] {
  if (led.electedBy === 'redis' && led.signs === undefined) return [];
  const leases = new Set(history.leases.map(({ object }) => object.metadata?.name));
  const locks = new Set(led.signs?.map(({ zone }) => zone));
  const never = led.zones.filter(({ name }) => !leases.has(zoneLeaseName(led.set, name)) && !locks.has(name));
  const long = gaps(history, led).filter(({ tookMs }) => tookMs > LED_AGAIN_MS);
  return [
    ...never.map(({ name }) => `${name} was never led`),
    ...long.map(
      ({ zone, ended, until, tookMs }) =>
        `${zone} was without a leader for ${Math.round(tookMs)} ms, ${ended} at ${new Date(until).toISOString()}`,
    ),
  ];
}
