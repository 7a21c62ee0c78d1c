/** How much of a zone's node its pods have asked for; counted anew at most once a second while it changes. */
import type { Clock, Timer } from '../clock.ts';
import type { Informer } from '../kube/informer.ts';
import type { Pod } from '../kube/types.ts';
import type { NodeMetrics } from '../metrics/node.ts';
import { allocatedTo } from '../pod-requests.ts';
import { parseQuantity } from '../quantity.ts';

const EVERY_MS = 1_000;

export interface Allocation extends Disposable {
  /** Quantities by resource, as they were counted last. */
  readonly latest: Readonly<Record<string, string>>;
}

/** Begins to count; disposing ends it and takes the zone's series away, which its next leader reports. */
export function countAllocation(zone: string, pods: Informer<Pod>, clock: Clock, metrics: NodeMetrics): Allocation {
  // Of these there is always some to give; what nobody has asked for yet is 0, not unknown.
  const shown = new Set(['cpu', 'memory']);
  let timer: Timer | undefined;
  let latest: Readonly<Record<string, string>> = {};
  const count = (): void => {
    timer = undefined;
    const allocated = allocatedTo(pods.list());
    latest = allocated;
    for (const resource of shown) if (!(resource in allocated)) metrics.allocated.set({ zone, resource }, 0);
    for (const [resource, text] of Object.entries(allocated)) {
      shown.add(resource);
      metrics.allocated.set({ zone, resource }, parseQuantity(text));
    }
  };
  const changed = (): void => {
    timer ??= clock.setTimer(EVERY_MS, count);
  };
  const unsubscribe = pods.subscribe({
    added: changed,
    // A pod that ends gives its room back; nothing else of a bound pod's requests changes often.
    updated: (before, after) => before.status?.phase !== after.status?.phase && changed(),
    deleted: changed,
  });
  count();
  return {
    get latest() {
      return latest;
    },
    [Symbol.dispose]() {
      unsubscribe();
      timer?.cancel();
      for (const resource of shown) metrics.allocated.remove({ zone, resource });
    },
  };
}
