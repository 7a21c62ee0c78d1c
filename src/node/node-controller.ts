/**
 * Keeps a zone's Node while its leader is in office: status and heartbeat, address and port of this replica, and the
 * object itself, which comes back when somebody deletes it. What others wrote on it stays.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { createBell } from '../election/bell.ts';
import type { Term } from '../election/term.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { TermClient } from '../fence/term-client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { Informer } from '../kube/informer.ts';
import { formatTime } from '../kube/micro-time.ts';
import { NODES } from '../kube/resources.ts';
import type { Node } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { NodeMetrics } from '../metrics/node.ts';
import type { Resources, ZoneReport } from '../provider/contract.ts';
import { parseQuantity } from '../quantity.ts';
import { type ClaimOptions, claimNode } from './claim.ts';
import { runHeartbeat } from './heartbeat.ts';
import { BACKEND_CONDITION } from './names.ts';
import { healthMarks, type NodeHealth } from './node-health.ts';
import { bearsClaim, type NodeIdentity } from './node-object.ts';
import { nodeStatus } from './node-status.ts';

export interface NodeControllerOptions {
  readonly identity: NodeIdentity;
  readonly term: Term;
  readonly client: KubeClient;
  readonly writes: TermClient;
  /** All Nodes of the set. */
  readonly nodes: Informer<Node>;
  readonly events: EventRecorder;
  readonly metrics: NodeMetrics;
  /** See `ClaimOptions`: the Node is claimed anew when it is gone. */
  readonly mayTakeOver?: NonNullable<ClaimOptions['mayTakeOver']>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Address and port of this replica's kubelet API of the zone. */
  readonly address: string;
  readonly kubeletPort: number;
  readonly runtime: string;
  readonly version: string;
  /** Capacity by configuration. */
  readonly capacity: Resources | undefined;
  /** The provider's last report. */
  report(): ZoneReport | undefined;
  /** How the zone is, for a Node that says what this one says now. */
  health(node: Node): NodeHealth;
  /** Calls back whenever report or health may be another one; returns its removal. */
  onNews(callback: () => void): () => void;
}

/** As the kubelet's nodeStatusReportFrequency: an unchanged status is written again after this, the Lease says the rest. */
const STATUS_EVERY_MS = 300_000;
const RETRY_MS = 1_000;
/** Conflicts in a row after which the Node is read and written again at once. */
const QUICK_CONFLICTS = 3;

/** Runs from the moment the Node is claimed until the signal aborts. */
export async function runNodeController(
  options: NodeControllerOptions,
  claimed: Node,
  signal: AbortSignal,
): Promise<void> {
  let uid = claimed.metadata?.uid;
  const { identity, metrics } = options;
  const labels = { zone: identity.zone, node: identity.nodeName };
  try {
    await Promise.all([
      runHeartbeat({ ...options, zone: identity.zone, nodeName: identity.nodeName, nodeUid: () => uid }, signal),
      keepStatus(options, claimed, signal, (node) => {
        uid = node.metadata?.uid;
      }),
    ]);
  } finally {
    metrics.ready.remove(labels);
    for (const gauge of [metrics.capacity, metrics.allocatable]) {
      for (const { labels: of } of (await gauge.get()).values) {
        if (of.zone === identity.zone) gauge.remove(of);
      }
    }
  }
}

async function keepStatus(
  options: NodeControllerOptions,
  claimed: Node,
  signal: AbortSignal,
  adopt: (node: Node) => void,
): Promise<void> {
  const { identity, nodes, writes, clock, log } = options;
  let conflicts = 0;
  let node: Node = claimed;
  let written: { status: Node['status']; at: number } | undefined;
  let tainted: NodeHealth['taint'] | undefined;
  const bell = createBell(clock);
  let dirty = false;
  const poke = (): void => {
    dirty = true;
    bell.ring();
  };
  const unsubscribe = [
    options.onNews(poke),
    nodes.subscribe({
      updated: (_, after) => after.metadata?.name === identity.nodeName && poke(),
      deleted: (last) => last.metadata?.name === identity.nodeName && poke(),
    }),
  ];
  try {
    while (!signal.aborted) {
      dirty = false;
      let waitMs = STATUS_EVERY_MS;
      try {
        const present = await current(options, node, conflicts > 0, signal);
        if (present === undefined) {
          node = await recreate(options);
          adopt(node);
          written = undefined;
          tainted = undefined;
        } else if (!bearsClaim(present, identity, { epoch: options.term.epoch, holder: options.term.holder })) {
          node = await claimNode(options);
        } else node = present;
        const health = options.health(node);
        // An administrator's hand on the taint is respected until there is something new to say.
        const taint = tainted === health.taint ? 'as it is' : health.taint;
        const mark = async (): Promise<void> => {
          const body = healthMarks(node, health, taint, formatTime(clock.now()));
          if (body !== undefined) {
            node = await writes.patch(NODES, node, { type: 'merge', body }, { signal, timeoutMs: 5_000 });
          }
          tainted = health.taint;
        };
        // While a mark stands, what the status says of room and readiness is not to be counted with: it comes first and goes last.
        const isMarked = health.taint !== 'none' || health.notReady !== undefined;
        if (isMarked) await mark();
        const status = nodeStatus(input(options, health), node);
        if (written === undefined || due(written, status, node, clock)) {
          const before = node;
          node = await writes.patch(
            NODES,
            node,
            { type: 'strategic', body: { status } },
            { subresource: 'status', signal, timeoutMs: 5_000 },
          );
          conflicts = 0;
          written = { status, at: clock.monotonic() };
          show(options, status);
          tellOf(options, before, node);
        }
        if (!isMarked) await mark();
      } catch (error) {
        if (signal.aborted || hasCode(error, 'Fenced')) return;
        // Somebody else wrote first, and the claim may be theirs: looked at before it is said again.
        if (hasCode(error, 'Conflict') && conflicts++ < QUICK_CONFLICTS) continue;
        conflicts = 0;
        log.warn({ node: identity.nodeName, error: messageOf(error) }, 'the Node was not written');
        waitMs = RETRY_MS;
      }
      if (!dirty) await bell.wait(waitMs, signal);
    }
  } finally {
    for (const remove of unsubscribe) remove();
  }
}

