/** Fields of the pod itself as values (downward API): those that are known before the pod has started. */
import type { Pod } from '../kube/types.ts';

const PLAIN: Readonly<Record<string, (pod: Pod) => string | undefined>> = {
  'metadata.name': (pod) => pod.metadata?.name,
  'metadata.namespace': (pod) => pod.metadata?.namespace,
  'metadata.uid': (pod) => pod.metadata?.uid,
  'spec.nodeName': (pod) => pod.spec?.nodeName,
  'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName,
};

const SUBSCRIPT = /^metadata\.(labels|annotations)\['([^']+)'\]$/;

/** True when `fieldValue` can answer for this path. */
export function isKnownField(fieldPath: string): boolean {
  return Object.hasOwn(PLAIN, fieldPath) || SUBSCRIPT.test(fieldPath);
}

/** The value; undefined for a field that is not set. */
export function fieldValue(pod: Pod, fieldPath: string): string | undefined {
  if (Object.hasOwn(PLAIN, fieldPath)) return PLAIN[fieldPath]?.(pod);
  const [, map, key] = SUBSCRIPT.exec(fieldPath) ?? [];
  if (key === undefined) return undefined;
  return (map === 'labels' ? pod.metadata?.labels : pod.metadata?.annotations)?.[key];
}
