/** Asks a zone's leader to give the zone away, and follows until another replica leads it. */
import { type Clock, type Random, sleep } from '../../clock.ts';
import type { ZoneConfig } from '../../config/config.ts';
import { parseHolder } from '../../election/identity.ts';
import {
  EPOCH_ANNOTATION,
  HANDOVER_OUTCOME_ANNOTATION,
  HANDOVER_REQUEST_ANNOTATION,
  LEADER_ANNOTATION,
} from '../../election/names.ts';
import { expired, readOutcome, readRequest } from '../../election/node-request.ts';
import { hasCode, ZoneletError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { NODES } from '../../kube/resources.ts';
import type { Node } from '../../kube/types.ts';
import { type ReplicaView, readReplicas } from './replicas.ts';

export interface HandOverOptions {
  readonly client: KubeClient;
  readonly set: string;
  readonly namespace: string;
  readonly zone: Pick<ZoneConfig, 'name' | 'nodeName'>;
  /** The replica that is to lead; undefined: the leader chooses. */
  readonly to: string | undefined;
  /** Who asks, for people. */
  readonly by: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of progress, one sentence at a time. */
  readonly say: (line: string) => void;
  /** Aborts when whoever asks no longer wants it. */
  readonly signal: AbortSignal;
}

export interface HandedOver {
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  /** From the leader's answer to the next one's claim of the Node, as seen from here: nobody led for no longer. */
  readonly gapMs: number;
}

const LOOK_EVERY_MS = 50;
/** A leader answers in a fraction of a second; one that died meanwhile has a successor by then, which answers. */
const ANSWER_MS = 15_000;
/** The wind-down, the reserve for the one it is meant for, and a lease when that one dies of it. */
const TAKE_OVER_MS = 30_000;

/** Resolves when the zone is led by whom it was to be; throws with the reason when it is not. */
export async function handOver(options: HandOverOptions): Promise<HandedOver> {
  const { client, clock, zone, to, by, say, signal } = options;
  const replicas = await readReplicas(client, options, clock);
  const leader = checked(options, replicas);
  const node = await readNode(options);
  if (node === undefined) throw failure(`zone ${zone.name} has no Node ${zone.nodeName} yet`);
  const pending = readRequest(node, HANDOVER_REQUEST_ANNOTATION);
  if (pending !== undefined && pending !== 'unreadable' && expired(pending, clock.now()) === undefined) {
    throw failure(
      `another request for zone ${zone.name} is waiting for its leader: ${pending.by} asked at ${pending.at}`,
    );
  }
  if (leader.name === to) {
    say(`${to} leads zone ${zone.name} already.`);
    return { from: to, to, epoch: epochOf(node), gapMs: 0 };
  }

  const id = options.random.uuid();
  const request = { id, ...(to === undefined ? {} : { to }), by, at: new Date(clock.now()).toISOString() };
  const annotations = { [HANDOVER_REQUEST_ANNOTATION]: JSON.stringify(request) };
  const patch = { type: 'merge', body: { metadata: { uid: node.metadata?.uid, annotations } } } as const;
  await client.patch(NODES, { name: zone.nodeName }, patch, { signal });
  say(
    `Asked ${leader.name}, which leads zone ${zone.name} with epoch ${epochOf(node)}, to hand it over to ${to ?? 'the best other replica'}.`,
  );
  try {
    return await follow(options, id, { from: leader.name, epoch: epochOf(node) });
  } catch (error) {
    await withdraw(options, id);
    throw error;
  }
}

/** The leader, when nothing that can be seen from here speaks against it. */
function checked({ zone, to, set }: HandOverOptions, replicas: readonly ReplicaView[]): ReplicaView {
  const alive = replicas.filter((replica) => replica.alive);
  const names = alive.map(({ name }) => name).join(', ');
  if (alive.length === 0) throw failure(`no replica of set ${set} is alive`);
  const leader = alive.find(({ zones }) => zones.includes(zone.name));
  if (leader === undefined)
    throw failure(`nobody leads zone ${zone.name} now, so nobody can hand it over; alive are: ${names}`);
  if (to === undefined || to === leader.name) return leader;
  const target = replicas.find(({ name }) => name === to);
  if (target === undefined) throw failure(`set ${set} has no replica "${to}"; alive are: ${names}`);
  if (!target.alive) {
    throw failure(
      `${to} is not alive: it was last heard of ${Math.round(target.silentMs / 1000)} s ago; alive are: ${names}`,
    );
  }
  if (target.campaignsFor?.includes(zone.name) === false) {
    throw failure(`${to} does not have zone ${zone.name} in its configuration`);
  }
  if (target.draining !== undefined) throw failure(`${to} takes no zones: ${target.draining}`);
  return leader;
}

async function follow(
  options: HandOverOptions,
  id: string,
  before: { readonly from: string; readonly epoch: number },
): Promise<HandedOver> {
  const { clock, zone, say, signal } = options;
  const askedAt = clock.monotonic();
  let accepted: { readonly to: string; readonly at: number } | undefined;
  for (;;) {
    if (signal.aborted) throw new ZoneletError('Aborted', 'stopped while waiting; the request was withdrawn');
    const node = await readNode(options);
    const now = clock.monotonic();
    const outcome = readOutcome(node, HANDOVER_OUTCOME_ANNOTATION);
    if (accepted === undefined && outcome?.id === id) {
      if (outcome.refused !== undefined) throw failure(`refused: ${outcome.refused}`);
      accepted = { to: outcome.to ?? '', at: now };
      say(`${before.from} winds its work down for ${accepted.to}.`);
    }
    const leader = parseHolder(node?.metadata?.annotations?.[LEADER_ANNOTATION] ?? '')?.replica;
    const epoch = epochOf(node);
    if (accepted !== undefined && leader !== undefined && (epoch > before.epoch || leader === accepted.to)) {
      if (leader === accepted.to) return { from: before.from, to: leader, epoch, gapMs: now - accepted.at };
      throw failure(`${accepted.to} did not take zone ${zone.name}; ${leader} leads it with epoch ${epoch}`);
    }
    if (accepted === undefined && now - askedAt > ANSWER_MS) {
      throw failure(`nobody answered within ${ANSWER_MS / 1000} s; the request was withdrawn`);
    }
    if (accepted !== undefined && now - accepted.at > TAKE_OVER_MS) {
      throw failure(`nobody has led zone ${zone.name} since ${before.from} gave it up for ${accepted.to}`);
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
}

/** A request that nobody waits for any more is not to be carried out later. One that is answered stands there no longer. */
async function withdraw(options: HandOverOptions, id: string): Promise<void> {
  const { client, zone } = options;
  const node = await client.get(NODES, { name: zone.nodeName }).catch(() => undefined);
  const pending = readRequest(node, HANDOVER_REQUEST_ANNOTATION);
  if (node === undefined || pending === undefined || pending === 'unreadable' || pending.id !== id) return;
  const { uid, resourceVersion } = node.metadata ?? {};
  const body = { metadata: { uid, resourceVersion, annotations: { [HANDOVER_REQUEST_ANNOTATION]: null } } };
  // It expires by itself where this fails.
  await client.patch(NODES, { name: zone.nodeName }, { type: 'merge', body }).catch(() => undefined);
}

async function readNode({ client, zone }: HandOverOptions): Promise<Node | undefined> {
  try {
    return await client.get(NODES, { name: zone.nodeName });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

function epochOf(node: Node | undefined): number {
  return Number(node?.metadata?.annotations?.[EPOCH_ANNOTATION] ?? 0);
}

function failure(why: string): ZoneletError {
  return new ZoneletError('Unavailable', why);
}
