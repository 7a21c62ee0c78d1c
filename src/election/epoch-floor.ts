/**
 * The epoch kept on the Node: it outlives the zone's Lease, which anybody may delete, so that an epoch never comes twice.
 * A new leader raises it, with a precondition, before it writes anything else.
 */
import { hasCode } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Informer } from '../kube/informer.ts';
import { compareResourceVersions } from '../kube/resource-version.ts';
import { NODES } from '../kube/resources.ts';
import type { KubeObject, Node } from '../kube/types.ts';
import { ELECTION_ANNOTATION, EPOCH_ANNOTATION, LEADER_ANNOTATION, WRITER_EPOCH_ANNOTATION } from './names.ts';

/** Lease.spec.leaseTransitions, which carries the epoch too, is an int32. */
export const MAX_EPOCH = 2 ** 31 - 2;

/** Somebody's edit, rather than the epoch of a term: nobody counts that far, and no term could follow it. */
export function isBelievable(epoch: number): boolean {
  return epoch >= 0 && epoch < MAX_EPOCH;
}

/** The epoch that is written on the Node; undefined when there is none, or none that could be true. */
export function epochFloor(node: Node | undefined): number | undefined {
  return epochIn(node, EPOCH_ANNOTATION);
}

/** The epoch of the term that wrote the object's status last; undefined where none is carried. */
export function writerEpoch(object: KubeObject): number | undefined {
  return epochIn(object, WRITER_EPOCH_ANNOTATION);
}

function epochIn(object: KubeObject | undefined, annotation: string): number | undefined {
  const text = object?.metadata?.annotations?.[annotation];
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const epoch = Number(text);
  return isBelievable(epoch) ? epoch : undefined;
}

/** True when (epoch, holder) may act on this Node: nobody has claimed a higher epoch, or the same one under another name. */
export function mayClaim(node: Node, epoch: number, holder: string): boolean {
  const floor = epochFloor(node);
  if (floor === undefined || floor < epoch) return true;
  return floor === epoch && node.metadata?.annotations?.[LEADER_ANNOTATION] === holder;
}

/** What the campaign of a zone asks its Node. */
export interface ZoneFloor {
  /** As far as the cache and the last read know. */
  cached(): number | undefined;
  /** As it is now. */
  read(call: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<number | undefined>;
  /** The election that the Node says its set uses, as far as they know. */
  election(): string | undefined;
}

export function zoneFloor(client: KubeClient, nodes: Pick<Informer<Node>, 'get'>, nodeName: string): ZoneFloor {
  let lastRead: Node | undefined;

  function newest(): Node | undefined {
    const cached = nodes.get(nodeName);
    if (lastRead === undefined || cached === undefined || cached.metadata?.uid !== lastRead.metadata?.uid)
      return cached;
    const order = compareResourceVersions(
      lastRead.metadata?.resourceVersion ?? '',
      cached.metadata?.resourceVersion ?? '',
    );
    return order !== undefined && order > 0 ? lastRead : cached;
  }

  return {
    cached: () => epochFloor(newest()),
    async read(call) {
      try {
        lastRead = await client.get(NODES, { name: nodeName }, { ...call, lane: 'lease' });
        return epochFloor(lastRead);
      } catch (error) {
        if (hasCode(error, 'NotFound')) return undefined;
        throw error;
      }
    },
    election: () => newest()?.metadata?.annotations?.[ELECTION_ANNOTATION],
  };
}
