/** Credentials of a pod: its ServiceAccount's token, CA and namespace, mounted as files. Source: client-go rest.InClusterConfig. */
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { IdentitySource } from './identity.ts';
import { createRenewal, type Issued } from './renewal.ts';

export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The kubelet replaces the token long before it runs out (after 80 % of its life), so a minute is soon enough. */
const GOOD_FOR_MS = 60_000;

export interface InClusterOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface InCluster {
  readonly server: string;
  readonly namespace: string;
  readonly identity: IdentitySource;
}

/** Undefined outside a cluster; throws `InvalidInput` when a file of the ServiceAccount is missing inside one. */
export async function loadInCluster(options: InClusterOptions): Promise<InCluster | undefined> {
  const { env, directory, clock, log } = options;
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port) return undefined;
  const read = async (name: string): Promise<string> => {
    try {
      return (await readFile(join(directory, name), 'utf8')).trim();
    } catch (cause) {
      throw new ZoneletError('InvalidInput', `in-cluster credentials: ${messageOf(cause)}`, { cause });
    }
  };
  const issue = async (): Promise<Issued> => ({
    identity: { authorization: `Bearer ${await read('token')}`, ca: await read('ca.crt') },
    goodForMs: GOOD_FOR_MS,
  });
  let first: Issued;
  try {
    first = await issue();
  } catch (error) {
    // A pod without a mounted token may well have a kubeconfig.
    log.debug({ error: messageOf(error) }, 'in a cluster, without its credentials');
    return undefined;
  }
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    namespace: await read('namespace'),
    identity: createRenewal({ first, renew: issue, clock, log }),
  };
}
