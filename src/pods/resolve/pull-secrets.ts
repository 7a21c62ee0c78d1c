/**
 * What registries are told, from the Secrets in a pod's `imagePullSecrets`
 * (https://kubernetes.io/docs/concepts/containers/images/#specifying-imagepullsecrets-on-a-pod). Those of its
 * ServiceAccount are among them: admission copies them into the pod when it is made. What cannot be used is told and
 * left out, as by a kubelet: perhaps the image needs none.
 */

import { hasCode } from '../../errors.ts';
import type { Pod } from '../../kube/types.ts';
import type { PullSecret } from '../../provider/contract.ts';
import { isRecord } from '../../provider/received-values.ts';
import type { Note } from './missing.ts';
import type { Referenced } from './referenced.ts';
import type { ReadReference } from './references.ts';

export interface PullSecrets {
  readonly secrets: readonly PullSecret[];
  readonly notes: readonly Note[];
}

export async function resolvePullSecrets(pod: Pod, read: ReadReference): Promise<PullSecrets> {
  const secrets: PullSecret[] = [];
  const failed: string[] = [];
  for (const { name = '' } of pod.spec?.imagePullSecrets ?? []) {
    if (name === '') continue;
    const found = await readSecret(pod, name, read);
    const entries = found === undefined ? undefined : entriesOf(found);
    if (entries === undefined) failed.push(name);
    else secrets.push(...entries);
  }
  if (failed.length === 0) return { secrets, notes: [] };
  const message = `Unable to retrieve some image pull secrets (${failed.join(', ')}); attempting to pull the image may not succeed.`;
  return { secrets, notes: [{ reason: 'FailedToRetrieveImagePullSecret', message }] };
}

async function readSecret(pod: Pod, name: string, read: ReadReference): Promise<Referenced | undefined> {
  try {
    return await read({ kind: 'Secret', namespace: pod.metadata?.namespace ?? '', name });
  } catch (error) {
    if (hasCode(error, 'Forbidden', 'Unauthorized')) return undefined;
    throw error;
  }
}

/** Undefined when it cannot be read. A Secret of another type holds none. */
function entriesOf({ type, files }: Referenced): readonly PullSecret[] | undefined {
  const json = type === 'kubernetes.io/dockerconfigjson';
  if (!json && type !== 'kubernetes.io/dockercfg') return [];
  const content = files.get(json ? '.dockerconfigjson' : '.dockercfg');
  if (content === undefined || content.length === 0) return [];
  try {
    const whole: unknown = JSON.parse(Buffer.from(content).toString());
    if (!isRecord(whole)) return undefined;
    const registries = json ? (whole.auths ?? {}) : whole;
    if (!isRecord(registries)) return undefined;
    return Object.entries(registries).map(([registry, entry]) => ({ registry, ...credentials(entry) }));
  } catch {
    return undefined;
  }
}

/** `auth`, where it is given, wins over the two fields. Throws when it is none. */
function credentials(entry: unknown): { readonly username: string; readonly password: string } {
  if (!isRecord(entry)) throw new Error('no object');
  const { auth, username = '', password = '' } = entry;
  if (typeof auth === 'string' && auth !== '') {
    const text = Buffer.from(auth, 'base64').toString();
    const colon = text.indexOf(':');
    if (colon < 0) throw new Error('no colon');
    return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  if (typeof username !== 'string' || typeof password !== 'string') throw new Error('no text');
  return { username, password };
}
