/**
 * For how long a holder may act: counted from when its last successful renewal was sent, because whoever wants the lock
 * starts to count only when that renewal has become visible, which is later.
 */
import type { Clock } from '../clock.ts';

/** A moment by both clocks. */
export interface Stamp {
  readonly monotonic: number;
  readonly uptime: number;
}

export function stamp(clock: Clock): Stamp {
  return { monotonic: clock.monotonic(), uptime: clock.uptime() };
}

/**
 * Milliseconds since then. The monotonic clock may stand still while a machine is suspended, and the boot clock may be
 * coarse: the greater of the two is never too little.
 */
export function ageOf(then: Stamp, clock: Clock): number {
  return Math.max(clock.monotonic() - then.monotonic, clock.uptime() - then.uptime);
}

/** True when the machine slept since then, rather than time having passed. */
export function wasSuspended(then: Stamp, clock: Clock): boolean {
  return clock.uptime() - then.uptime - (clock.monotonic() - then.monotonic) > SUSPENSION_MS;
}

/** Above the boot clock's resolution everywhere. */
const SUSPENSION_MS = 1_100;

/** What a holder leaves unused of its lease: for what is on its way when the time is up, and for clocks that do not run equally fast. */
export function safetyMarginMs(leaseDurationMs: number): number {
  return Math.max(500, leaseDurationMs / 10);
}

/** For how long after it was sent a renewal gives the right to act. */
export function rightToActMs(leaseDurationMs: number): number {
  return leaseDurationMs - safetyMarginMs(leaseDurationMs);
}
