/** Who controls what, and how an object without a controller gets one. Source: pkg/controller/controller_ref_manager.go. */
import { hasCode } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Resource } from '../../kube/resources.ts';
import type { KubeObject, OwnerReference } from '../../kube/types.ts';
import type { LabelSelector } from '../api-server/selectors/labels.ts';

export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata?.ownerReferences?.find((reference) => reference.controller === true);
}

/** The reference that a controller puts on what it makes. */
export function controllerReference(owner: KubeObject): OwnerReference {
  const { name = '', uid = '' } = owner.metadata ?? {};
  return {
    apiVersion: owner.apiVersion ?? '',
    kind: owner.kind ?? '',
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface ClaimOptions<T extends KubeObject, O extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly owner: O;
  readonly ownerResource: Resource<O>;
  readonly selector: LabelSelector;
  readonly signal: AbortSignal;
}

/**
 * Of `candidates` those that `owner` controls: what it has and selects, and what it selects and nobody has, which is
 * adopted. What it has and no longer selects is released.
 */
export async function claim<T extends KubeObject, O extends KubeObject>(
  candidates: readonly T[],
  options: ClaimOptions<T, O>,
): Promise<T[]> {
  const { owner, selector } = options;
  const ending = owner.metadata?.deletionTimestamp !== undefined;
  const mine: T[] = [];
  let mayAdopt: boolean | undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    const selected = selector(object.metadata?.labels);
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata?.uid) continue;
      if (selected) mine.push(object);
      else if (!ending) await release(object, options);
    } else if (selected && !ending && object.metadata?.deletionTimestamp === undefined) {
      mayAdopt ??= await stillThere(options);
      if (!mayAdopt) continue;
      const adopted = await adopt(object, options);
      if (adopted !== undefined) mine.push(adopted);
    }
  }
  return mine;
}

/** The cache may be behind: what is being deleted must adopt nothing. */
async function stillThere<O extends KubeObject>(options: ClaimOptions<KubeObject, O>): Promise<boolean> {
  const { client, owner, ownerResource, signal } = options;
  const live = await client.get(ownerResource, at(owner), { signal });
  return live.metadata?.uid === owner.metadata?.uid && live.metadata?.deletionTimestamp === undefined;
}

async function adopt<T extends KubeObject, O extends KubeObject>(
  object: T,
  options: ClaimOptions<T, O>,
): Promise<T | undefined> {
  const references = [...(object.metadata?.ownerReferences ?? []), controllerReference(options.owner)];
  return await writeOwners(object, references, options);
}

async function release<T extends KubeObject, O extends KubeObject>(
  object: T,
  options: ClaimOptions<T, O>,
): Promise<void> {
  const uid = options.owner.metadata?.uid;
  const references = (object.metadata?.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
  await writeOwners(object, references, options);
}

/** Replaces the owners of exactly this state of the object; undefined when it is gone. Throws `Conflict` when it changed. */
export async function writeOwners<T extends KubeObject>(
  object: T,
  ownerReferences: readonly OwnerReference[],
  { client, resource, signal }: { client: KubeClient; resource: Resource<T>; signal: AbortSignal },
): Promise<T | undefined> {
  const { uid, resourceVersion } = object.metadata ?? {};
  const body = { metadata: { uid, resourceVersion, ownerReferences } };
  try {
    return await client.patch(resource, at(object), { type: 'merge', body }, { signal });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Where the object is. */
export function at({ metadata }: KubeObject): { name: string; namespace?: string } {
  const { name = '', namespace } = metadata ?? {};
  return namespace === undefined || namespace === '' ? { name } : { name, namespace };
}
