/** Asks a zone's leader to give the zone away, and follows until another replica leads it. */
import { Registry } from 'prom-client';
import type { Clock, Random } from '../../clock.ts';
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
import { createInformer, type Informer } from '../../kube/informer.ts';
import { NODES } from '../../kube/resources.ts';
import type { Node } from '../../kube/types.ts';
import { silentLogger } from '../../log.ts';
import { apiMetrics } from '../../metrics/api.ts';
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

/** A leader answers in a fraction of a second; one that died meanwhile has a successor by then, which answers. */
const ANSWER_MS = 15_000;
/** The wind-down, the reserve for the one it is meant for, and a lease when that one dies of it. */
const TAKE_OVER_MS = 30_000;

/** Resolves when the zone is led by whom it was to be; throws with the reason when it is not. */
export async function handOver(options: HandOverOptions): Promise<HandedOver> {
  const { client, clock, zone, to, by, say, signal } = options;
  const replicas = await readReplicas(client, options, clock);
  const node = await readNode(options);
  const leader = checked(options, replicas, node);
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
  const before = { from: leader.name, epoch: epochOf(node) };
  // Watched from before it is asked: what comes of it takes a few milliseconds.
  await using watched = await watchNode(options);
  await client.patch(NODES, { name: zone.nodeName }, patch, { signal });
  say(
    `Asked ${leader.name}, which leads zone ${zone.name} with epoch ${before.epoch}, to hand it over to ${to ?? 'the best other replica'}.`,
  );
  try {
    return await follow(options, watched.nodes, id, before);
  } catch (error) {
    await withdraw(options, id);
    throw error;
  }
}

async function watchNode({ client, clock, random, zone, signal }: HandOverOptions) {
  const nodes = createInformer<Node>({
    client,
    resource: NODES,
    selection: { fieldSelector: `metadata.name=${zone.nodeName}` },
    clock,
    random,
    metrics: apiMetrics(new Registry()),
    log: silentLogger,
  });
  const life = new AbortController();
  const running = nodes.run(life.signal);
  await nodes.synced(signal);
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      life.abort();
      await running;
    },
  };
}

/** The leader, when nothing that can be seen from here speaks against it. */
function checked(
  { zone, to, set }: HandOverOptions,
  replicas: readonly ReplicaView[],
  node: Node | undefined,
): ReplicaView {
  const alive = replicas.filter((replica) => replica.alive);
  const names = alive.map(({ name }) => name).join(', ');
  if (alive.length === 0) throw failure(`no replica of set ${set} is alive`);
  // One that has only just begun to lead has not told of it on its own Lease yet.
  const claimed = node?.metadata?.annotations?.[LEADER_ANNOTATION];
  const leader = alive.find(({ zones }) => zones.includes(zone.name)) ?? alive.find(({ holder }) => holder === claimed);
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

function follow(
  { clock, zone, say, signal }: HandOverOptions,
  nodes: Informer<Node>,
  id: string,
  before: { readonly from: string; readonly epoch: number },
): Promise<HandedOver> {
  const { promise, resolve, reject } = Promise.withResolvers<HandedOver>();
  let accepted: { readonly to: string; readonly at: number } | undefined;
  let lastLed = clock.monotonic();

  function look(node: Node): void {
    const now = clock.monotonic();
    const outcome = readOutcome(node, HANDOVER_OUTCOME_ANNOTATION);
    if (outcome?.id !== id) {
      if (accepted === undefined) lastLed = now;
      return;
    }
    if (outcome.refused !== undefined) {
      reject(failure(`refused: ${outcome.refused}`));
      return;
    }
    const to = outcome.to ?? '';
    const leader = parseHolder(node.metadata?.annotations?.[LEADER_ANNOTATION] ?? '')?.replica;
    const epoch = epochOf(node);
    const changed = leader === to || epoch > before.epoch;
    if (accepted === undefined) {
      // Where both come at once, it was led until it was last seen to be.
      accepted = { to, at: changed ? lastLed : now };
      timer.cancel();
      timer = clock.setTimer(TAKE_OVER_MS, () =>
        reject(failure(`nobody has led zone ${zone.name} since ${before.from} gave it up for ${to}`)),
      );
      say(`${before.from} winds its work down for ${to}.`);
    }
    if (leader === to) resolve({ from: before.from, to, epoch, gapMs: now - accepted.at });
    else if (changed) {
      reject(failure(`${to} did not take zone ${zone.name}; ${leader ?? 'another'} leads it with epoch ${epoch}`));
    }
  }

  let timer = clock.setTimer(ANSWER_MS, () =>
    reject(failure(`nobody answered within ${ANSWER_MS / 1000} s; the request was withdrawn`)),
  );
  const stopped = (): void => reject(new ZoneletError('Aborted', 'stopped while waiting; the request was withdrawn'));
  signal.addEventListener('abort', stopped, { once: true });
  if (signal.aborted) stopped();
  const unsubscribe = nodes.subscribe({ added: look, updated: (_, node) => look(node) });
  return promise.finally(() => {
    timer.cancel();
    unsubscribe();
    signal.removeEventListener('abort', stopped);
  });
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
