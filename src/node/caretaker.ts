/**
 * A zone without a leader is not a zone without life: its pods go on running on their backend. So that Kubernetes does not
 * take the node for lost meanwhile, any healthy replica renews its node Lease, which says no more than that.
 */
import { type Clock, sleep } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { Informer } from '../kube/informer.ts';
import { LEASES } from '../kube/resources.ts';
import type { Lease, Node } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { NodeMetrics } from '../metrics/node.ts';
import { RENEW_MS, RETRY_MS, renewed, TIMEOUT_MS } from './heartbeat.ts';
import { NODE_LEASES } from './names.ts';

export interface CaretakerOptions {
  readonly zone: string;
  readonly nodeName: string;
  readonly replica: string;
  readonly client: KubeClient;
  /** Nodes of the set. The caller runs it. */
  readonly nodes: Informer<Node>;
  readonly events: EventRecorder;
  readonly metrics: NodeMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds since a leader of the zone gave its last sign of life; undefined while this replica leads it. */
  leaderlessMs(): number | undefined;
  /** How many living replicas come before this one. */
  rank(): number;
  /** The backend is known to be down: a node that cannot run its pods is not kept alive by those who do not lead it. */
  backendDown(): boolean;
}

/**
 * Longer than any take-over takes. The leader's own last heartbeat is at most 10 s older than its death, so that even
 * whoever comes second (after another 13 s) is in time for a node controller that waits 40 s.
 */
const LEADERLESS_MS = 8_000;
/** Between two looks of whoever is not first in line: the first may be late by this much before another steps in. */
const LOOK_MS = RENEW_MS + 3_000;

/** Keeps watch until the signal aborts. Never throws. */
export async function runCaretaker(options: CaretakerOptions, signal: AbortSignal): Promise<void> {
  const { zone, nodeName, clock, nodes, metrics, log } = options;
  let seen: string | undefined;
  let said: 'keeps' | 'does not' | undefined;
  while (!signal.aborted) {
    const silentMs = options.leaderlessMs() ?? 0;
    const node = nodes.get(nodeName);
    if (silentMs < LEADERLESS_MS || node === undefined) {
      seen = undefined;
      said = undefined;
      await sleep(clock, Math.max(RETRY_MS, LEADERLESS_MS - silentMs), signal);
      continue;
    }
    if (options.backendDown()) {
      if (said !== 'does not')
        log.warn({ zone }, 'nobody leads the zone and its backend is down: its node is not kept alive');
      said = 'does not';
      await sleep(clock, RETRY_MS, signal);
      continue;
    }
    let waitMs = RENEW_MS;
    try {
      const lease = await read(options, signal);
      // Somebody renews it, unless it stays as it is from one look to the next. The first in line does not wait for that.
      const unchanged = seen !== undefined && seen === lease?.metadata?.resourceVersion;
      if (unchanged || options.rank() === 0) {
        const kept = await keep(options, node, lease, signal);
        metrics.heartbeats.inc({ zone, outcome: 'ok' });
        if (said !== 'keeps') tell(options, node, silentMs);
        said = 'keeps';
        // What it wrote itself is nobody else's sign of life.
        seen = kept.metadata?.resourceVersion;
      } else {
        seen = lease?.metadata?.resourceVersion;
        waitMs = LOOK_MS;
      }
    } catch (error) {
      if (signal.aborted) return;
      // Written by somebody else in between: it is alive.
      if (!hasCode(error, 'Conflict')) {
        metrics.heartbeats.inc({ zone, outcome: 'error' });
        log.warn({ zone, error: messageOf(error) }, 'the node Lease of a zone without a leader was not renewed');
        waitMs = RETRY_MS;
      }
    }
    await sleep(clock, waitMs, signal);
  }
}

async function read({ client, nodeName }: CaretakerOptions, signal: AbortSignal): Promise<Lease | undefined> {
  const call = { lane: 'lease', timeoutMs: TIMEOUT_MS, signal } as const;
  try {
    return await client.get(LEASES, { namespace: NODE_LEASES, name: nodeName }, call);
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** No term stands behind this write, and none is needed: it changes nothing but the time, and only where nobody else did. */
async function keep(
  options: CaretakerOptions,
  node: Node,
  lease: Lease | undefined,
  signal: AbortSignal,
): Promise<Lease> {
  const { client, nodeName, clock } = options;
  const next = renewed(lease, { nodeName, nodeUid: () => node.metadata?.uid }, clock.now());
  const call = { lane: 'lease', timeoutMs: TIMEOUT_MS, signal } as const;
  return await (lease === undefined ? client.create(LEASES, next, call) : client.replace(LEASES, next, call));
}

function tell({ zone, nodeName, replica, events, log }: CaretakerOptions, node: Node, silentMs: number): void {
  const seconds = Math.round(silentMs / 1000);
  log.warn(
    { zone, node: nodeName, leaderlessMs: Math.round(silentMs) },
    'keeps the node of a zone without a leader alive',
  );
  events.record(
    { ...node, apiVersion: 'v1', kind: 'Node' },
    'Warning',
    'NodeKeptAlive',
    `Zone ${zone} has had no leader for ${seconds} s; ${replica} renews the node's Lease meanwhile, its pods run on.`,
  );
}
