import { expect, test } from 'vitest';
import { sleep } from '../../../src/clock.ts';
import { createElection } from '../../../src/election/election.ts';
import { ELECTION_ANNOTATION, SET_LABEL } from '../../../src/election/names.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { createEventRecorder } from '../../../src/kube/event-recorder.ts';
import { createInformer } from '../../../src/kube/informer.ts';
import { LEASES, NODES } from '../../../src/kube/resources.ts';
import { silentLogger as log } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { runCaretaker } from '../../../src/node/caretaker.ts';
import { seededRandom } from '../../support/virtual-clock.ts';
import { ReplicaClock } from '../election/replica-clock.ts';
import { timing } from '../election/stage.ts';
import { type Stage, startStage } from '../local-cluster/controllers/stage.ts';

const NODE = 'node-a';

/** What is under test of a replica: its part in the election, and the care of a zone that nobody leads. */
function startReplica(stage: Stage, name: string, health: { down: boolean }) {
  const fault = { heartbeats: false, slowMs: 0 };
  const client: KubeClient = {
    ...stage.client,
    async replace(of, object, options) {
      if (fault.heartbeats && object.metadata?.namespace === 'kube-node-lease') {
        throw new ZoneletError('Unavailable', 'refused');
      }
      if (fault.slowMs > 0) await sleep(stage.clock, fault.slowMs);
      return await stage.client.replace(of, object, options);
    },
  };
  const clock = new ReplicaClock(stage.clock);
  const random = seededRandom(name.charCodeAt(1));
  const metrics = createMetrics({ set: 'demo', version: '0', runtime: false });
  const informing = { client, clock, random, metrics: metrics.api, log };
  const selection = { labelSelector: `${SET_LABEL}=demo` };
  const leases = createInformer({ ...informing, resource: LEASES, selection: { ...selection, namespace: 'default' } });
  const nodes = createInformer({ ...informing, resource: NODES, selection });
  const source = { component: 'zonelet', host: name };
  const events = createEventRecorder({ client, clock, random, source, metrics: metrics.api, log });
  const election = createElection({
    client,
    set: 'demo',
    namespace: 'default',
    replica: { name },
    bootId: random.uuid(),
    zones: [{ name: 'a', nodeName: NODE }],
    timing,
    leases,
    nodes,
    clock,
    random,
    metrics: metrics.election,
    log,
  });
  const end = new AbortController();
  const campaign = election.campaign('a');
  let terms = 0;
  const campaigning = async (): Promise<void> => {
    for await (const term of campaign.terms(end.signal)) {
      terms++;
      await new Promise<void>((resolve) => term.ending.addEventListener('abort', () => resolve(), { once: true }));
    }
  };
  const caretaker = {
    zone: 'a',
    nodeName: NODE,
    replica: name,
    client,
    nodes,
    events,
    metrics: metrics.node,
    clock,
    log,
    leaderlessMs: campaign.leaderlessMs,
    rank: () => election.candidates.rank('a', undefined),
    backendDown: () => health.down,
  };
  const running = [
    leases.run(end.signal),
    nodes.run(end.signal),
    events.run(end.signal),
    election.run(end.signal, () => {}),
    campaigning(),
    runCaretaker(caretaker, end.signal),
  ];
  return {
    clock,
    fault,
    rank: caretaker.rank,
    terms: () => terms,
    async beats(): Promise<number> {
      const { values } = await metrics.node.heartbeats.get();
      return values.find(({ labels }) => labels.outcome === 'ok')?.value ?? 0;
    },
    stop() {
      end.abort();
      return Promise.all(running);
    },
  };
}

async function open(graceMs: number, health = { down: false }, election = 'redis') {
  const stage = startStage({ settings: { nodeMonitorGracePeriodMs: graceMs } });
  await stage.addNode(NODE, { zone: 'a', labels: { [SET_LABEL]: 'demo' } });
  const annotations = { [ELECTION_ANNOTATION]: election };
  await stage.client.patch(NODES, { name: NODE }, { type: 'merge', body: { metadata: { annotations } } });
  await stage.run(20_000);
  // The last heartbeat of a leader is up to 10 s older than its end.
  stage.silence(NODE);
  await stage.run(10_000);
  const replicas = ['r0', 'r1', 'r2'].map((name) => startReplica(stage, name, health));
  return { stage, replicas };
}

