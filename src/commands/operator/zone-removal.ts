/**
 * Takes a zone of a live set away: pods first, then the zone's leader is asked on the Node to take away the rest
 * (`src/zone/removal.ts`), because what is on a backend goes on a leader's word alone.
 */
import { type Clock, type Random, sleep } from '../../clock.ts';
import type { ZoneConfig } from '../../config/config.ts';
import { REMOVAL_OUTCOME_ANNOTATION, REMOVAL_REQUEST_ANNOTATION, zoneLeaseName } from '../../election/names.ts';
import { readOutcome } from '../../election/node-request.ts';
import { hasCode, ZoneletError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { LEASES, NODES, type Resource } from '../../kube/resources.ts';
import type { KubeObject, Node, Pod } from '../../kube/types.ts';
import { NODE_LEASES, providerId } from '../../node/names.ts';
import { isUnmanaged, nameOf, podsInTheWay, seeOff } from './pod-departure.ts';
import { isHeld, readReplicas } from './replicas.ts';

export interface RemovalOptions {
  readonly client: KubeClient;
  readonly set: string;
  readonly namespace: string;
  /** Moves pods away by eviction. */
  readonly drain: boolean;
  /** Also those that nobody makes again, and without regard to PodDisruptionBudgets. */
  readonly force: boolean;
  /** Leaves what is on the backend, and does not wait for anybody to stop the pods. */
  readonly abandonBackend: boolean;
  readonly timeoutMs: number;
  readonly by: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What there is of a zone, and what speaks against taking it away. */
export interface Plan {
  readonly zone: Pick<ZoneConfig, 'name' | 'nodeName'>;
  readonly node: Node | undefined;
  readonly pods: readonly Pod[];
  readonly leader: string | undefined;
  readonly objections: readonly string[];
}

const LOOK_EVERY_MS = 500;
/** Well before a request expires. */
const REPEAT_MS = 15_000;
/** A replica that has not heard of the removal would make the Node again within a claim's time. */
const STAYS_AWAY_MS = 3_000;

export async function planRemoval(options: RemovalOptions, zone: Plan['zone']): Promise<Plan> {
  const { client, set, clock } = options;
  const node = await find(client, NODES, { name: zone.nodeName });
  const replicas = await readReplicas(client, options, clock);
  const leader = replicas.find(({ alive, zones }) => alive && zones.includes(zone.name))?.name;
  const pods = node === undefined ? [] : await podsInTheWay(client, zone.nodeName);
  const objections: string[] = [];
  const id = node?.spec?.providerID ?? '';
  if (node !== undefined && id !== '' && id !== providerId(set, zone.name)) {
    objections.push(`Node ${zone.nodeName} is not of this zone: its providerID is "${id}"`);
  } else if (node !== undefined) {
    if (leader === undefined) {
      objections.push(
        'nobody leads it, and only its leader may take away what is on its backend: start a replica that has it in its configuration',
      );
    }
    const bare = pods.filter(isUnmanaged);
    if (pods.length > 0 && !options.drain && !options.force) {
      objections.push(`${pods.length} pods are on it (${some(pods)}): move them away, or add --drain`);
    } else if (bare.length > 0 && !options.force) {
      objections.push(`${bare.length} pods on it are made again by nobody (${some(bare)}): add --force to lose them`);
    }
  }
  return { zone, node, pods, leader, objections };
}

/** What would be done, one sentence a line. */
export function describe({ zone, node, pods, leader }: Plan, options: RemovalOptions): string[] {
  if (node === undefined) return [`zone ${zone.name}: there is no Node ${zone.nodeName}; leftover Leases are deleted`];
  const how = options.abandonBackend ? 'taken out of the API' : options.force ? 'deleted' : 'evicted';
  return [
    `zone ${zone.name}: Node ${zone.nodeName} is cordoned, its ${pods.length} pods are ${how}`,
    options.abandonBackend
      ? `zone ${zone.name}: what is on its backend is left there`
      : `zone ${zone.name}: its leader, ${leader ?? 'which there is none of'}, removes what is left of this set on the backend`,
    `zone ${zone.name}: Node, node Lease and the zone's Lease are deleted`,
  ];
}

/** Carries the plan out. Resolves when nothing of the zone is left in the API; throws with the reason when it stays. */
export async function carryOut(plan: Plan, options: RemovalOptions): Promise<void> {
  const { client, say, signal } = options;
  const { zone, node } = plan;
  if (node !== undefined) {
    if (node.spec?.unschedulable !== true) {
      const body = { metadata: { uid: node.metadata?.uid }, spec: { unschedulable: true } };
      await client.patch(NODES, { name: zone.nodeName }, { type: 'merge', body }, { signal });
      say(`Node ${zone.nodeName} is cordoned.`);
    }
    const how = options.abandonBackend ? 'abandon' : options.force ? 'delete' : 'evict';
    await seeOff({ ...options, nodeName: zone.nodeName, how });
    await askLeader(plan, options);
    say(`Node ${zone.nodeName} is gone.`);
  }
  await removeLeases(zone, options);
}

async function askLeader({ zone, leader }: Plan, options: RemovalOptions): Promise<void> {
  const { client, clock, say, signal, by } = options;
  const id = options.random.uuid();
  const until = clock.monotonic() + options.timeoutMs;
  let askAt = clock.monotonic();
  let accepted = false;
  say(`Asked ${leader ?? 'the leader'} to take zone ${zone.name} away.`);
  for (;;) {
    const now = clock.monotonic();
    if (now >= askAt) {
      const at = new Date(clock.now()).toISOString();
      const request = { id, by, at, ...(options.abandonBackend ? { backend: 'abandon' } : {}) };
      if (!(await annotate(options, zone, JSON.stringify(request)))) return;
      askAt = now + REPEAT_MS;
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
    const node = await find(client, NODES, { name: zone.nodeName });
    if (node === undefined) return;
    const outcome = readOutcome(node, REMOVAL_OUTCOME_ANNOTATION);
    if (outcome?.id === id && outcome.refused !== undefined) {
      throw new ZoneletError('Unavailable', `zone ${zone.name} stays: ${outcome.refused}`);
    }
    if (outcome?.id === id && !accepted) {
      accepted = true;
      say(`It clears the backend of zone ${zone.name}.`);
    }
    if (!signal.aborted && clock.monotonic() < until) continue;
    await annotate(options, zone, null).catch(() => false);
    const why = accepted
      ? 'what is on its backend could not be cleared; the log of its leader says why'
      : 'its leader did not answer';
    throw new ZoneletError(
      signal.aborted ? 'Aborted' : 'Unavailable',
      `zone ${zone.name} stays: ${signal.aborted ? 'stopped' : why}. Node ${zone.nodeName} stays cordoned`,
    );
  }
}

/** False when the Node is gone. */
async function annotate({ client }: RemovalOptions, zone: Plan['zone'], request: string | null): Promise<boolean> {
  const body = { metadata: { annotations: { [REMOVAL_REQUEST_ANNOTATION]: request } } };
  try {
    await client.patch(NODES, { name: zone.nodeName }, { type: 'merge', body });
    return true;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return false;
    throw error;
  }
}

/** Those that nobody holds, once it is certain that the zone stays away. */
async function removeLeases(zone: Plan['zone'], options: RemovalOptions): Promise<void> {
  const { client, clock, set, namespace, say, signal } = options;
  await sleep(clock, STAYS_AWAY_MS, signal);
  const at = { namespace, name: zoneLeaseName(set, zone.name) };
  const lease = await find(client, LEASES, at);
  const back = await find(client, NODES, { name: zone.nodeName });
  if (back !== undefined || (lease !== undefined && isHeld(lease, clock))) {
    const who = lease?.spec?.holderIdentity || 'a replica';
    throw new ZoneletError(
      'Unavailable',
      `zone ${zone.name} came back: ${who} has it in its configuration and has not heard of the removal; run the command again`,
    );
  }
  for (const each of [at, { namespace: NODE_LEASES, name: zone.nodeName }]) {
    try {
      await client.delete(LEASES, each);
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error;
    }
  }
  say(`Nothing of zone ${zone.name} is left in the cluster.`);
}

async function find<T extends KubeObject>(
  client: KubeClient,
  of: Resource<T>,
  at: { readonly name: string; readonly namespace?: string },
): Promise<T | undefined> {
  try {
    return await client.get(of, at);
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

function some(pods: readonly Pod[]): string {
  const names = pods.slice(0, 3).map(nameOf);
  return pods.length > names.length ? `${names.join(', ')}, ...` : names.join(', ');
}
