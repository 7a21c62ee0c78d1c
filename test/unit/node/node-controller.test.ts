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
import type { NodeIdentity } from '../../../src/node/node-object.ts';
import type { ZoneReport } from '../../../src/provider/contract.ts';
import { seededRandom, settle } from '../../support/virtual-clock.ts';
import { startCluster } from '../local-cluster/cluster.ts';
import { testTerm } from '../pods/stage.ts';

const identity: NodeIdentity = {
  set: 'shop',
  zone: 'zone-a',
  region: 'north',
  nodeName: 'shop-zone-a',
  labels: {},
  taints: [],
  os: 'linux',
  arch: 'amd64',
  election: 'lease',
};
const AT = { name: identity.nodeName };
const UP: ZoneReport = { state: 'Up', evidence: 'all well', capacity: { cpu: '8', memory: '8Gi', pods: '100' } };

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
  const callbacks = new Set<() => void>();
  const stop = new AbortController();
  const done = runNodeController(
    {
      identity,
      term,
      client,
      writes,
      nodes,
      events: { record: () => {} },
      metrics: nodeMetrics(registry),
      clock,
      log,
      address: '10.0.0.1',
      kubeletPort: 10_250,
      runtime: 'simulated',
      version: '0.0.0',
      capacity: undefined,
      report: () => report,
      onReport: (callback) => {
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