async function close(stage: Stage, replicas: readonly ReturnType<typeof startReplica>[]): Promise<void> {
  let over = false;
  const ended = Promise.all(replicas.map((replica) => replica.stop())).finally(() => {
    over = true;
  });
  while (!over) await stage.run(1_000);
  await ended;
  await stage[Symbol.asyncDispose]();
}

async function ready(stage: Stage): Promise<string | undefined> {
  return (await stage.node(NODE)).status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

/** Whether the node was Ready at every second of it. */
async function staysReady(stage: Stage, ms: number): Promise<boolean> {
  for (let left = ms; left > 0; left -= 1_000) {
    await stage.run(1_000);
    if ((await ready(stage)) !== 'True') return false;
  }
  return true;
}

test.each([40_000, 50_000])(
  'with every candidate ineligible the node stays Ready at a grace of %d ms, one replica renewing its Lease',
  async (graceMs) => {
    const { stage, replicas } = await open(graceMs);
    // The one that comes first has a clock that is ten minutes late.
    for (const { clock } of replicas.slice(0, 2)) clock.wallOffsetMs = -600_000;
    expect(await staysReady(stage, 300_000)).toBe(true);
    expect(replicas.map(({ terms }) => terms())).toEqual([0, 0, 0]);
    const beats = await Promise.all(replicas.map((replica) => replica.beats()));
    expect(beats.filter((count) => count > 0)).toHaveLength(1);
    expect(Math.max(...beats)).toBeLessThanOrEqual(30);
    const told = (await stage.events(NODE)).filter((text) => text.startsWith('NodeKeptAlive'));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/Zone a has had no leader for 8 s; r\d renews the node's Lease meanwhile/);
    await close(stage, replicas);
  },
);

test('whoever should come first and does not is replaced by the next one in time', async () => {
  const { stage, replicas } = await open(40_000);
  await stage.run(5_000);
  // It goes on telling that it lives, and cannot renew.
  const first = replicas.find(({ rank }) => rank() === 0);
  if (first !== undefined) first.fault.heartbeats = true;
  expect(await staysReady(stage, 120_000)).toBe(true);
  expect(await first?.beats()).toBe(0);
  replicas.find((replica) => replica !== first)?.clock.freeze();
  expect(await staysReady(stage, 120_000)).toBe(true);
  for (const { clock } of replicas) clock.thaw();
  await close(stage, replicas);
});

test('whoever comes first and is slow is left alone by the others, who would tell of the zone once more', async () => {
  const { stage, replicas } = await open(40_000);
  await stage.run(5_000);
  const first = replicas.find(({ rank }) => rank() === 0);
  if (first !== undefined) first.fault.slowMs = 2_000;
  expect(await staysReady(stage, 300_000)).toBe(true);
  expect(await first?.beats()).toBeGreaterThan(20);
  const told = (await stage.events(NODE)).filter((text) => text.startsWith('NodeKeptAlive'));
  expect(told).toHaveLength(1);
  await close(stage, replicas);
});

test('a node whose backend is known to be down is not kept alive', async () => {
  const health = { down: true };
  const { stage, replicas } = await open(40_000, health);
  await stage.run(50_000);
  expect(await ready(stage)).toBe('Unknown');
  expect((await stage.events(NODE)).join()).not.toContain('NodeKeptAlive');
  await close(stage, replicas);
});

test('where somebody leads, nobody else renews', async () => {
  const { stage, replicas } = await open(40_000, { down: false }, 'lease');
  await stage.run(60_000);
  expect(replicas.map(({ terms }) => terms()).sort((a, b) => a - b)).toEqual([0, 0, 1]);
  expect(await Promise.all(replicas.map((replica) => replica.beats()))).toEqual([0, 0, 0]);
  await close(stage, replicas);
});
