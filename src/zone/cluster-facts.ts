/** What a replica has to learn of its cluster before it can take part: whose objects are whose, and where it runs itself. */
import { type Clock, sleep } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { NAMESPACES, NODES, PODS } from '../kube/resources.ts';
import type { Logger } from '../log.ts';

export interface AskOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
}

const RETRY_MS = 1_000;
const RETRY_MAX_MS = 10_000;

/**
 * `<UID of the namespace kube-system>/<set>`: two clusters with a set of the same name can share a backend.
 * Asks until it is answered; undefined only when the signal aborts first.
 */
export async function askOwner(set: string, options: AskOptions, signal: AbortSignal): Promise<string | undefined> {
  const uid = await persist(
    'the UID of the namespace kube-system',
    async () => (await options.client.get(NAMESPACES, { name: 'kube-system' }, { signal })).metadata?.uid,
    options,
    signal,
  );
  return uid === undefined ? undefined : `${uid}/${set}`;
}

export interface Whereabouts {
  /** Name of the node that the replica runs on, when its environment says so (`NODE_NAME`). */
  readonly nodeName: string | undefined;
  /** The replica's own pod, when it is one. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
}

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** The zone label of the node that the replica runs on; undefined when it runs on none that the cluster knows. */
export async function askHomeZone(
  at: Whereabouts,
  options: AskOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { client } = options;
  return persist(
    'the zone of the node that this replica runs on',
    async () => {
      const nodeName =
        at.nodeName ?? (at.pod === undefined ? undefined : (await client.get(PODS, at.pod, { signal })).spec?.nodeName);
      if (nodeName === undefined) return undefined;
      return (await client.get(NODES, { name: nodeName }, { signal })).metadata?.labels?.[ZONE_LABEL];
    },
    options,
    signal,
  );
}

async function persist<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  { clock, log }: AskOptions,
  signal: AbortSignal,
): Promise<T | undefined> {
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      return await ask();
    } catch (error) {
      // A definite answer: there is no such object.
      if (hasCode(error, 'NotFound')) return undefined;
      if (signal.aborted) break;
      log.warn({ error: messageOf(error) }, `cannot learn ${what} yet`);
      await sleep(clock, Math.min(RETRY_MS * tries, RETRY_MAX_MS), signal);
    }
  }
  return undefined;
}
