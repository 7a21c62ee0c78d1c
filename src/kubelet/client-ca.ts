/**
 * Whose client certificates count: the cluster's client CA, which the API server publishes in a ConfigMap
 * (kube-system/extension-apiserver-authentication, as aggregated API servers use it). Read again every
 * minute; what was read last stays while reading fails. Until it was read once, no client certificate counts.
 */
import { type Clock, sleep } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { CONFIG_MAPS } from '../kube/resources.ts';
import type { Logger } from '../log.ts';

export interface ClientCa {
  /** PEM, one or more certificates; undefined until it was read. */
  readonly bundle: string | undefined;
  /** Told after each change. Returns its removal. */
  subscribe(changed: () => void): () => void;
  /** Reads now and then every minute; returns when the signal aborts. Never throws. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ClientCaOptions {
  /** Throws when it cannot be read. */
  readonly read: (signal: AbortSignal) => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
  /** @defaultValue 60000: a rotated CA is announced long before the old one ends. */
  readonly intervalMs?: number;
}

/** While nothing was read yet. */
const FIRST_RETRY_MS = 2000;

export function createClientCa(options: ClientCaOptions): ClientCa {
  const { clock, log } = options;
  const subscribers = new Set<() => void>();
  let bundle: string | undefined;
  return {
    get bundle() {
      return bundle;
    },
    subscribe(changed) {
      subscribers.add(changed);
      return () => subscribers.delete(changed);
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          const read = await options.read(signal);
          if (!read.includes('-----BEGIN CERTIFICATE-----')) {
            throw new ZoneletError('InvalidInput', 'there is no certificate in it');
          }
          if (read !== bundle) {
            bundle = read;
            for (const changed of subscribers) changed();
          }
        } catch (error) {
          if (signal.aborted) return;
          log.warn({ error: messageOf(error) }, 'cannot read the client CA of the kubelet API');
        }
        await sleep(clock, bundle === undefined ? FIRST_RETRY_MS : (options.intervalMs ?? 60_000), signal);
      }
    },
  };
}

/** Needs `get` on that ConfigMap: the role kube-system/extension-apiserver-authentication-reader. */
export function clusterClientCa(client: KubeClient): ClientCaOptions['read'] {
  const at = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  return async (signal) => {
    const { data } = await client.get(CONFIG_MAPS, at, { signal });
    const bundle = data?.['client-ca-file'];
    if (bundle === undefined) {
      throw new ZoneletError('NotFound', `the ConfigMap ${at.namespace}/${at.name} has no client-ca-file`);
    }
    return bundle;
  };
}
