/** What an operator's commands do to a set in action, on its virtual time. */
import type { RemovalOptions } from '../../../src/commands/operator/zone-removal.ts';
import { NODES } from '../../../src/kube/resources.ts';
import { seededRandom } from '../../support/virtual-clock.ts';
import type { RunningSet } from './set.ts';

export const HOLD = { policy: 'hold', afterMs: 60_000 } as const;

export function leaderOf(set: RunningSet, zone: string): string | undefined {
  return set.members.find(
    ({ election, clock }) => !clock.frozen && election.campaign(zone).leaderlessMs() === undefined,
  )?.name;
}

/** Lets time pass until it is settled. */
export async function settled<T>(set: RunningSet, promise: Promise<T>): Promise<T> {
  let over = false;
  const ended = promise.finally(() => {
    over = true;
  });
  ended.catch(() => {});
  for (let i = 0; i < 600 && !over; i++) await set.stage.run(1_000);
  return await ended;
}

const never = new AbortController().signal;
const random = seededRandom(5);
export const common = (set: RunningSet) => ({
  client: set.stage.client,
  set: 'shop',
  namespace: 'default',
  by: 'ann@desk',
  clock: set.stage.clock,
  random,
  say: () => {},
  signal: never,
});
export const zoneOf = (name: string) => ({ name, nodeName: `shop-${name}` });

export function removal(set: RunningSet, more: Partial<RemovalOptions> = {}): RemovalOptions {
  const how = { drain: false, force: true, abandonBackend: false, timeoutMs: 120_000 };
  return { ...common(set), ...how, ...more };
}

export async function annotate(set: RunningSet, zone: string, annotations: Record<string, string>): Promise<void> {
  await set.stage.client.patch(NODES, { name: `shop-${zone}` }, { type: 'merge', body: { metadata: { annotations } } });
}
