/**
 * Where a pod goes: the nodes that can take it, and of those the best. Filters in kube-scheduler's order, the first that
 * objects gives the reason; scores with its weights. Source: pkg/scheduler/schedule_one.go, apis/config/v1/default_plugins.go.
 */
import type { Random } from '../../../clock.ts';
import type { Pod } from '../../../kube/types.ts';
import { matchesNode, matchesTerm } from '../../../node-affinity.ts';
import { tolerates, UNSCHEDULABLE, untolerated } from '../../../taints.ts';
import { type NodeView, type PlacedPod, placedPod } from './cluster-view.ts';
import { hasFreePorts, hostPorts, leastAllocated, missingResources } from './fit.ts';
import { affinityFilter, affinityScores, type NamespaceLabels } from './pod-affinity.ts';
import type { PodSelector } from './pod-selector.ts';
import { spreadFilter, spreadScores } from './topology-spread.ts';

export interface PlacementInput {
  readonly pod: Pod;
  readonly views: readonly NodeView[];
  readonly random: Random;
  readonly namespaces: NamespaceLabels;
  /** The selector of what controls the pod. */
  readonly ownSelector: PodSelector | undefined;
}

export type Placement = { readonly node: string } | { readonly message: string };

/** Weights of kube-scheduler's default profile. */
const WEIGHTS = { taints: 3, nodeAffinity: 2, spread: 2, podAffinity: 2, resources: 1 };

export function place(input: PlacementInput): Placement {
  const { pod, views, random, namespaces } = input;
  if (views.length === 0) return { message: 'no nodes available to schedule pods' };
  const hopeless = unsupported(pod);
  if (hopeless !== undefined) return { message: `0/${views.length} nodes are available: ${hopeless}.` };
  const candidate = placedPod(pod);
  const ports = hostPorts(pod);
  const spread = spreadFilter(pod, views);
  const affinity = affinityFilter(pod, views, namespaces);
  const fitting: NodeView[] = [];
  const reasons = new Map<string, number>();
  for (const view of views) {
    const objections =
      nodeObjection(pod, view) ??
      (hasFreePorts(ports, view) ? undefined : ["node(s) didn't have free ports for the requested pod ports"]) ??
      nonEmpty(missingResources(candidate, view)) ??
      one(spread(view.node)) ??
      one(affinity(view.node));
    if (objections === undefined) fitting.push(view);
    else for (const reason of objections) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  if (fitting.length === 0) {
    const texts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
    return { message: `0/${views.length} nodes are available: ${texts.join(', ')}.` };
  }
  const best = pick(score(input, candidate, fitting), random);
  return { node: best.node.metadata?.name ?? '' };
}

/** What this cluster has nothing of, and so can never be had. */
function unsupported({ spec }: Pod): string | undefined {
  for (const { persistentVolumeClaim, ephemeral, name } of spec?.volumes ?? []) {
    if (persistentVolumeClaim !== undefined) {
      return `persistentvolumeclaim "${persistentVolumeClaim.claimName}" not found`;
    }
    if (ephemeral !== undefined) {
      return `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`;
    }
  }
  const [claim] = spec?.resourceClaims ?? [];
  if (claim === undefined) return undefined;
  return claim.resourceClaimName === undefined
    ? `waiting for resource claim "${claim.name}" to be created`
    : `resourceclaim.resource.k8s.io "${claim.resourceClaimName}" not found`;
}

function nodeObjection(pod: Pod, { node }: NodeView): string[] | undefined {
  const { unschedulable = false, taints = [] } = node.spec ?? {};
  const cordon = { key: UNSCHEDULABLE, effect: 'NoSchedule' };
  if (unschedulable && !(pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, cordon))) {
    return ['node(s) were unschedulable'];
  }
  if (untolerated(pod, taints, ['NoSchedule', 'NoExecute']) !== undefined) return ['node(s) had untolerated taint(s)'];
  if (!matchesNode(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  return undefined;
}

function nonEmpty(reasons: string[]): string[] | undefined {
  return reasons.length === 0 ? undefined : reasons;
}

function one(reason: string | undefined): string[] | undefined {
  return reason === undefined ? undefined : [reason];
}

interface Scored {
  readonly view: NodeView;
  readonly score: number;
}

function score(input: PlacementInput, candidate: PlacedPod, fitting: readonly NodeView[]): Scored[] {
  const { pod, views, namespaces, ownSelector } = input;
  if (fitting.length === 1) return fitting.map((view) => ({ view, score: 0 }));
  const taints = fitting.map((view) => unpreferredTaints(pod, view));
  const mostTaints = Math.max(...taints);
  const preferred = fitting.map((view) => preferredNode(pod, view));
  const mostPreferred = Math.max(...preferred);
  const spread = spreadScores(pod, views, fitting, ownSelector);
  const affinity = affinityScores(pod, views, fitting, namespaces);
  return fitting.map((view, i) => ({
    view,
    score:
      WEIGHTS.taints * (mostTaints === 0 ? 100 : 100 - Math.floor((100 * (taints[i] ?? 0)) / mostTaints)) +
      WEIGHTS.nodeAffinity * (mostPreferred === 0 ? 0 : Math.floor((100 * (preferred[i] ?? 0)) / mostPreferred)) +
      WEIGHTS.spread * (spread?.[i] ?? 0) +
      WEIGHTS.podAffinity * (affinity?.[i] ?? 0) +
      WEIGHTS.resources * leastAllocated(candidate, view),
  }));
}

function unpreferredTaints(pod: Pod, { node }: NodeView): number {
  const tolerations = (pod.spec?.tolerations ?? []).filter(
    ({ effect = '' }) => effect === '' || effect === 'PreferNoSchedule',
  );
  return (node.spec?.taints ?? []).filter(
    (taint) => taint.effect === 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  ).length;
}

function preferredNode(pod: Pod, { node }: NodeView): number {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return terms.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0);
}

/** One of the best, at random: equal nodes fill up equally. */
function pick(scored: readonly Scored[], random: Random): NodeView {
  const best = Math.max(...scored.map((one) => one.score));
  const top = scored.filter((one) => one.score === best);
  const chosen = top[Math.floor(random.next() * top.length)] ?? top[0];
  if (chosen === undefined) throw new RangeError('nothing to pick from');
  return chosen.view;
}
