/** What the API server knows of a set, put together from its Nodes, Leases and pods. Reads only. */
import type { Clock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { nextLeader } from '../election/eligibility.ts';
import { epochFloor } from '../election/epoch-floor.ts';
import { parseHolder } from '../election/identity.ts';
import { zoneLeaseName } from '../election/names.ts';
import { hasCode } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { readAll } from '../kube/consistent-list.ts';
import { NODES, PODS } from '../kube/resources.ts';
import type { Lease, Node, Pod } from '../kube/types.ts';
import { BACKEND_CONDITION, ELECTION_ANNOTATION } from '../node/names.ts';
import { allocatedTo } from '../pod-requests.ts';
import type { ZoneState } from '../provider/contract.ts';
import { askBrake } from '../zone/health/brake.ts';
import { isHeld, type ReplicaView, readLeases, replicasOf } from './operator/replicas.ts';

export interface ZoneStatus {
  readonly name: string;
  readonly node: string;
  /** False also when there is no such Node. */
  readonly ready: boolean;
  /** The replica that leads; null when none does. */
  readonly leader: string | null;
  /** Epoch of the newest term, whether or not it still runs; null when the zone was never led. */
  readonly epoch: number | null;
  /** RFC 3339: since when it leads; null when nobody does, or where the lock does not tell (Redis). */
  readonly since: string | null;
  /** Pods bound to the node, by phase. */
  readonly pods: Readonly<Record<string, number>>;
  readonly capacity: Readonly<Record<string, string>>;
  /** Requested by pods that are not over, and their number. */
  readonly allocated: Readonly<Record<string, string>>;
  /** What the zone's leaders are elected by, as its Node says; null when it says nothing. */
  readonly election: string | null;
  /** How the backend is, as the leader said last; null when no leader has. */
  readonly health: ZoneHealthStatus | null;
  /** Why the pods of a backend that is down are not moved, where that is configured; null when nothing holds them. */
  readonly brake: string | null;
  /** Who would lead next, were the leader gone now; null when nobody could. */
  readonly next: { readonly replica: string; readonly why: 'home' | 'fewest zones' | 'last resort' } | null;
}

export interface ZoneHealthStatus {
  readonly state: ZoneState;
  readonly reason: string;
  readonly message: string;
}

export interface ReplicaStatus {
  readonly name: string;
  readonly homeZone: string | null;
  /** The zones that it leads. */
  readonly zones: readonly string[];
  /** Why it gives its zones away; null when it does not. */
  readonly draining: string | null;
  /** What it sees of each zone's backend. */
  readonly sees: Readonly<Record<string, ZoneState>>;
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
  readonly config: Pick<Config, 'set' | 'zones' | 'onZoneDown'> & {
    readonly election: Pick<Config['election'], 'by' | 'handBack'>;
  };
}

export async function readStatus({ client, clock, namespace, config }: StatusSource): Promise<SetStatus> {
  const { set, election } = config;
  const leases = await readLeases(client, { set, namespace });
  const living = replicasOf(leases, set, clock).filter(({ alive }) => alive);
  const nodes = new Map<string, Node>();
  for (const { nodeName } of config.zones) {
    const node = await readNode(client, nodeName);
    if (node !== undefined) nodes.set(nodeName, node);
  }
  const zones: ZoneStatus[] = [];
  for (const { name, nodeName } of config.zones) {
    const pods = await readPods(client, nodeName);
    const node = nodes.get(nodeName);
    const by = node?.metadata?.annotations?.[ELECTION_ANNOTATION] ?? null;
    const lease = leases.find(({ metadata }) => metadata?.name === zoneLeaseName(set, name));
    const led = (by ?? election.by) === 'lease' ? ledByLease(lease, clock) : ledByOthers(name, living, node);
    const health = healthOf(node);
    zones.push({
      name,
      node: nodeName,
      ready: conditionOf(node, 'Ready')?.status === 'True',
      ...led,
      pods: countPhases(pods),
      capacity: node?.status?.capacity ?? {},
      allocated: allocatedTo(pods),
      election: by,
      health,
      brake: brakeOf(nodeName, health, nodes, config),
      next: nextOf(name, led.leader, living, election.handBack.mode !== 'never'),
    });
  }
  const replicas = living.map(
    ({ name, homeZone, draining, backends }): ReplicaStatus => ({
      name,
      homeZone: homeZone ?? null,
      zones: zones.filter(({ leader }) => leader === name).map((zone) => zone.name),
      draining: draining ?? null,
      sees: Object.fromEntries([...backends].map(([zone, { state }]) => [zone, state])),
    }),
  );
  return { zones, replicas };
}

type Led = Pick<ZoneStatus, 'leader' | 'epoch' | 'since'>;

function ledByLease(lease: Lease | undefined, clock: Clock): Led {
  const held = lease !== undefined && isHeld(lease, clock);
  const { holderIdentity = '', leaseTransitions = null, acquireTime = null } = lease?.spec ?? {};
  return {
    // What stands there when it is no holder identity of ours.
    leader: held ? (parseHolder(holderIdentity)?.replica ?? holderIdentity) : null,
    epoch: leaseTransitions,
    since: held ? acquireTime : null,
  };
}

/** A lock that cannot be read from here: its holder says so itself. */
function ledByOthers(zone: string, living: readonly ReplicaView[], node: Node | undefined): Led {
  const leader = living.find(({ zones }) => zones.includes(zone));
  return { leader: leader?.name ?? null, epoch: epochFloor(node) ?? null, since: null };
}

const STATES: Readonly<Record<string, ZoneState>> = {
  BackendUp: 'Up',
  BackendTakesNoNewPods: 'NoNew',
  BackendNotReached: 'NoNew',
  BackendDown: 'Down',
  EvictionHeld: 'Down',
};

function healthOf(node: Node | undefined): ZoneHealthStatus | null {
  const condition = conditionOf(node, BACKEND_CONDITION);
  if (condition === undefined) return null;
  const { status, reason = '', message = '' } = condition;
  // The node controller overwrites what nobody renews.
  const state = status === 'Unknown' && reason !== 'BackendNotReached' ? 'Unknown' : (STATES[reason] ?? 'Unknown');
  return { state, reason, message };
}

function brakeOf(
  nodeName: string,
  health: ZoneHealthStatus | null,
  nodes: ReadonlyMap<string, Node>,
  { zones, onZoneDown }: StatusSource['config'],
): string | null {
  if (health?.reason === 'EveryBackendDown') return health.message;
  if (onZoneDown.policy !== 'evict' || health?.state !== 'Down') return null;
  if (conditionOf(nodes.get(nodeName), 'Ready')?.status !== 'True') return null;
  const nodeNames = zones.map((zone) => zone.nodeName);
  const answer = askBrake({ nodes: [...nodes.values()], nodeName, nodeNames });
  return answer.state === 'held' ? answer.message : null;
}

function nextOf(
  zone: string,
  leader: string | null,
  living: readonly ReplicaView[],
  preferHome: boolean,
): ZoneStatus['next'] {
  const others = living
    .filter(({ name }) => name !== leader)
    .map(({ name, homeZone, zones, campaignsFor, draining, backends }) => ({
      name,
      homeZone,
      zonesHeld: zones.length,
      campaignsFor,
      draining: draining !== undefined,
      backends,
      ready: true,
    }));
  const next = nextLeader(zone, others, preferHome);
  return next === undefined ? null : { replica: next.name, why: next.why };
}

function conditionOf(node: Node | undefined, type: string) {
  return node?.status?.conditions?.find((condition) => condition.type === type);
}

async function readNode(client: KubeClient, name: string): Promise<Node | undefined> {
  try {
    return await client.get(NODES, { name });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function readPods(client: KubeClient, node: string): Promise<readonly Pod[]> {
  return (await readAll<Pod>(client, PODS, { fieldSelector: `spec.nodeName=${node}` }, (pod) => pod)).items;
}

function countPhases(pods: readonly Pod[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const pod of pods) {
    const phase = pod.status?.phase ?? 'Pending';
    counts[phase] = (counts[phase] ?? 0) + 1;
  }
  return counts;
}
