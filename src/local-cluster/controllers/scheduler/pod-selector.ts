/** Which other pods a constraint of a pod is about. Source: apimachinery pkg/apis/meta/v1 helpers.go (LabelSelectorAsSelector). */
import type { Pod } from '../../../kube/types.ts';
import { structuredSelector } from '../../api-server/selectors/labels.ts';

type Labels = Readonly<Record<string, string>> | undefined;
type Constraint = NonNullable<NonNullable<Pod['spec']>['topologySpreadConstraints']>[number];

export interface PodSelector {
  matches(labels: Labels): boolean;
  /** It asks for nothing, and so matches everything. */
  readonly isEmpty: boolean;
}

/**
 * `matchKeys` and `mismatchKeys`: labels that others must have as the pod itself has them, or must not.
 * No selector at all matches nothing.
 */
export function podSelector(
  selector: Constraint['labelSelector'],
  own: Labels,
  matchKeys: readonly string[] = [],
  mismatchKeys: readonly string[] = [],
): PodSelector {
  if (selector === undefined || selector === null) return { matches: () => false, isEmpty: false };
  const base = structuredSelector(selector as Parameters<typeof structuredSelector>[0]);
  const same = matchKeys.filter((key) => own?.[key] !== undefined);
  const other = mismatchKeys.filter((key) => own?.[key] !== undefined);
  const parts = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length;
  return {
    matches: (labels) =>
      base(labels) &&
      same.every((key) => labels?.[key] === own?.[key]) &&
      other.every((key) => labels?.[key] !== own?.[key]),
    isEmpty: parts + same.length + other.length === 0,
  };
}
