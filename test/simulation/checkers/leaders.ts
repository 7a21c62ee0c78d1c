/** Who leads which zone, as the replicas themselves have it. */
import type { World } from '../place.ts';

/** By zone: the names of the replicas that lead it. */
export async function leadersOf({ replicas, zones }: World): Promise<ReadonlyMap<string, readonly string[]>> {
  const leaders = new Map<string, string[]>(zones.map(({ name }) => [name, []]));
  for (const { name, running, metrics } of replicas) {
    if (!running || metrics === undefined) continue;
    for (const { labels, value } of (await metrics.election.leader.get()).values) {
      if (value === 1) leaders.get(String(labels.zone))?.push(name);
    }
  }
  return leaders;
}
