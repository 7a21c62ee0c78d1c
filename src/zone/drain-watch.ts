/**
 * Whether the machine that this replica runs on is being cleared, or the replica's own pod is being deleted. Then it gives
 * its zones away while it still can in good order, and takes none, until that is over.
 */
import type { Clock, Random } from '../clock.ts';
import type { Candidates } from '../election/candidates.ts';
import type { KubeClient } from '../kube/client.ts';
import { createInformer } from '../kube/informer.ts';
import { NODES, PODS } from '../kube/resources.ts';
import type { Node, Pod } from '../kube/types.ts';
import { aborted } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import type { ApiMetrics } from '../metrics/api.ts';
import type { Whereabouts } from './cluster-facts.ts';

export interface DrainWatchOptions {
  readonly at: Whereabouts;
  readonly client: KubeClient;
  readonly candidates: Pick<Candidates, 'drain' | 'draining'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ApiMetrics;
  readonly log: Logger;
}

/** Watches two objects, where there are any to watch, until the signal aborts. */
export async function watchForDrain(options: DrainWatchOptions, signal: AbortSignal): Promise<void> {
  const { at, candidates, log } = options;
  const running: Promise<void>[] = [];
  let ownPod: Pod | undefined;
  let ownNode: Node | undefined;
  let watched: string | undefined;

  function judge(): void {
    const reason =
      ownPod?.metadata?.deletionTimestamp !== undefined
        ? `pod ${ownPod.metadata.name ?? ''} is being deleted`
        : ownNode?.spec?.unschedulable === true
          ? `node ${ownNode.metadata?.name ?? ''} is cordoned`
          : undefined;
    if (reason === candidates.draining) return;
    if (reason === undefined) log.info({}, 'takes zones again');
    else log.info({ reason }, 'gives its zones to other replicas, where there are any, and takes none');
    candidates.drain(reason);
  }

  function watchNode(name: string): void {
    if (watched !== undefined) return;
    watched = name;
    const nodes = createInformer({
      ...options,
      resource: NODES,
      selection: { fieldSelector: `metadata.name=${name}` },
    });
    const take = (node: Node | undefined): void => {
      ownNode = node;
      judge();
    };
    nodes.subscribe({ added: take, updated: (_, node) => take(node), deleted: () => take(undefined) });
    running.push(nodes.run(signal));
  }

  if (at.nodeName !== undefined) watchNode(at.nodeName);
  if (at.pod !== undefined) {
    const { namespace, name } = at.pod;
    const selection = { namespace, fieldSelector: `metadata.name=${name}` };
    const pods = createInformer({ ...options, resource: PODS, selection });
    const take = (pod: Pod | undefined): void => {
      ownPod = pod;
      const { nodeName } = pod?.spec ?? {};
      if (nodeName !== undefined) watchNode(nodeName);
      judge();
    };
    pods.subscribe({ added: take, updated: (_, pod) => take(pod), deleted: () => take(undefined) });
    running.push(pods.run(signal));
  }
  await aborted(signal);
  await Promise.all(running);
}
