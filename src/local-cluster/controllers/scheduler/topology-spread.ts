/** Topology spread constraints. Source: pkg/scheduler/framework/plugins/podtopologyspread. */

import type { Node, Pod } from '../../../kube/types.ts';
import { matchesNode } from '../../../node-affinity.ts';
import { untolerated } from '../../../taints.ts';
import { isEnding } from '../pod-state.ts';
import type { NodeView } from './cluster-view.ts';
import { type PodSelector, podSelector } from './pod-selector.ts';

interface Constraint {
  readonly key: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: PodSelector;
  readonly honorsAffinity: boolean;
  readonly honorsTaints: boolean;
}

const HOSTNAME = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';

export const SPREAD_UNMET = "node(s) didn't match pod topology spread constraints";
export const SPREAD_LABEL_MISSING = `${SPREAD_UNMET} (missing required label)`;

/** Why a node is out of the question; undefined when it is not. */
export type SpreadFilter = (node: Node) => string | undefined;

/** Counts once per decision; the filter is then asked for each node. */
export function spreadFilter(pod: Pod, views: readonly NodeView[]): SpreadFilter {
  const constraints = constraintsOf(pod, 'DoNotSchedule');
  if (constraints.length === 0) return () => undefined;
  const counts = constraints.map(() => new Map<string, number>());
  for (const view of views) {
    if (!hasLabels(view.node, constraints)) continue;
    for (const [i, constraint] of constraints.entries()) {
      if (!isEligible(pod, view.node, constraint)) continue;
      const domain = view.node.metadata?.labels?.[constraint.key] ?? '';
      counts[i]?.set(domain, (counts[i].get(domain) ?? 0) + matching(view, constraint.selector, pod));
    }
  }
  const limits = constraints.map((constraint, i) => {
    const domains = counts[i] ?? new Map<string, number>();
    // With fewer domains than asked for, an empty one is thought to be there.
    const least = domains.size < constraint.minDomains ? 0 : Math.min(...domains.values());
    const self = constraint.selector.matches(pod.metadata?.labels) ? 1 : 0;
    return { ...constraint, domains, most: least + constraint.maxSkew - self };
  });
  return (node) => {
    for (const { key, domains, most } of limits) {
      const domain = node.metadata?.labels?.[key];
      if (domain === undefined) return SPREAD_LABEL_MISSING;
      if ((domains.get(domain) ?? 0) > most) return SPREAD_UNMET;
    }
    return undefined;
  };
}

/**
 * 0 to 100 for each of `candidates`, more where fewer pods are. `ownSelector`: the selector of what controls the pod,
 * by which one without constraints of its own is spread over hosts and zones.
 */
export function spreadScores(
  pod: Pod,
  views: readonly NodeView[],
  candidates: readonly NodeView[],
  ownSelector: PodSelector | undefined,
): number[] | undefined {
  const own = (pod.spec?.topologySpreadConstraints ?? []).length > 0;
  const constraints = own ? constraintsOf(pod, 'ScheduleAnyway') : defaultConstraints(ownSelector);
  if (constraints.length === 0) return undefined;
  const ignored = new Set(own ? candidates.filter(({ node }) => !hasLabels(node, constraints)) : []);
  const perDomain = constraints.map(({ key }) => {
    const domains = new Map<string, number>();
    if (key === HOSTNAME) return domains;
    for (const view of candidates) {
      if (!ignored.has(view)) domains.set(view.node.metadata?.labels?.[key] ?? '', 0);
    }
    return domains;
  });
  for (const view of views) {
    if (own && !hasLabels(view.node, constraints)) continue;
    for (const [i, constraint] of constraints.entries()) {
      const domain = view.node.metadata?.labels?.[constraint.key] ?? '';
      const before = perDomain[i]?.get(domain);
      if (before === undefined || !isEligible(pod, view.node, constraint)) continue;
      perDomain[i]?.set(domain, before + matching(view, constraint.selector, pod));
    }
  }
  const raw = candidates.map((view) => {
    if (ignored.has(view)) return undefined;
    let score = 0;
    for (const [i, { key, maxSkew, selector }] of constraints.entries()) {
      const domain = view.node.metadata?.labels?.[key];
      if (domain === undefined) continue;
      const count = key === HOSTNAME ? matching(view, selector, pod) : (perDomain[i]?.get(domain) ?? 0);
      const size = key === HOSTNAME ? candidates.length - ignored.size : (perDomain[i]?.size ?? 0);
      // Fewer, larger domains weigh less, so that many small ones are not drowned.
      score += count * Math.log(size + 2) + (maxSkew - 1);
    }
    return Math.round(score);
  });
  const known = raw.filter((score) => score !== undefined);
  const most = Math.max(0, ...known);
  const least = Math.min(...known);
  return raw.map((score) => {
    if (score === undefined) return 0;
    return most === 0 ? 100 : Math.floor((100 * (most + least - score)) / most);
  });
}

function constraintsOf({ spec, metadata }: Pod, action: 'DoNotSchedule' | 'ScheduleAnyway'): Constraint[] {
  return (spec?.topologySpreadConstraints ?? [])
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === action)
    .map((constraint) => ({
      key: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      selector: podSelector(constraint.labelSelector, metadata?.labels, constraint.matchLabelKeys),
      honorsAffinity: (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor',
      honorsTaints: (constraint.nodeTaintsPolicy ?? 'Ignore') === 'Honor',
    }));
}

/** What kube-scheduler does with pods that say nothing of their own. */
function defaultConstraints(selector: PodSelector | undefined): Constraint[] {
  if (selector === undefined || selector.isEmpty) return [];
  const common = { minDomains: 1, selector, honorsAffinity: true, honorsTaints: false };
  return [
    { key: HOSTNAME, maxSkew: 3, ...common },
    { key: ZONE, maxSkew: 5, ...common },
  ];
}

function hasLabels(node: Node, constraints: readonly Constraint[]): boolean {
  return constraints.every(({ key }) => node.metadata?.labels?.[key] !== undefined);
}

function isEligible(pod: Pod, node: Node, { honorsAffinity, honorsTaints }: Constraint): boolean {
  if (honorsAffinity && !matchesNode(pod, node)) return false;
  return !honorsTaints || untolerated(pod, node.spec?.taints ?? [], ['NoSchedule', 'NoExecute']) === undefined;
}

/** Pods that are on their way out do not count, nor does anything for a selector that asks for nothing. */
function matching(view: NodeView, selector: PodSelector, { metadata }: Pod): number {
  if (selector.isEmpty) return 0;
  let count = 0;
  for (const { pod } of view.pods.values()) {
    if (isEnding(pod) || pod.metadata?.namespace !== metadata?.namespace) continue;
    if (selector.matches(pod.metadata?.labels)) count++;
  }
  return count;
}
