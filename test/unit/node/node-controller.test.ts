import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { createTermClient } from '../../../src/fence/term-client.ts';
import { createInformer } from '../../../src/kube/informer.ts';
import { NODES } from '../../../src/kube/resources.ts';
import type { Node } from '../../../src/kube/types.ts';
import { silentLogger as log } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import { nodeMetrics } from '../../../src/metrics/node.ts';
import { claimNode } from '../../../src/node/claim.ts';
import { EPOCH_ANNOTATION, LEADER_ANNOTATION } from '../../../src/node/names.ts';
import { runNodeController } from '../../../src/node/node-controller.ts';
import type { NodeHealth } from '../../../src/node/node-health.ts';
import type { ZoneReport } from '../../../src/provider/contract.ts';
import { seededRandom, settle } from '../../support/virtual-clock.ts';
import { startCluster } from '../local-cluster/cluster.ts';
import { testTerm } from '../pods/stage.ts';
import { identity } from './identity.ts';

const AT = { name: identity.nodeName };
const UP: ZoneReport = { state: 'Up', evidence: 'all well', capacity: { cpu: '8', memory: '8Gi', pods: '100' } };

const WELL: NodeHealth = {
  backend: { status: 'True', reason: 'BackendUp', message: 'all well' },
  taint: 'none',
  onlyAllocated: undefined,
  notReady: undefined,
};

/** A leader that keeps its Node; its watch of Nodes can be cut, so that it does not hear of what others write. */
async function keeping() {
  const { client, clock } = startCluster();
  const random = seededRandom(1);
  const registry = new Registry();
  const metrics = apiMetrics(registry);
  const nodes = createInformer<Node>({ client, resource: NODES, selection: {}, clock, random, metrics, log });
  const term = testTerm(3, 'replica-0_-_one');
  const writes = createTermClient({ client, term });
  const claimed = await claimNode({ identity, term, client, writes, clock, log });
  const watching = new AbortController();
  const followed = nodes.run(watching.signal);
  await settle();
  let report: ZoneReport = UP;
  let health = WELL;
  const events: string[] = [];
  const callbacks = new Set<() => void>();
  const stop = new AbortController();
  const done = runNodeController(
    {
      identity,
      term,
      client,
      writes,
      nodes,
      events: { record: (_about, type, reason, message) => void events.push(`${type} ${reason}: ${message}`) },
      metrics: nodeMetrics(registry),
      clock,
      log,
      address: '10.0.0.1',
      kubeletPort: 10_250,
      runtime: 'simulated',
      version: '0.0.0',
      capacity: undefined,
      report: () => report,
      health: () => health,
      onNews: (callback) => {
        callbacks.add(callback);
        return () => callbacks.delete(callback);
      },
    },
    claimed,
    AbortSignal.any([stop.signal, term.signal]),
  );
  await settle();
  return {
    client,
    clock,
    term,
    node: () => client.get(NODES, AT),
    /** The leader hears of nothing that is written from now on. */
    async cutWatch() {
      watching.abort();
      await followed;
    },
    async says(next: ZoneReport) {
      report = next;
      for (const callback of callbacks) callback();
      await settle();
    },
    events,
    async becomes(next: NodeHealth) {
      health = next;
      for (const callback of callbacks) callback();
      await settle();
    },
    async end() {
      stop.abort();
      watching.abort();
      await Promise.all([done, followed]);
    },
  };
}

const cpu = (node: Node): string | undefined => node.status?.capacity?.cpu;

describe("a Node's status", () => {
  test('is written on top of what somebody else wrote meanwhile, at once', async () => {
    const { client, node, cutWatch, says, end } = await keeping();
    await cutWatch();
    await client.patch(NODES, AT, { type: 'merge', body: { metadata: { labels: { owner: 'payments' } } } });
    await says({ ...UP, capacity: { cpu: '16' } });
    expect(cpu(await node())).toBe('16');
    expect((await node()).metadata?.labels?.owner).toBe('payments');
    await end();
  });

  test('is not written over that of a successor of which this leader has not heard', async () => {
    const { client, clock, term, node, cutWatch, says, end } = await keeping();
    await cutWatch();
    await client.patch(NODES, AT, {
      type: 'merge',
      body: { metadata: { annotations: { [EPOCH_ANNOTATION]: '4', [LEADER_ANNOTATION]: 'replica-1_-_two' } } },
    });
    const { resourceVersion } = (await node()).metadata ?? {};
    await says({ ...UP, capacity: { cpu: '1' } });
    expect(cpu(await node())).toBe('8');
    expect((await node()).metadata?.resourceVersion).toBe(resourceVersion);
    expect(term.over).toBe(true);
    await clock.advance(60_000);
    expect((await node()).metadata?.resourceVersion).toBe(resourceVersion);
    await end();
  });
});

