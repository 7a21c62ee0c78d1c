/** Which pods go first when there are too many. Source: pkg/controller/controller_utils.go (ActivePodsWithRanks). */
import { parseTime } from '../../../kube/micro-time.ts';
import type { ContainerStatus, Pod } from '../../../kube/types.ts';
import { conditionOf, isActive, isReady } from '../pod-state.ts';

const COST = 'controller.kubernetes.io/pod-deletion-cost';
const PHASES = ['Pending', 'Unknown', 'Running'];

/** `related`: the pods of everything with the same owner, by which those that share a node are found. */
export function podsToDelete(pods: readonly Pod[], related: readonly Pod[], count: number, nowMs: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const onNode = new Map<string, number>();
  for (const pod of related) {
    if (!isActive(pod)) continue;
    const node = pod.spec?.nodeName ?? '';
    onNode.set(node, (onNode.get(node) ?? 0) + 1);
  }
  const crowd = (pod: Pod): number => onNode.get(pod.spec?.nodeName ?? '') ?? 0;
  return [...pods].sort((a, b) => compare(a, b, crowd, nowMs)).slice(0, count);
}

/** Below 0: `a` goes first. */
function compare(a: Pod, b: Pod, crowd: (pod: Pod) => number, nowMs: number): number {
  return (
    Number(isAssigned(a)) - Number(isAssigned(b)) ||
    PHASES.indexOf(a.status?.phase ?? '') - PHASES.indexOf(b.status?.phase ?? '') ||
    Number(isReady(a)) - Number(isReady(b)) ||
    cost(a) - cost(b) ||
    crowd(b) - crowd(a) ||
    (isReady(a) && isReady(b) ? youngerFirst(a, b, readySince(a), readySince(b), nowMs) : 0) ||
    restarts(b) - restarts(a) ||
    youngerFirst(a, b, parseTime(a.metadata?.creationTimestamp), parseTime(b.metadata?.creationTimestamp), nowMs)
  );
}

function isAssigned({ spec }: Pod): boolean {
  return (spec?.nodeName ?? '') !== '';
}

function cost({ metadata }: Pod): number {
  const text = metadata?.annotations?.[COST] ?? '0';
  return /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : 0;
}

function readySince(pod: Pod): number | undefined {
  return parseTime(conditionOf(pod, 'Ready')?.lastTransitionTime);
}

function restarts({ status }: Pod): number {
  const most = (containers: readonly ContainerStatus[] | undefined): number =>
    Math.max(0, ...(containers ?? []).map(({ restartCount }) => restartCount));
  return most(status?.containerStatuses);
}

/** By the order of magnitude of their age, then by chance (the UID), so that one age group is not wiped out as a whole. */
function youngerFirst(a: Pod, b: Pod, aMs: number | undefined, bMs: number | undefined, nowMs: number): number {
  if (aMs === bMs) return 0;
  if (aMs === undefined) return -1;
  if (bMs === undefined) return 1;
  const magnitude = (ms: number): number => (nowMs > ms ? Math.trunc(Math.log2((nowMs - ms) * 1e6)) : -1);
  return magnitude(aMs) - magnitude(bMs) || ((a.metadata?.uid ?? '') < (b.metadata?.uid ?? '') ? -1 : 1);
}