/** The Node as the cache has it; what the cache does not have is asked of the API before it counts as gone. */
async function current(
  options: NodeControllerOptions,
  last: Node,
  live: boolean,
  signal: AbortSignal,
): Promise<Node | undefined> {
  const name = options.identity.nodeName;
  const cached = live ? undefined : options.nodes.get(name);
  if (cached !== undefined) return newer(cached, last);
  try {
    return await options.client.get(NODES, { name }, { signal, timeoutMs: 5_000 });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** The cache may lag behind our own last write. */
function newer(cached: Node, last: Node): Node {
  if (cached.metadata?.uid !== last.metadata?.uid) return cached;
  return Number(cached.metadata?.resourceVersion) >= Number(last.metadata?.resourceVersion) ? cached : last;
}

async function recreate(options: NodeControllerOptions): Promise<Node> {
  const node = await claimNode(options);
  options.log.warn({ node: options.identity.nodeName }, 'the Node was gone and was created again');
  options.events.record(
    node,
    'Warning',
    'NodeRecreated',
    'The Node object was deleted while its zone had a leader; it was created again.',
  );
  return node;
}

function input(options: NodeControllerOptions, health: NodeHealth): Parameters<typeof nodeStatus>[0] {
  const { identity } = options;
  return {
    nodeName: identity.nodeName,
    address: options.address,
    kubeletPort: options.kubeletPort,
    os: identity.os,
    arch: identity.arch,
    runtime: options.runtime,
    version: options.version,
    capacity: options.capacity,
    report: options.report(),
    health,
    now: formatTime(options.clock.now()),
  };
}

/** A write is due when there is something new to say, when somebody changed what we said, or when it is time again. */
function due(
  written: { status: Node['status']; at: number },
  status: Node['status'],
  node: Node,
  clock: Clock,
): boolean {
  if (clock.monotonic() - written.at >= STATUS_EVERY_MS) return true;
  return !isDeepStrictEqual(essence(written.status), essence(status)) || drifted(node, status);
}

/** Everything but the times, and the messages: what a backend says in its own words each time is no news. */
function essence(status: Node['status']): unknown {
  return {
    ...status,
    conditions: status?.conditions?.map(({ type, status: is, reason }) => ({ type, is, reason })),
  };
}

/** The node controller sets conditions to Unknown when it has not heard of a node; another writer may change address or port. */
function drifted(node: Node, status: Node['status']): boolean {
  const seen = new Map(node.status?.conditions?.map((c) => [c.type, c.status]));
  return (
    (status?.conditions ?? []).some((c) => seen.get(c.type) !== c.status) ||
    node.status?.daemonEndpoints?.kubeletEndpoint?.Port !== status?.daemonEndpoints?.kubeletEndpoint?.Port ||
    !isDeepStrictEqual(node.status?.addresses, status?.addresses)
  );
}

/** Says what has changed in the zone's health, with the evidence that the condition gives. */
function tellOf({ events }: NodeControllerOptions, before: Node, after: Node): void {
  const subject = { ...after, apiVersion: 'v1', kind: 'Node' };
  for (const type of [BACKEND_CONDITION, 'Ready']) {
    const [old, now] = [before, after].map(({ status }) => status?.conditions?.find((each) => each.type === type));
    if (old === undefined || now === undefined || (old.status === now.status && old.reason === now.reason)) continue;
    const good = now.status === 'True' && (type === 'Ready' || now.reason === 'BackendUp');
    const reason = type === 'Ready' && good ? 'NodeReady' : (now.reason ?? 'NodeChanged');
    events.record(subject, good ? 'Normal' : 'Warning', reason, now.message ?? '');
  }
}

function show(options: NodeControllerOptions, status: Node['status']): void {
  const { metrics, identity } = options;
  const zone = identity.zone;
  const ready = status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
  metrics.ready.set({ zone, node: identity.nodeName }, ready ? 1 : 0);
  for (const [resource, quantity] of Object.entries(status?.capacity ?? {})) {
    metrics.capacity.set({ zone, resource }, parseQuantity(quantity));
  }
  for (const [resource, quantity] of Object.entries(status?.allocatable ?? {})) {
    metrics.allocatable.set({ zone, resource }, parseQuantity(quantity));
  }
}
