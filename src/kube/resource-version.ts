/**
 * The order of resourceVersions. They are decimal numbers without bound, comparable within one resource.
 * Source: KEP-5504 "Comparable Resource Version" (stable in Kubernetes 1.35), k8s.io/apimachinery pkg/util/resourceversion.
 */

const DECIMAL = /^(0|[1-9]\d*)$/;

/** Negative when `a` is older than `b`, 0 when equal, positive when newer; undefined when one of them is no number. */
export function compareResourceVersions(a: string, b: string): number | undefined {
  if (a === b) return 0;
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return undefined;
  return a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length;
}

/** True when `a` is certainly older than `b`. What cannot be compared is not older. */
export function isOlder(a: string, b: string): boolean {
  const order = compareResourceVersions(a, b);
  return order !== undefined && order < 0;
}
