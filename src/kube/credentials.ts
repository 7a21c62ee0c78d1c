/** Where the API server is and who this process is to it. */
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Clock } from '../clock.ts';
import { ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { IdentitySource } from './identity.ts';
import { loadInCluster, SERVICE_ACCOUNT_DIRECTORY } from './in-cluster.ts';
import { loadKubeconfig } from './kubeconfig.ts';

export interface CredentialsOptions {
  /** Path of a kubeconfig; nothing else is looked at when it is given. */
  readonly kubeconfig?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where a pod finds its ServiceAccount. @defaultValue the path that Kubernetes mounts it at */
  readonly serviceAccountDirectory?: string;
}

export interface Credentials {
  readonly server: string;
  readonly identity: IdentitySource;
  /** The pod's own namespace; undefined outside a cluster. */
  readonly namespace: string | undefined;
  /** What they were taken from, for logs: `in-cluster` or file names. */
  readonly source: string;
}

/**
 * The first of: the given kubeconfig, the pod's ServiceAccount, the files of $KUBECONFIG, ~/.kube/config.
 * Throws `InvalidInput` when there is none, or when the one that counts has a mistake; the message names the file.
 */
export async function loadCredentials(options: CredentialsOptions): Promise<Credentials> {
  const { kubeconfig, env, clock, log } = options;
  if (kubeconfig === undefined) {
    const directory = options.serviceAccountDirectory ?? SERVICE_ACCOUNT_DIRECTORY;
    const found = await loadInCluster({ env, directory, clock, log });
    if (found !== undefined) return { ...found, source: 'in-cluster' };
  }
  const files = kubeconfig === undefined ? await defaultFiles(env) : [kubeconfig];
  const { server, identity } = await loadKubeconfig({ files, env, clock, log });
  return { server, identity, namespace: undefined, source: files.join(delimiter) };
}

async function defaultFiles(env: CredentialsOptions['env']): Promise<string[]> {
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) return listed;
  const home = env.HOME ?? env.USERPROFILE;
  const file = home === undefined ? undefined : join(home, '.kube', 'config');
  if (file !== undefined && (await exists(file))) return [file];
  throw new ZoneletError(
    'InvalidInput',
    `no kubeconfig: none was given, this is no pod with a ServiceAccount, $KUBECONFIG is not set and ${file ?? '~/.kube/config'} does not exist`,
  );
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