describe("a Node's part in its zone's health", () => {
  const taintsOf = (node: Node): string[] => (node.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
  const NO_NEW: NodeHealth = {
    backend: { status: 'True', reason: 'BackendTakesNoNewPods', message: 'maintenance' },
    taint: 'no new pods',
    onlyAllocated: { cpu: '3', pods: '4' },
    notReady: undefined,
  };
  const DOWN: NodeHealth = {
    backend: { status: 'False', reason: 'BackendDown', message: 'r0 and r1 do not reach it' },
    taint: 'backend down',
    onlyAllocated: undefined,
    notReady: undefined,
  };
  const UNKNOWN: NodeHealth = {
    backend: { status: 'Unknown', reason: 'BackendUnknown', message: 'nothing was heard' },
    taint: 'as it is',
    onlyAllocated: undefined,
    notReady: undefined,
  };
  const others = [{ key: 'team', value: 'a', effect: 'NoSchedule' }];

  test('is told by one taint of its own beside those of others, by what it offers, and by Events', async () => {
    const { client, node, becomes, events, end } = await keeping();
    await client.patch(NODES, AT, { type: 'merge', body: { spec: { taints: others } } });
    await becomes(NO_NEW);
    expect(taintsOf(await node())).toEqual(['team:NoSchedule', 'zonelet.dev/no-new-pods:NoSchedule']);
    expect((await node()).status?.allocatable).toEqual({ cpu: '3', memory: '0', pods: '4' });
    await becomes(DOWN);
    expect(taintsOf(await node())).toEqual(['team:NoSchedule', 'zonelet.dev/backend-down:NoSchedule']);
    await becomes(UNKNOWN);
    expect(taintsOf(await node())).toEqual(['team:NoSchedule', 'zonelet.dev/backend-down:NoSchedule']);
    expect((await node()).status?.allocatable).toEqual({ cpu: '8', memory: '8Gi', pods: '100' });
    await becomes(WELL);
    expect(taintsOf(await node())).toEqual(['team:NoSchedule']);
    expect(events).toEqual([
      'Warning BackendTakesNoNewPods: maintenance',
      'Warning BackendDown: r0 and r1 do not reach it',
      'Warning BackendUnknown: nothing was heard',
      'Normal BackendUp: all well',
    ]);
    await end();
  });

  test('takes what the node offers back before the taint goes, and the taint comes before it offers less', async () => {
    const { client, clock, becomes, end } = await keeping();
    const seen: string[] = [];
    const watched = createInformer<Node>({
      client,
      resource: NODES,
      selection: {},
      clock,
      random: seededRandom(2),
      metrics: apiMetrics(new Registry()),
      log,
    });
    const watching = new AbortController();
    const following = watched.run(watching.signal);
    await settle();
    watched.subscribe({
      updated: (_before, after) => {
        const tainted = taintsOf(after).some((taint) => taint.startsWith('zonelet.dev/'));
        seen.push(`${after.status?.allocatable?.cpu} ${tainted ? 'tainted' : 'open'}`);
      },
    });
    await becomes(NO_NEW);
    await becomes(WELL);
    expect(seen.filter((each, i) => each !== seen[i - 1])).toEqual(['8 tainted', '3 tainted', '8 tainted', '8 open']);
    watching.abort();
    await following;
    await end();
  });

  test('leaves a taint that an administrator took away alone until there is something new to say', async () => {
    const { client, node, becomes, end } = await keeping();
    await becomes(DOWN);
    await client.patch(NODES, AT, { type: 'merge', body: { spec: { taints: [] } } });
    await becomes({ ...DOWN, backend: { ...DOWN.backend, message: 'still' } });
    expect(taintsOf(await node())).toEqual([]);
    await becomes(NO_NEW);
    expect(taintsOf(await node())).toEqual(['zonelet.dev/no-new-pods:NoSchedule']);
    await end();
  });
});
