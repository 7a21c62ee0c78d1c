/** What the API server knows of a set, put together from its Nodes, Leases and pods. Reads only. */
import type { Clock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { parseHolder } from '../election/identity.ts';
import { hasCode } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { LEASES, NODES, PODS } from '../kube/resources.ts';
import type { Lease, Node, Pod } from '../kube/types.ts';
import { allocatedTo } from '../pod-requests.ts';

export interface ZoneStatus {
  readonly name: string;
  readonly node: string;
  /** False also when there is no such Node. */
  readonly ready: boolean;
  /** The replica that leads; null when none does. */
  readonly leader: string | null;
  /** Epoch of the newest term, whether or not it still runs; null when the zone was never led. */
  readonly epoch: number | null;
  /** RFC 3339: since when it leads; null when nobody does. */
  readonly since: string | null;
  /** Pods bound to the node, by phase. */
  readonly pods: Readonly<Record<string, number>>;
  readonly capacity: Readonly<Record<string, string>>;
  /** Requested by pods that are not over, and their number. */
  readonly allocated: Readonly<Record<string, string>>;
}

export interface ReplicaStatus {
  readonly name: string;
  readonly homeZone: string | null;
  /** The zones that it leads. */
  readonly zones: readonly string[];
}

export interface SetStatus {
  readonly zones: readonly ZoneStatus[];
  /** Those whose candidate Lease has not run out. */
  readonly replicas: readonly ReplicaStatus[];
}

export interface StatusSource {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly namespace: string;
  readonly config: Pick<Config, 'set' | 'zones'>;
}

const HOME_ZONE_ANNOTATION = 'zonelet.dev/home-zone';
const PAGE = 500;
/** Clocks of this machine and of a replica may differ by so much before a living one is taken for dead. */
const CLOCK_ALLOWANCE_MS = 2000;

export async function readStatus({ client, clock, namespace, config }: StatusSource): Promise<SetStatus> {
  const { set } = config;
  const leases = new Map<string, Lease>();
  for await (const lease of everyLease(client, namespace)) leases.set(lease.metadata?.name ?? '', lease);
  const zones: ZoneStatus[] = [];
  for (const zone of config.zones) {
    const [node, pods] = await Promise.all([readNode(client, zone.nodeName), readPods(client, zone.nodeName)]);
    const lease = leases.get(`zonelet-${set}-${zone.name}`);
    const led = lease !== undefined && isHeld(lease, clock);
    zones.push({
      name: zone.name,
      node: zone.nodeName,
      ready: node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
      leader: led ? replicaOf(lease) : null,
      epoch: lease?.spec?.leaseTransitions ?? null,
      since: led ? (lease.spec?.acquireTime ?? null) : null,
      pods: countPhases(pods),
      capacity: node?.status?.capacity ?? {},
      allocated: allocatedTo(pods),
    });
  }
  const prefix = `zonelet-${set}-replica-`;
  const replicas = [...leases]
    .filter(([name, lease]) => name.startsWith(prefix) && isHeld(lease, clock))
    .map(([leaseName, lease]): ReplicaStatus => {
      const name = leaseName.slice(prefix.length);
      return {
        name,
        homeZone: lease.metadata?.annotations?.[HOME_ZONE_ANNOTATION] || null,
        zones: zones.filter(({ leader }) => leader === name).map((zone) => zone.name),
      };
    })
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  return { zones, replicas };
}

/** What stands there when it is no holder identity of ours. */
function replicaOf(lease: Lease): string {
  const { holderIdentity = '' } = lease.spec ?? {};
  return parseHolder(holderIdentity)?.replica ?? holderIdentity;
}

function isHeld({ spec }: Lease, clock: Clock): boolean {
  if (!spec?.holderIdentity || spec.renewTime === undefined) return false;
  return Date.parse(spec.renewTime) + (spec.leaseDurationSeconds ?? 0) * 1000 + CLOCK_ALLOWANCE_MS > clock.now();
}

async function* everyLease(client: KubeClient, namespace: string): AsyncIterable<Lease> {
  let next: string | undefined;
  do {
    const page = await client.list(LEASES, {
      namespace,
      limit: PAGE,
      ...(next === undefined ? {} : { continue: next }),
    });
    yield* page.items;
    next = page.continue;
  } while (next !== undefined && next !== '');
}

async function readNode(client: KubeClient, name: string): Promise<Node | undefined> {
  try {
    return await client.get(NODES, { name });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function readPods(client: KubeClient, node: string): Promise<Pod[]> {
  const pods: Pod[] = [];
  let next: string | undefined;
  do {
    const fieldSelector = `spec.nodeName=${node}`;
    const page = await client.list(PODS, {
      fieldSelector,
      limit: PAGE,
      ...(next === undefined ? {} : { continue: next }),
    });
    pods.push(...page.items);
    next = page.continue;
  } while (next !== undefined && next !== '');
  return pods;
}

function countPhases(pods: readonly Pod[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const pod of pods) {
    const phase = pod.status?.phase ?? 'Pending';
    counts[phase] = (counts[phase] ?? 0) + 1;
  }
  return counts;
}
