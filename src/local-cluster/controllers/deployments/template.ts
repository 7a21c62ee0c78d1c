/** Which ReplicaSet has a Deployment's present template, and what a new one is called. Source: pkg/controller/deployment/util. */
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';
import { isObject, sameJson } from '../../api-server/api-object.ts';
import { byAge } from './strategy.ts';

export const HASH_LABEL = 'pod-template-hash';

type Template = NonNullable<NonNullable<ReplicaSet['spec']>['template']>;

export function sameTemplate(a: Template | undefined, b: Template | undefined): boolean {
  return sameJson(withoutHash(a), withoutHash(b));
}

function withoutHash(template: Template | undefined): unknown {
  const { [HASH_LABEL]: _hash, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

/** The oldest with the template: should there be several, all who look agree on it. */
export function findNewest(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...replicaSets].sort(byAge).find(({ spec }) => sameTemplate(spec?.template, deployment.spec?.template));
}

/** No vowels, nor what looks like one: a hash must not spell anything. */
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * A short text that says which template it is; other than kube-controller-manager's, which hashes the memory layout of
 * Go's types. `collisions` tells apart templates that happen to have the same.
 */
export function templateHash(template: Template | undefined, collisions: number | undefined): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${JSON.stringify(sorted(template))}${collisions ?? ''}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return Array.from(String(hash), (digit) => SAFE[digit.charCodeAt(0) % SAFE.length]).join('');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
