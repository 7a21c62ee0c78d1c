/**
 * A short text over what may change in place on a running pod, in parts, so that a difference can be named.
 * It covers no resolved value: an edited ConfigMap does not restart anybody's pods. Labels and annotations are not
 * covered either: they are for the API's readers, and Zonelet's own record is among them.
 */
import { createHash } from 'node:crypto';
import type { Pod } from '../kube/types.ts';

/** Field, as in `Capabilities.update`, to what is hashed of it. An absent part is not hashed, so that new parts can be added. */
const PARTS: readonly {
  readonly tag: string;
  readonly path: string;
  of: (spec: NonNullable<Pod['spec']>) => unknown;
}[] = [
  { tag: 'i', path: 'containers[*].image', of: (spec) => spec.containers.map(({ name, image }) => [name, image]) },
  {
    tag: 'n',
    path: 'initContainers[*].image',
    of: (spec) => spec.initContainers?.map(({ name, image }) => [name, image]),
  },
  {
    tag: 'r',
    path: 'containers[*].resources',
    of: (spec) => spec.containers.map(({ name, resources }) => [name, resources?.requests, resources?.limits]),
  },
  { tag: 'e', path: 'ephemeralContainers', of: (spec) => spec.ephemeralContainers?.map(({ name }) => name) },
];

/** A spec is never changed in place, and every version of a pod whose spec is the same shares it. */
const known = new WeakMap<NonNullable<Pod['spec']>, string>();

/** Such as `1i5d41402a.r7d793037`. */
export function podHash(pod: Pod): string {
  const { spec } = pod;
  if (spec === undefined) return '1';
  const hash = known.get(spec) ?? hashOf(spec);
  known.set(spec, hash);
  return hash;
}

function hashOf(spec: NonNullable<Pod['spec']>): string {
  const parts: string[] = [];
  for (const { tag, of } of PARTS) {
    const value = of(spec);
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    parts.push(`${tag}${createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 8)}`);
  }
  return `1${parts.join('.')}`;
}

/** The fields in which two hashes differ; every field when one of them was not made here. */
export function changedFields(before: string, after: string): readonly string[] {
  if (before === after) return [];
  const old = partsOf(before);
  const fresh = partsOf(after);
  if (old === undefined || fresh === undefined) return PARTS.map(({ path }) => path);
  return PARTS.filter(({ tag }) => old.get(tag) !== fresh.get(tag)).map(({ path }) => path);
}

function partsOf(hash: string): Map<string, string> | undefined {
  if (!hash.startsWith('1')) return undefined;
  return new Map(
    hash
      .slice(1)
      .split('.')
      .filter((part) => part !== '')
      .map((part) => [part.slice(0, 1), part.slice(1)]),
  );
}
