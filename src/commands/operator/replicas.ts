/** The replicas of a set as their candidate Leases tell, read once, from outside. */
import { type Clock, sleep } from '../../clock.ts';
import { type BackendSights, readSights } from '../../election/backend-sight.ts';
import {
  BACKENDS_ANNOTATION,
  CAMPAIGNS_ANNOTATION,
  candidateLeasePrefix,
  DRAINING_ANNOTATION,
  HOME_ZONE_ANNOTATION,
  SET_LABEL,
  ZONES_ANNOTATION,
} from '../../election/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { readAll } from '../../kube/consistent-list.ts';
import { parseTime } from '../../kube/micro-time.ts';
import { LEASES } from '../../kube/resources.ts';
import type { Lease } from '../../kube/types.ts';

export interface ReplicaView {
  readonly name: string;
  readonly holder: string;
  readonly alive: boolean;
  readonly homeZone: string | undefined;
  /** Milliseconds since it was last heard of, by its own clock. */
  readonly silentMs: number;
  /** The zones that it leads. */
  readonly zones: readonly string[];
  /** The zones that it campaigns for; undefined: it does not say. */
  readonly campaignsFor: readonly string[] | undefined;
  readonly draining: string | undefined;
  /** What it sees of the zones' backends. */
  readonly backends: BackendSights;
  readonly lease: Lease;
}

/** Clocks of this machine and of a replica may differ by so much before a living one is taken for dead. */
const CLOCK_ALLOWANCE_MS = 2_000;

/** Above the time from one sign of life of a replica to the next. */
const LOOK_AGAIN_MS = 3_000;

/**
 * Whether a replica is alive is told by its Lease's time. Where none seems to be, this machine's clock may be the one that
 * is wrong: then who renews its Lease meanwhile is alive.
 */
export async function readReplicas(
  client: KubeClient,
  at: { readonly set: string; readonly namespace: string },
  clock: Clock,
): Promise<ReplicaView[]> {
  const first = await readOnce(client, at, clock);
  if (first.length === 0 || first.some(({ alive }) => alive)) return first;
  await sleep(clock, LOOK_AGAIN_MS);
  const before = new Map(first.map(({ name, lease }) => [name, lease.spec?.renewTime]));
  return (await readOnce(client, at, clock)).map((replica) => ({
    ...replica,
    alive: replica.alive || before.get(replica.name) !== replica.lease.spec?.renewTime,
  }));
}

async function readOnce(
  client: KubeClient,
  at: { readonly set: string; readonly namespace: string },
  clock: Clock,
): Promise<ReplicaView[]> {
  return replicasOf(await readLeases(client, at), at.set, clock);
}

/** The Leases of the set: its zones' and its replicas'. */
export async function readLeases(
  client: KubeClient,
  { set, namespace }: { readonly set: string; readonly namespace: string },
): Promise<readonly Lease[]> {
  const selection = { namespace, labelSelector: `${SET_LABEL}=${set}` };
  return (await readAll<Lease>(client, LEASES, selection, (lease) => lease)).items;
}

export function replicasOf(leases: readonly Lease[], set: string, clock: Clock): ReplicaView[] {
  const prefix = candidateLeasePrefix(set);
  return leases
    .filter(({ metadata }) => metadata?.name?.startsWith(prefix) ?? false)
    .map((lease) => view(lease, prefix, clock.now()))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/** True while a Lease is held by somebody who may still be alive. */
export function isHeld({ spec }: Lease, clock: Clock): boolean {
  return (spec?.holderIdentity ?? '') !== '' && clock.now() - (parseTime(spec?.renewTime) ?? 0) < reachMs(spec);
}

function reachMs(spec: Lease['spec']): number {
  return (spec?.leaseDurationSeconds ?? 0) * 1000 + CLOCK_ALLOWANCE_MS;
}

function view(lease: Lease, prefix: string, nowMs: number): ReplicaView {
  const { metadata, spec } = lease;
  const { annotations = {}, name = '' } = metadata ?? {};
  const silentMs = Math.max(0, nowMs - (parseTime(spec?.renewTime) ?? 0));
  const listed = (text: string): string[] => text.split(',').filter((each) => each !== '');
  const campaigns = annotations[CAMPAIGNS_ANNOTATION];
  return {
    name: name.slice(prefix.length),
    holder: spec?.holderIdentity ?? '',
    alive: silentMs < reachMs(spec),
    silentMs,
    zones: listed(annotations[ZONES_ANNOTATION] ?? ''),
    campaignsFor: campaigns === undefined ? undefined : listed(campaigns),
    homeZone: annotations[HOME_ZONE_ANNOTATION] || undefined,
    draining: annotations[DRAINING_ANNOTATION],
    backends: readSights(annotations[BACKENDS_ANNOTATION]),
    lease,
  };
}
