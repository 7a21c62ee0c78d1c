/**
 * How fast nodes get their NoExecute taints: in each zone one after another, at a rate that depends on how the zone is.
 * When all zones are down, it is the observer who is cut off, and nothing is evicted at all.
 * Source: node_lifecycle_controller.go (handleDisruption, ComputeZoneState), scheduler/rate_limited_queue.go.
 */
import type { Clock, Timer } from '../../../clock.ts';
import type { ControllerSettings } from '../settings.ts';

export type ZoneState = 'initial' | 'normal' | 'partial' | 'full';

/** What a pass over all nodes means for the pace. */
export type Turn = 'none' | 'all are down' | 'some are back';

export interface EvictionPace {
  /** Puts a node in line, for after the next judgement; nothing when it stands there. */
  add(zone: string, node: string): void;
  remove(node: string): void;
  /** Takes the Ready states of all nodes by zone, at the end of a pass over them. */
  judge(zones: ReadonlyMap<string, readonly boolean[]>): Turn;
  close(): void;
}

export interface EvictionPaceOptions {
  readonly clock: Clock;
  readonly settings: Required<ControllerSettings>;
  /** Called when it is the node's turn. */
  readonly onTurn: (node: string) => void;
}

interface Zone {
  state: ZoneState;
  /** Nodes a second; 0 for none. */
  rate: number;
  /** Monotonic: when the next node may go. */
  nextAt: number;
  readonly line: Set<string>;
  timer: Timer | undefined;
}

export function createEvictionPace({ clock, settings, onTurn }: EvictionPaceOptions): EvictionPace {
  const zones = new Map<string, Zone>();

  function zoneOf(name: string): Zone {
    let zone = zones.get(name);
    if (zone === undefined) {
      const rate = settings.nodeEvictionRate;
      zone = { state: 'initial', rate, nextAt: clock.monotonic(), line: new Set(), timer: undefined };
      zones.set(name, zone);
    }
    return zone;
  }

  /** Lets through whose turn it is. */
  function serve(zone: Zone): void {
    zone.timer?.cancel();
    zone.timer = undefined;
    if (zone.rate <= 0) return;
    for (const node of zone.line) {
      const now = clock.monotonic();
      if (now < zone.nextAt) {
        zone.timer = clock.setTimer(zone.nextAt - now, () => serve(zone));
        return;
      }
      zone.nextAt = now + 1000 / zone.rate;
      zone.line.delete(node);
      onTurn(node);
    }
  }

  function setRate(zone: Zone, rate: number): void {
    const now = clock.monotonic();
    const isHeldUp = zone.rate <= 0 || now < zone.nextAt;
    zone.rate = rate;
    zone.nextAt = isHeldUp && rate > 0 ? now + 1000 / rate : now;
  }

  function rateOf(state: ZoneState, size: number): number {
    if (state !== 'partial') return settings.nodeEvictionRate;
    return size > settings.largeClusterSize ? settings.secondaryNodeEvictionRate : 0;
  }

  function stateOf(ready: readonly boolean[]): ZoneState {
    const unhealthy = ready.filter((one) => !one).length;
    if (unhealthy > 0 && unhealthy === ready.length) return 'full';
    return unhealthy > 2 && unhealthy / ready.length >= settings.unhealthyZoneThreshold ? 'partial' : 'normal';
  }

  return {
    add(name, node) {
      zoneOf(name).line.add(node);
    },
    remove(node) {
      for (const { line } of zones.values()) line.delete(node);
    },
    judge(seen) {
      for (const [name, zone] of zones) if (!seen.has(name)) zone.state = 'initial';
      const judged = [...seen].map(([name, ready]) => ({
        zone: zoneOf(name),
        state: stateOf(ready),
        size: ready.length,
      }));
      const areDown = judged.every(({ state }) => state === 'full');
      const wereDown = judged.every(({ zone }) => zone.state === 'full');
      if (areDown && wereDown) return 'none';
      if (areDown) {
        for (const { zone } of judged) {
          zone.state = 'full';
          setRate(zone, 0);
        }
        return 'all are down';
      }
      for (const { zone, state, size } of judged) {
        if (state === zone.state && !wereDown) continue;
        zone.state = state;
        setRate(zone, rateOf(state, size));
      }
      for (const zone of zones.values()) serve(zone);
      return wereDown ? 'some are back' : 'none';
    },
    close() {
      for (const { timer } of zones.values()) timer?.cancel();
      zones.clear();
    },
  };
}
