/** Moves pods away from a zone's node, and waits until they are gone. */
import { type Clock, sleep } from '../../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { readAll } from '../../kube/consistent-list.ts';
import { EVICTIONS, PODS } from '../../kube/resources.ts';
import type { Pod } from '../../kube/types.ts';
import { isOfDaemonSet } from '../../zone/removal.ts';

export interface DepartureOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  /**
   * `evict`: PodDisruptionBudgets are respected. `delete`: they are not. `abandon`: pods are taken out of the API without
   * anybody having stopped them.
   */
  readonly how: 'evict' | 'delete' | 'abandon';
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const LOOK_EVERY_MS = 1_000;

/** Those that stand in the way: not of DaemonSets, which would make them again as long as the node is there. */
export async function podsInTheWay(
  client: KubeClient,
  nodeName: string,
  signal?: AbortSignal,
): Promise<readonly Pod[]> {
  const selection = { fieldSelector: `spec.nodeName=${nodeName}`, ...(signal === undefined ? {} : { signal }) };
  const { items } = await readAll<Pod>(client, PODS, selection, (pod) => pod);
  return items.filter((pod) => !isOfDaemonSet(pod));
}

/** Nobody makes such a pod again when it is gone. */
export function isUnmanaged({ metadata, status }: Pod): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return false;
  return metadata?.ownerReferences?.some(({ controller }) => controller === true) !== true;
}

export function nameOf({ metadata }: Pod): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

/** Resolves when none is left; throws when the time is up. */
export async function seeOff(options: DepartureOptions): Promise<void> {
  const { client, nodeName, clock, say, signal } = options;
  const until = clock.monotonic() + options.timeoutMs;
  let said = '';
  for (;;) {
    const pods = await podsInTheWay(client, nodeName, signal);
    if (pods.length === 0) return;
    const held: string[] = [];
    for (const pod of pods) {
      const why = await ask(options, pod);
      if (why !== undefined) held.push(`${nameOf(pod)}: ${why}`);
    }
    const rest = held.length === 0 ? '' : `; not to be moved yet: ${held.slice(0, 3).join('; ')}`;
    const line = `${pods.length} pods are still on ${nodeName}${rest}`;
    if (line !== said) say(line);
    said = line;
    if (clock.monotonic() >= until) {
      throw new ZoneletError(
        'Unavailable',
        `${line}. Node ${nodeName} stays cordoned; kubectl uncordon ${nodeName} opens it`,
      );
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
    if (signal.aborted) throw new ZoneletError('Aborted', `stopped. Node ${nodeName} stays cordoned`);
  }
}

/** Asks once for the pod to go; why it may not, when it may not. */
async function ask({ client, how, signal }: DepartureOptions, pod: Pod): Promise<string | undefined> {
  const { name = '', namespace = '', uid = '', deletionTimestamp } = pod.metadata ?? {};
  if (deletionTimestamp !== undefined && how !== 'abandon') return undefined;
  try {
    if (how === 'evict') {
      const eviction = {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name, namespace },
        deleteOptions: { preconditions: { uid } },
      };
      await client.create(EVICTIONS, eviction, { subresource: 'eviction', signal });
    } else {
      const grace = how === 'abandon' ? { gracePeriodSeconds: 0 } : {};
      await client.delete(PODS, { name, namespace }, { uid, signal, ...grace });
    }
  } catch (error) {
    if (hasCode(error, 'NotFound', 'Conflict')) return undefined;
    if (hasCode(error, 'Throttled', 'Unavailable', 'Ambiguous')) return messageOf(error);
    throw error;
  }
  return undefined;
}
