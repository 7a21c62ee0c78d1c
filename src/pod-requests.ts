/** What a pod asks of its node, as the scheduler counts it (k8s.io/component-helpers/resource, `PodRequests`). */
import type { Container, Pod } from './kube/types.ts';
import { formatQuantity, type Quantity, quantity } from './quantity.ts';

/** Exact amounts by resource. */
export type Amounts = ReadonlyMap<string, Quantity>;

/**
 * The sum of the containers and of the init containers that keep running beside them, or what the start takes where
 * that is more: each other init container together with those that keep running before it. Then the overhead.
 */
export function podRequests(pod: Pod): Amounts {
  const { containers = [], initContainers = [], overhead, resources } = pod.spec ?? {};
  const beside = new Map<string, Quantity>();
  const start = new Map<string, Quantity>();
  for (const container of initContainers) {
    const own = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      add(beside, own);
      raise(start, beside);
    } else {
      const together = new Map(own);
      add(together, beside);
      raise(start, together);
    }
  }
  const total = new Map(beside);
  for (const container of containers) add(total, requestsOf(container));
  raise(total, start);
  // Requests of the pod as a whole stand for those of its containers.
  for (const [name, amount] of read(resources?.requests)) total.set(name, amount);
  add(total, read(overhead));
  return total;
}

/** The requests of all `pods` that still hold their room, and their number, as texts by resource. */
export function allocatedTo(pods: Iterable<Pod>): Record<string, string> {
  const total = new Map<string, Quantity>();
  let count = 0;
  for (const pod of pods) {
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') continue;
    count++;
    add(total, podRequests(pod));
  }
  const texts = [...total].map(([name, amount]) => [name, formatQuantity(amount)] as const);
  return { ...Object.fromEntries(texts), pods: String(count) };
}

function requestsOf(container: Container): Amounts {
  const { requests = {}, limits = {} } = container.resources ?? {};
  // The API server fills requests in from limits; objects from elsewhere may lack that.
  return read({ ...limits, ...requests });
}

function read(texts: Readonly<Record<string, string>> | undefined): Map<string, Quantity> {
  return new Map(Object.entries(texts ?? {}).map(([name, text]) => [name, quantity(text)]));
}

function add(to: Map<string, Quantity>, from: Amounts): void {
  for (const [name, { nanos, format }] of from) {
    const before = to.get(name);
    to.set(name, before === undefined ? { nanos, format } : { nanos: before.nanos + nanos, format: before.format });
  }
}

function raise(to: Map<string, Quantity>, from: Amounts): void {
  for (const [name, amount] of from) {
    const before = to.get(name);
    if (before === undefined || before.nanos < amount.nanos) to.set(name, amount);
  }
}
