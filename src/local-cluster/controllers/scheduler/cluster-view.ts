/**
 * The nodes and what is on them, as the scheduler counts: pods that hold their room, and pods that it has decided on
 * but that the cache does not show yet. Source: pkg/scheduler/backend/cache.
 */
import type { Container, Node, Pod } from '../../../kube/types.ts';
import { type Amounts, podRequests } from '../../../pod-requests.ts';
import { quantity } from '../../../quantity.ts';
import { isFinished } from '../pod-state.ts';

export interface PlacedPod {
  readonly pod: Pod;
  readonly requests: Amounts;
  /** Nanounits for the comparison of nodes, where a pod that asks for nothing still counts. */
  readonly assumed: { readonly cpu: bigint; readonly memory: bigint };
}

export interface NodeView {
  readonly node: Node;
  readonly pods: ReadonlyMap<string, PlacedPod>;
  /** Of `pods`, those that say something about other pods. */
  readonly withAffinity: ReadonlyMap<string, PlacedPod>;
  /** Nanounits by resource. */
  readonly requested: ReadonlyMap<string, bigint>;
  readonly assumed: { readonly cpu: bigint; readonly memory: bigint };
}

export interface ClusterView {
  /** Nodes that exist. */
  nodes(): readonly NodeView[];
  setNode(node: Node): void;
  removeNode(name: string): void;
  /** Takes what the cache shows of a pod. */
  observe(pod: Pod): void;
  remove(pod: Pod): void;
  /** Counts a pod on a node from now on, before the cache shows it there. */
  assume(pod: Pod, nodeName: string): void;
  /** Takes back an assumption that did not come true. */
  forget(pod: Pod): void;
  isAssumed(pod: Pod): boolean;
}

interface MutableNodeView {
  node: Node | undefined;
  readonly pods: Map<string, PlacedPod>;
  readonly withAffinity: Map<string, PlacedPod>;
  readonly requested: Map<string, bigint>;
  assumed: { cpu: bigint; memory: bigint };
}

/** What a container without a request counts as when nodes are compared: 0.1 cores and 200 MB. */
const DEFAULT_CPU = quantity('100m').nanos;
const DEFAULT_MEMORY = quantity('200Mi').nanos;

export function createClusterView(): ClusterView {
  const byName = new Map<string, MutableNodeView>();
  /** Node by pod UID. */
  const whereabouts = new Map<string, string>();
  const assumptions = new Set<string>();
  let listed: readonly NodeView[] | undefined;

  function viewOf(name: string): MutableNodeView {
    let view = byName.get(name);
    if (view === undefined) {
      const assumed = { cpu: 0n, memory: 0n };
      view = { node: undefined, pods: new Map(), withAffinity: new Map(), requested: new Map(), assumed };
      byName.set(name, view);
    }
    return view;
  }

  function take(uid: string): void {
    const name = whereabouts.get(uid);
    if (name === undefined) return;
    whereabouts.delete(uid);
    const view = viewOf(name);
    const placed = view.pods.get(uid);
    if (placed !== undefined) count(view, placed, -1n);
    view.pods.delete(uid);
    view.withAffinity.delete(uid);
    if (view.node === undefined && view.pods.size === 0) byName.delete(name);
  }

  function put(pod: Pod, nodeName: string): void {
    const uid = pod.metadata?.uid ?? '';
    take(uid);
    const placed = placedPod(pod);
    const view = viewOf(nodeName);
    view.pods.set(uid, placed);
    if (pod.spec?.affinity?.podAffinity !== undefined || pod.spec?.affinity?.podAntiAffinity !== undefined) {
      view.withAffinity.set(uid, placed);
    }
    count(view, placed, 1n);
    whereabouts.set(uid, nodeName);
  }

  return {
    nodes() {
      listed ??= [...byName.values()].filter(
        (view): view is MutableNodeView & { node: Node } => view.node !== undefined,
      );
      return listed;
    },
    setNode(node) {
      viewOf(node.metadata?.name ?? '').node = node;
      listed = undefined;
    },
    removeNode(name) {
      const view = byName.get(name);
      if (view === undefined) return;
      view.node = undefined;
      if (view.pods.size === 0) byName.delete(name);
      listed = undefined;
    },
    observe(pod) {
      const uid = pod.metadata?.uid ?? '';
      const nodeName = pod.spec?.nodeName ?? '';
      if (nodeName === '') {
        // The cache is behind what was decided, or nothing was.
        return;
      }
      assumptions.delete(uid);
      if (isFinished(pod)) take(uid);
      else put(pod, nodeName);
    },
    remove({ metadata }) {
      assumptions.delete(metadata?.uid ?? '');
      take(metadata?.uid ?? '');
    },
    assume(pod, nodeName) {
      assumptions.add(pod.metadata?.uid ?? '');
      put(pod, nodeName);
    },
    forget(pod) {
      // Once the cache has shown it on a node, that counts.
      if (assumptions.delete(pod.metadata?.uid ?? '')) take(pod.metadata?.uid ?? '');
    },
    isAssumed: ({ metadata }) => assumptions.has(metadata?.uid ?? ''),
  };
}

export function placedPod(pod: Pod): PlacedPod {
  const requests = podRequests(pod);
  let cpu = requests.get('cpu')?.nanos ?? 0n;
  let memory = requests.get('memory')?.nanos ?? 0n;
  for (const container of pod.spec?.containers ?? []) {
    if (!asksFor(container, 'cpu')) cpu += DEFAULT_CPU;
    if (!asksFor(container, 'memory')) memory += DEFAULT_MEMORY;
  }
  return { pod, requests, assumed: { cpu, memory } };
}

function asksFor({ resources }: Container, name: string): boolean {
  return resources?.requests?.[name] !== undefined || resources?.limits?.[name] !== undefined;
}

function count(view: MutableNodeView, placed: PlacedPod, sign: 1n | -1n): void {
  for (const [name, { nanos }] of placed.requests) {
    view.requested.set(name, (view.requested.get(name) ?? 0n) + sign * nanos);
  }
  view.assumed = {
    cpu: view.assumed.cpu + sign * placed.assumed.cpu,
    memory: view.assumed.memory + sign * placed.assumed.memory,
  };
}
