/** The live read without which nothing is deleted on a backend: a cache may be behind, and a pod of the same name may be another one. */
import { hasCode } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { PODS } from '../kube/resources.ts';
import type { PodRef } from '../provider/contract.ts';

/** Whether the API has a pod of this UID now. Not finding out throws. */
export async function isInApi(
  client: Pick<KubeClient, 'get'>,
  { uid, namespace, name }: PodRef,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await client.get(PODS, { namespace, name }, { signal })).metadata?.uid === uid;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return false;
    throw error;
  }
}
