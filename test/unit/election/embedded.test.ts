import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createElection } from '../../../src/election/election.ts';
import type { Term } from '../../../src/election/term.ts';
import { createKubeClient } from '../../../src/kube/api-client.ts';
import { createInformer } from '../../../src/kube/informer.ts';
import { LEASES, NODES } from '../../../src/kube/resources.ts';
import { createApiServerCore } from '../../../src/local-cluster/api-server/core.ts';
import { createInProcessTransport } from '../../../src/local-cluster/api-server/in-process-transport.ts';
import { silentLogger as log } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import { electionMetrics } from '../../../src/metrics/election.ts';
import { seededRandom, VirtualClock } from '../../support/virtual-clock.ts';
import { ReplicaClock } from './replica-clock.ts';
import { over, timing } from './stage.ts';

const ZONES = ['a', 'b', 'c'];

test('on the embedded API server, with the real informer: home, take-over, a deleted Lease, a stop', async () => {
  const shared = new VirtualClock();
  const random = seededRandom(3);
  const core = createApiServerCore({ clock: shared, random });
  const client = createKubeClient({ transport: createInProcessTransport(core), clock: shared });

  const replicas = ZONES.map((homeZone) => {
    const clock = new ReplicaClock(shared);
    const registry = new Registry();
    const informing = { client, clock, random, metrics: apiMetrics(registry), log };
    const selection = { labelSelector: 'zonelet.dev/set=demo' };
    const leases = createInformer({
      ...informing,
      resource: LEASES,
      selection: { ...selection, namespace: 'default' },
    });
    const nodes = createInformer({ ...informing, resource: NODES, selection });
    const election = createElection({
      client,
      set: 'demo',
      namespace: 'default',
      replica: { name: `r${homeZone}`, homeZone },
      bootId: random.uuid(),
      zones: ZONES.map((name) => ({ name, nodeName: `node-${name}` })),
      timing,
      leases,
      nodes,
      clock,
      random,
      metrics: electionMetrics(registry),
      log,
    });
    const stop = new AbortController();
    const end = new AbortController();
    const terms: Term[] = [];
    const caches = [leases.run(end.signal), nodes.run(end.signal), election.run(end.signal, () => {})];
    const campaigns = ZONES.map(async (zone) => {
      for await (const term of election.campaign(zone).terms(stop.signal)) {
        terms.push(term);
        await over(term);
      }
    });
    return {
      clock,
      terms,
      acts: (zone: string) => !clock.frozen && terms.some((term) => term.zone === zone && term.mayAct()),
      async stop() {
        stop.abort();
        await Promise.all(campaigns);
        end.abort();
        await Promise.all(caches);
      },
    };
  });
  const leaders = (): number[][] =>
    ZONES.map((zone) => replicas.flatMap((replica, i) => (replica.acts(zone) ? [i] : [])));

  await shared.advance(10_000);
  expect(leaders()).toEqual([[0], [1], [2]]);

  await client.delete(LEASES, { namespace: 'default', name: 'zonelet-demo-b' });
  await shared.advance(500);
  expect(leaders()).toEqual([[0], [1], [2]]);
  expect(replicas[1]?.terms.map(({ epoch }) => epoch)).toEqual([1, 2]);

  const stopped = replicas[0]?.stop();
  await shared.advance(300);
  await stopped;
  expect(leaders()[0]).toHaveLength(1);
  await expect(client.get(LEASES, { namespace: 'default', name: 'zonelet-demo-replica-ra' })).rejects.toMatchObject({
    code: 'NotFound',
  });

  replicas[1]?.clock.freeze();
  await shared.advance(6_500);
  expect(leaders()).toEqual([[2], [2], [2]]);
  expect(replicas[2]?.terms.find(({ zone }) => zone === 'b')?.epoch).toBe(3);

  replicas[1]?.clock.thaw();
  expect(leaders()).toEqual([[2], [2], [2]]);
  for (const last of [2, 1]) {
    const stopping = replicas[last]?.stop();
    await shared.advance(1_000);
    await stopping;
    expect(leaders()).toEqual(last === 2 ? [[1], [1], [1]] : [[], [], []]);
  }
  const lease = await client.get(LEASES, { namespace: 'default', name: 'zonelet-demo-b' });
  expect(lease.spec).toMatchObject({ holderIdentity: '', leaseTransitions: 4, leaseDurationSeconds: 1 });
});
