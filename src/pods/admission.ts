/**
 * What a kubelet refuses when a pod arrives that no scheduler has fitted in (bound by hand, or two schedulers at once):
 * a pod that does not fit into what is left of the node, or that asks for another node. Such a pod is Failed, with the
 * kubelet's reasons (`OutOfcpu`, `NodeAffinity`, ...), so that its controller places another. Only a pod that was never
 * created is asked; what runs is never thrown out.
 * Source: kubernetes pkg/kubelet/lifecycle/predicate.go (`predicateAdmitHandler`, `generalFilter`).
 */
import type { Node, Pod } from '../kube/types.ts';
import { matchesNode } from '../node-affinity.ts';
import { type Amounts, podRequests } from '../pod-requests.ts';
import { quantity } from '../quantity.ts';

export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

const BILLION = 1_000_000_000n;

export class Admission {
  readonly #node: () => Node | undefined;
  readonly #held = new Map<string, Amounts>();
  readonly #total = new Map<string, bigint>();

  /** `node`: as it is known now; while it is not, nothing is refused. */
  constructor(node: () => Node | undefined) {
    this.#node = node;
  }

  /** Holds the room that the pod asks for, or says why it cannot have it. A pod that holds its room already keeps it. */
  admit(uid: string, pod: Pod): Rejection | undefined {
    if (this.#held.has(uid)) return undefined;
    const node = this.#node();
    const rejection = node === undefined ? undefined : this.#refuse(pod, node);
    if (rejection === undefined) this.hold(uid, pod);
    return rejection;
  }

  /** The pod runs: its room is taken, whether or not there was any. */
  hold(uid: string, pod: Pod): void {
    if (this.#held.has(uid)) return;
    const amounts = podRequests(pod);
    this.#held.set(uid, amounts);
    this.#add(amounts, 1n);
  }

  /** The pod has ended or is gone. */
  release(uid: string): void {
    const amounts = this.#held.get(uid);
    if (amounts === undefined) return;
    this.#held.delete(uid);
    this.#add(amounts, -1n);
  }

  #add(amounts: Amounts, sign: bigint): void {
    for (const [name, { nanos }] of amounts) this.#total.set(name, (this.#total.get(name) ?? 0n) + sign * nanos);
  }

  #refuse(pod: Pod, node: Node): Rejection | undefined {
    const allocatable = node.status?.allocatable ?? {};
    if (allocatable.pods !== undefined) {
      const most = quantity(allocatable.pods).nanos / BILLION;
      if (BigInt(this.#held.size) + 1n > most) return outOf('pods', 1n, BigInt(this.#held.size), most);
    }
    for (const [name, { nanos }] of podRequests(pod)) {
      if (nanos === 0n) continue;
      const offered = allocatable[name] === undefined ? 0n : quantity(allocatable[name]).nanos;
      const used = this.#total.get(name) ?? 0n;
      if (used + nanos > offered) return outOf(name, shown(name, nanos), shown(name, used), shown(name, offered));
    }
    if (!matchesNode(pod, node)) {
      return {
        reason: 'NodeAffinity',
        message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
      };
    }
    return undefined;
  }
}

/** As the kubelet counts: thousandths of a core, whole units of everything else. */
function shown(resource: string, nanos: bigint): bigint {
  return resource === 'cpu' ? nanos / 1_000_000n : nanos / BILLION;
}

function outOf(resource: string, requested: bigint, used: bigint, capacity: bigint): Rejection {
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}
