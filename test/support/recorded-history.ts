/** A history as if a scenario had recorded it, for the tests of what judges histories. */
import type { Lease, Node, Pod } from '../../src/kube/types.ts';
import type { History, Seen } from '../scenarios/support/history.ts';

export interface Parts {
  readonly pods?: Seen<Pod>[];
  readonly nodes?: Seen<Node>[];
  readonly leases?: Seen<Lease>[];
}

export function history({ pods = [], nodes = [], leases = [] }: Parts): History {
  return {
    pods,
    nodes,
    leases,
    currentPods: () => [],
    currentNodes: () => [],
    currentLeases: () => [],
    caughtUp: async () => {},
    async [Symbol.asyncDispose]() {},
  };
}
