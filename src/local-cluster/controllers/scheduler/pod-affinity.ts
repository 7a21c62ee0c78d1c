/** Affinity and anti-affinity between pods. Source: pkg/scheduler/framework/plugins/interpodaffinity. */
import type { Node, Pod } from '../../../kube/types.ts';
import { structuredSelector } from '../../api-server/selectors/labels.ts';
import type { NodeView } from './cluster-view.ts';
import { type PodSelector, podSelector } from './pod-selector.ts';

type Labels = Readonly<Record<string, string>>;
type PodAffinity = NonNullable<NonNullable<NonNullable<Pod['spec']>['affinity']>['podAffinity']>;
type RawTerm = NonNullable<PodAffinity['requiredDuringSchedulingIgnoredDuringExecution']>[number];

interface Term {
  readonly key: string;
  /** Whether the term is about this pod. */
  matches(other: Pod): boolean;
}

/** The labels of a namespace. */
export type NamespaceLabels = (name: string) => Labels | undefined;

export const AFFINITY_UNMET = "node(s) didn't match pod affinity rules";
export const ANTI_AFFINITY_UNMET = "node(s) didn't match pod anti-affinity rules";
export const OTHERS_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules";

/** Why a node is out of the question; undefined when it is not. */
export type AffinityFilter = (node: Node) => string | undefined;

export function affinityFilter(pod: Pod, views: readonly NodeView[], namespaces: NamespaceLabels): AffinityFilter {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const wanted = (podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) =>
    read(term, pod, namespaces),
  );
  const unwanted = (podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) =>
    read(term, pod, namespaces),
  );
  const near = wanted.map(() => new Set<string>());
  const far = unwanted.map(() => new Set<string>());
  const forbidden = new Map<string, Set<string>>();
  for (const { node, pods, withAffinity } of views) {
    for (const { pod: other } of withAffinity.values()) {
      const terms = other.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
      for (const term of terms) {
        const domain = node.metadata?.labels?.[term.topologyKey];
        if (domain === undefined || !read(term, other, namespaces).matches(pod)) continue;
        const domains = forbidden.get(term.topologyKey) ?? new Set();
        forbidden.set(term.topologyKey, domains.add(domain));
      }
    }
    if (wanted.length === 0 && unwanted.length === 0) continue;
    for (const { pod: other } of pods.values()) {
      // One pod has to match all terms to be one to stay near to.
      if (wanted.length > 0 && wanted.every((term) => term.matches(other))) note(wanted, near, node);
      for (const [i, term] of unwanted.entries()) {
        if (term.matches(other)) note([term], far.slice(i, i + 1), node);
      }
    }
  }
  // The first of a group that is to be together has nobody to be near to.
  const isFirst = near.every((domains) => domains.size === 0) && wanted.every((term) => term.matches(pod));
  return ({ metadata }) => {
    const labels = metadata?.labels ?? {};
    for (const [i, { key }] of wanted.entries()) {
      const domain = labels[key];
      if (domain === undefined || (!isFirst && near[i]?.has(domain) !== true)) return AFFINITY_UNMET;
    }
    for (const [i, { key }] of unwanted.entries()) {
      const domain = labels[key];
      if (domain !== undefined && far[i]?.has(domain) === true) return ANTI_AFFINITY_UNMET;
    }
    for (const [key, domains] of forbidden) {
      const domain = labels[key];
      if (domain !== undefined && domains.has(domain)) return OTHERS_ANTI_AFFINITY;
    }
    return undefined;
  };
}

/** 0 to 100 for each of `candidates`; undefined when nobody prefers anything. */
export function affinityScores(
  pod: Pod,
  views: readonly NodeView[],
  candidates: readonly NodeView[],
  namespaces: NamespaceLabels,
): number[] | undefined {
  const weights = new Map<string, Map<string, number>>();
  const add = (term: Term, about: Pod, node: Node, weight: number): void => {
    const domain = node.metadata?.labels?.[term.key];
    if (domain === undefined || !term.matches(about)) return;
    const domains = weights.get(term.key) ?? new Map<string, number>();
    weights.set(term.key, domains.set(domain, (domains.get(domain) ?? 0) + weight));
  };
  const own = preferences(pod, namespaces);
  for (const { node, pods, withAffinity } of views) {
    if (own.length > 0) {
      for (const { pod: other } of pods.values()) for (const { term, weight } of own) add(term, other, node, weight);
    }
    for (const { pod: other } of withAffinity.values()) {
      for (const { term, weight } of preferences(other, namespaces)) add(term, pod, node, weight);
      // Who must be near to this pod would rather have it near.
      const required = other.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
      for (const raw of required) add(read(raw, other, namespaces), pod, node, 1);
    }
  }
  if (weights.size === 0) return undefined;
  const raw = candidates.map(({ node }) => {
    let score = 0;
    for (const [key, domains] of weights) score += domains.get(node.metadata?.labels?.[key] ?? '') ?? 0;
    return score;
  });
  const least = Math.min(...raw);
  const span = Math.max(...raw) - least;
  return raw.map((score) => (span === 0 ? 0 : Math.floor((100 * (score - least)) / span)));
}

function preferences(pod: Pod, namespaces: NamespaceLabels): { readonly term: Term; readonly weight: number }[] {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const toward = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const away = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...toward.map(({ podAffinityTerm, weight }) => ({ term: read(podAffinityTerm, pod, namespaces), weight })),
    ...away.map(({ podAffinityTerm, weight }) => ({ term: read(podAffinityTerm, pod, namespaces), weight: -weight })),
  ];
}

function note(terms: readonly Term[], domains: readonly Set<string>[], { metadata }: Node): void {
  for (const [i, { key }] of terms.entries()) {
    const domain = metadata?.labels?.[key];
    if (domain !== undefined) domains[i]?.add(domain);
  }
}

function read(raw: RawTerm, owner: Pod, namespaceLabels: NamespaceLabels): Term {
  const { topologyKey, labelSelector, matchLabelKeys, mismatchLabelKeys, namespaces = [], namespaceSelector } = raw;
  const own =
    namespaces.length === 0 && namespaceSelector === undefined ? [owner.metadata?.namespace ?? ''] : namespaces;
  const among =
    namespaceSelector === undefined
      ? undefined
      : structuredSelector(namespaceSelector as Parameters<typeof structuredSelector>[0]);
  const selector: PodSelector = podSelector(labelSelector, owner.metadata?.labels, matchLabelKeys, mismatchLabelKeys);
  return {
    key: topologyKey,
    matches(other) {
      const namespace = other.metadata?.namespace ?? '';
      if (!own.includes(namespace) && among?.(namespaceLabels(namespace)) !== true) return false;
      return selector.matches(other.metadata?.labels);
    },
  };
}
