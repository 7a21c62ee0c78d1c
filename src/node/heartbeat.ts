/**
 * The node Lease: one small write every 10 s says that the node is alive (KEP-589).
 * The node controller counts a renewal only when renewTime has risen (kubernetes#113081), so it never goes back here,
 * whatever the wall clock of the replica that writes it says.
 */
import { type Clock, sleep } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { TermClient } from '../fence/term-client.ts';
import type { KubeClient } from '../kube/client.ts';
import { formatMicroTime, parseTime } from '../kube/micro-time.ts';
import { LEASES } from '../kube/resources.ts';
import type { Lease } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { NodeMetrics } from '../metrics/node.ts';
import { NODE_LEASES } from './names.ts';

/** The kubelet's figures: a Lease of 40 s, renewed after a quarter of it. */
const LEASE_SECONDS = 40;
export const RENEW_MS = 10_000;
/** After a failure: soon enough for many tries within the node controller's grace of 40 s. */
export const RETRY_MS = 1_000;
export const TIMEOUT_MS = 3_000;

export interface HeartbeatOptions {
  readonly zone: string;
  readonly nodeName: string;
  readonly client: KubeClient;
  readonly writes: TermClient;
  readonly clock: Clock;
  readonly metrics: NodeMetrics;
  readonly log: Logger;
  /** UID of the Node object, so that the Lease goes when the Node goes. */
  nodeUid(): string | undefined;
}

/** Renews until the signal aborts. */
export async function runHeartbeat(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const { clock, metrics, zone, log } = options;
  let known: Lease | undefined;
  while (!signal.aborted) {
    let ok = false;
    try {
      known = await renew(options, known, signal);
      ok = true;
    } catch (error) {
      if (signal.aborted || hasCode(error, 'Fenced')) return;
      if (!hasCode(error, 'Conflict')) log.warn({ error: messageOf(error) }, 'the node Lease was not renewed');
      known = undefined;
    }
    metrics.heartbeats.inc({ zone, outcome: ok ? 'ok' : 'error' });
    await sleep(clock, ok ? RENEW_MS : RETRY_MS, signal);
  }
}

async function renew(options: HeartbeatOptions, known: Lease | undefined, signal: AbortSignal): Promise<Lease> {
  const { client, writes, nodeName, clock } = options;
  const call = { lane: 'lease', timeoutMs: TIMEOUT_MS, signal } as const;
  let lease = known;
  if (lease === undefined) {
    try {
      lease = await client.get(LEASES, { namespace: NODE_LEASES, name: nodeName }, call);
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
    }
  }
  const next = renewed(lease, options, clock.now());
  return await (lease === undefined ? writes.create(LEASES, next, call) : writes.replace(LEASES, next, call));
}

/** The Lease with renewTime = max(now, previous + 1 ms). */
export function renewed(
  lease: Lease | undefined,
  of: Pick<HeartbeatOptions, 'nodeName' | 'nodeUid'>,
  nowMs: number,
): Lease {
  const previous = parseTime(lease?.spec?.renewTime);
  const at = previous === undefined ? nowMs : Math.max(nowMs, Math.ceil(previous) + 1);
  const uid = of.nodeUid();
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      ...lease?.metadata,
      namespace: NODE_LEASES,
      name: of.nodeName,
      ...(uid === undefined ? {} : { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: of.nodeName, uid }] }),
    },
    spec: {
      ...lease?.spec,
      holderIdentity: of.nodeName,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: formatMicroTime(at),
    },
  };
}
