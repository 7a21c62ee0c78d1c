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
import { untolerated } from '../taints.ts';
import { type HostPort, hostPorts, portsCollide } from './host-ports.ts';

export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

interface Held {
  readonly amounts: Amounts;
  readonly ports: readonly HostPort[];
}

const BILLION = 1_000_000_000n;
const OS = 'kubernetes.io/os';

export class Admission {
  readonly #node: () => Node | undefined;
  readonly #held = new Map<string, Held>();
  readonly #total = new Map<string, bigint>();
  /** Of the few pods that have any. */
  readonly #ports = new Map<string, readonly HostPort[]>();

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
    const held = { amounts: podRequests(pod), ports: hostPorts(pod) };
    this.#held.set(uid, held);
    if (held.ports.length > 0) this.#ports.set(uid, held.ports);
    this.#add(held.amounts, 1n);
  }

  /** The pod has ended or is gone. */
  release(uid: string): void {
    const held = this.#held.get(uid);
    if (held === undefined) return;
    this.#held.delete(uid);
    this.#ports.delete(uid);
    this.#add(held.amounts, -1n);
  }

  #add(amounts: Amounts, sign: bigint): void {
    for (const [name, { nanos }] of amounts) this.#total.set(name, (this.#total.get(name) ?? 0n) + sign * nanos);
  }

  /** In the kubelet's order: the first reason is the one that is told. */
  #refuse(pod: Pod, node: Node): Rejection | undefined {
    return (
      otherSystem(pod, node) ??
      this.#tooLarge(pod, node) ??
      otherNode(pod, node) ??
      this.#portTaken(pod) ??
      notTolerated(pod, node)
    );
  }

  #tooLarge(pod: Pod, node: Node): Rejection | undefined {
    // Not `allocatable`, which shrinks to what is allocated while the backend takes no new pods: that keeps schedulers
    // away, and says nothing about a pod that was on its way.
    const capacity = node.status?.capacity;
    if (capacity === undefined) return undefined;
    if (capacity.pods !== undefined) {
      const most = quantity(capacity.pods).nanos / BILLION;
      if (BigInt(this.#held.size) + 1n > most) return outOf('pods', 1n, BigInt(this.#held.size), most);
    }
    for (const [name, { nanos }] of inOrder(podRequests(pod))) {
      // Known to the cluster and not to the node: nothing that a node could be out of.
      if (nanos === 0n || (capacity[name] === undefined && isExtended(name))) continue;
      const offered = capacity[name] === undefined ? 0n : quantity(capacity[name]).nanos;
      const used = this.#total.get(name) ?? 0n;
      if (used + nanos > offered) return outOf(name, shown(name, nanos), shown(name, used), shown(name, offered));
    }
    return undefined;
  }

  #portTaken(pod: Pod): Rejection | undefined {
    const wanted = hostPorts(pod);
    if (wanted.length === 0) return undefined;
    for (const taken of this.#ports.values()) {
      if (wanted.some((one) => taken.some((other) => portsCollide(one, other)))) {
        return failed('NodePorts', "node(s) didn't have free ports for the requested pod ports");
      }
    }
    return undefined;
  }
}

function otherSystem(pod: Pod, node: Node): Rejection | undefined {
  const os = node.metadata?.labels?.[OS];
  if (os === undefined) return undefined;
  // The kubelet looks at the pod's own label here, not at its selector.
  const label = pod.metadata?.labels?.[OS];
  if (label !== undefined && label !== os) {
    return {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    };
  }
  if (pod.spec?.os !== undefined && pod.spec.os.name !== os) {
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
  }
  const strict = pod.spec?.securityContext?.supplementalGroupsPolicy === 'Strict';
  if (strict && node.status?.features?.supplementalGroupsPolicy !== true) {
    return {
      reason: 'SupplementalGroupsPolicyNotSupported',
      message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
    };
  }
  return undefined;
}

function otherNode(pod: Pod, node: Node): Rejection | undefined {
  return matchesNode(pod, node)
    ? undefined
    : failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
}

function notTolerated(pod: Pod, node: Node): Rejection | undefined {
  return untolerated(pod, node.spec?.taints ?? [], ['NoExecute']) === undefined
    ? undefined
    : failed('TaintToleration', "node(s) had taints that the pod didn't tolerate");
}

const FIRST = ['cpu', 'memory', 'ephemeral-storage'];

function inOrder(amounts: Amounts): readonly (readonly [string, { readonly nanos: bigint }])[] {
  const place = (name: string): number => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...amounts].sort(([a], [b]) => place(a) - place(b));
}

/** A resource of somebody's own domain, as a device plugin or the cluster offers it. */
function isExtended(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/');
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

function failed(predicate: string, why: string): Rejection {
  return { reason: predicate, message: `Predicate ${predicate} failed: ${why}` };
}
