/**
 * Fields of the pod itself as values (`fieldRef`, the downward API). Environment variables and files may ask for
 * different ones: see https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields.
 */
import type { Pod } from '../../kube/types.ts';
import type { PodIPMarkers } from '../../provider/contract.ts';
import { goQuoted } from './go-quote.ts';

/** What is not written in the pod's metadata and spec. */
export interface Addresses extends PodIPMarkers {
  readonly hostIP: string;
}

const OF_POD: Readonly<Record<string, (pod: Pod) => string | undefined>> = {
  'metadata.name': (pod) => pod.metadata?.name,
  'metadata.namespace': (pod) => pod.metadata?.namespace,
  'metadata.uid': (pod) => pod.metadata?.uid,
};

const VARIABLES: Readonly<Record<string, (pod: Pod, addresses: Addresses) => string | undefined>> = {
  ...OF_POD,
  'spec.nodeName': (pod) => pod.spec?.nodeName,
  'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName,
  'status.hostIP': (_, { hostIP }) => hostIP,
  // A virtual node has one address.
  'status.hostIPs': (_, { hostIP }) => hostIP,
  'status.podIP': (_, { podIP }) => podIP,
  'status.podIPs': (_, { podIPs }) => podIPs,
};

const FILES: Readonly<Record<string, (pod: Pod) => string | undefined>> = {
  ...OF_POD,
  'metadata.labels': (pod) => lines(pod.metadata?.labels),
  'metadata.annotations': (pod) => lines(pod.metadata?.annotations),
};

const SUBSCRIPT = /^metadata\.(labels|annotations)\['([^']+)'\]$/;
const POD_IP = /^status\.podIPs?$/;

/** True when a variable can have this field's value. */
export function isVariableField(fieldPath: string): boolean {
  return Object.hasOwn(VARIABLES, fieldPath) || SUBSCRIPT.test(fieldPath);
}

/** True when a file can have this field's value. */
export function isFileField(fieldPath: string): boolean {
  return Object.hasOwn(FILES, fieldPath) || SUBSCRIPT.test(fieldPath);
}

/** True for the addresses that only the backend can give. */
export function isPodIPField(fieldPath: string): boolean {
  return POD_IP.test(fieldPath);
}

/** True for a field that may change while the pod runs. */
export function isLiveField(fieldPath: string): boolean {
  return fieldPath.startsWith('metadata.labels') || fieldPath.startsWith('metadata.annotations');
}

/** Empty for a field that is not set. */
export function variableField(pod: Pod, fieldPath: string, addresses: Addresses): string {
  if (Object.hasOwn(VARIABLES, fieldPath)) return VARIABLES[fieldPath]?.(pod, addresses) ?? '';
  return subscript(pod, fieldPath);
}

/** Empty for a field that is not set. */
export function fileField(pod: Pod, fieldPath: string): string {
  if (Object.hasOwn(FILES, fieldPath)) return FILES[fieldPath]?.(pod) ?? '';
  return subscript(pod, fieldPath);
}

function subscript(pod: Pod, fieldPath: string): string {
  const [, map, key = ''] = SUBSCRIPT.exec(fieldPath) ?? [];
  const values = map === 'labels' ? pod.metadata?.labels : pod.metadata?.annotations;
  return values !== undefined && Object.hasOwn(values, key) ? (values[key] ?? '') : '';
}

/** One `key="value"` a line, sorted by key; no line end after the last. */
function lines(values: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(values ?? {})
    .sort()
    .map((key) => `${key}=${goQuoted(values?.[key] ?? '')}`)
    .join('\n');
}
