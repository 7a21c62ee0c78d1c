/**
 * What this machine's API server gives without Zonelet: bare loops over the transport that a replica uses, as many
 * requests in flight as a replica has workers, on pods of a node that no replica runs.
 */
import { NODES } from '../../../src/kube/resources.ts';
import { createPod, deletePod, patchStatus, podNames } from './bench-pods.ts';
import { inFlight } from './in-flight.ts';
import type { Lab } from './lab.ts';
import { rate } from './statistics.ts';

export interface Floor {
  /** A second. */
  readonly creates: number;
  readonly statusPatches: number;
  readonly forcedDeletes: number;
}

const NODE = 'bench-floor';

/** By then connections are open and the code is compiled, here and in the API server. */
const WARM_UP = 200;

export async function measureFloor(lab: Lab, count: number): Promise<Floor> {
  await ensureFloorNode(lab);
  await loops(lab, WARM_UP);
  return await loops(lab, count);
}

async function loops(lab: Lab, count: number): Promise<Floor> {
  const { transport, clock, signal } = lab;
  const pods = podNames(`floor-${lab.unique()}`, count);
  const uids: string[] = [];
  const timed = async (work: () => Promise<void>): Promise<number> => {
    const begun = clock.monotonic();
    await work();
    return rate(count, clock.monotonic() - begun);
  };
  const creates = await timed(() =>
    inFlight(pods, signal, async (pod, i) => {
      uids[i] = await createPod(transport, pod, NODE);
    }),
  );
  const statusPatches = await timed(() =>
    inFlight(pods, signal, (pod, i) => patchStatus(transport, pod, uids[i] ?? '', address(i))),
  );
  const forcedDeletes = await timed(() => inFlight(pods, signal, (pod) => deletePod(transport, pod, 'force')));
  return { creates, statusPatches, forcedDeletes };
}

/** Milliseconds of status patches sent one by one, `perSecond` of them a second. */
export async function measurePatchLatency(lab: Lab, count: number, perSecond: number): Promise<number[]> {
  const { transport, clock, signal } = lab;
  await ensureFloorNode(lab);
  const [pod] = podNames(`floor-${lab.unique()}`, 1);
  if (pod === undefined) return [];
  const uid = await createPod(transport, pod, NODE);
  const taken: number[] = [];
  for (let i = 0; i < count; i++) {
    await lab.pause(1000 / perSecond);
    signal.throwIfAborted();
    const sentAt = clock.monotonic();
    await patchStatus(transport, pod, uid, address(i));
    taken.push(clock.monotonic() - sentAt);
  }
  await deletePod(transport, pod, 'force');
  return taken;
}

/** Pods of a node that does not exist would be collected. */
async function ensureFloorNode({ client }: Lab): Promise<void> {
  const { items } = await client.list(NODES);
  if (items.some(({ metadata }) => metadata?.name === NODE)) return;
  await client.create(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE } });
}

function address(i: number): string {
  return `198.19.${(i >> 8) & 255}.${i & 255}`;
}
