/** What an election costs the API server while nothing happens. */
import { systemRandom } from '../../../src/clock.ts';
import { record } from '../../scenarios/support/history.ts';
import { sumOf } from '../../support/prometheus-text.ts';
import type { Lab } from './lab.ts';

export interface LeaseTraffic {
  /** Writes a second of the Leases whose names match, for each of them. */
  writes(names: RegExp): number;
  /** All requests a second for Leases but watches, reads too, as the API server counts them. */
  readonly requests: number;
}

const QUIET_MS = 30_000;

export async function measureLeaseTraffic(lab: Lab): Promise<LeaseTraffic> {
  await using history = await record(lab.client, lab.clock, systemRandom);
  // What there was already is recorded first.
  const begin = history.leases.length;
  const before = await leaseRequests(lab);
  const from = lab.clock.monotonic();
  await lab.pause(QUIET_MS);
  const seconds = (lab.clock.monotonic() - from) / 1000;
  const requests = ((await leaseRequests(lab)) - before) / seconds;
  const writes = new Map<string, number>();
  for (const { object } of history.leases.slice(begin)) {
    const name = object.metadata?.name ?? '';
    writes.set(name, (writes.get(name) ?? 0) + 1);
  }
  return {
    writes(names) {
      const matching = [...writes].filter(([name]) => names.test(name));
      return matching.reduce((sum, [, count]) => sum + count, 0) / seconds / Math.max(1, matching.length);
    },
    requests,
  };
}

/** Watches are counted when they end, which says nothing about a second of them. */
async function leaseRequests(lab: Lab): Promise<number> {
  const samples = await lab.apiRequests();
  return sumOf(samples, { resource: 'leases' }) - sumOf(samples, { resource: 'leases', verb: 'WATCH' });
}
