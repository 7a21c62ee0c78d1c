import { expect, test } from 'vitest';
import { carryOut, planRemoval } from '../../../src/commands/operator/zone-removal.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { EVICTIONS, LEASES, NODES, PODS } from '../../../src/kube/resources.ts';
import { annotate, HOLD, leaderOf, removal, settled, zoneOf } from './operator.ts';
import { deploy, type RunningSet, startSet } from './set.ts';

test('removal is carried on by the next leader, waits for the backend, and leaves nothing; the others go on', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  // It accepts, and cannot know what is on the backend.
  set.down('a');
  const options = removal(set, { timeoutMs: 300_000 });
  const plan = await planRemoval(options, zoneOf('a'));
  expect(plan).toMatchObject({ leader: 'ra', objections: [] });
  const carrying = carryOut(plan, options);
  carrying.catch(() => {});
  const accepted = async () => JSON.parse((await set.node('a')).metadata?.annotations?.['zonelet.dev/removal'] ?? '{}');
  await set.stage.until('accepted', async () => (await accepted()).epoch === 1);
  set.members[0]?.clock.freeze();
  await set.stage.until('accepted by the next', async () => (await accepted()).epoch > 1);
  await set.stage.run(40_000);
  set.up('a');
  await settled(set, carrying);
  await expect(set.node('a')).rejects.toMatchObject({ code: 'NotFound' });
  const names = (await set.stage.client.list(LEASES)).items.map(({ metadata }) => metadata?.name);
  expect(names).not.toContain('shop-a');
  expect(names).not.toContain('zonelet-shop-a');
  set.members[0]?.clock.thaw();
  await set.stage.run(120_000);
  await expect(set.node('a')).rejects.toMatchObject({ code: 'NotFound' });
  expect(leaderOf(set, 'a')).toBeUndefined();
  expect([await set.ready('b'), await set.ready('c')]).toEqual(['True', 'True']);
  // Its pods have somewhere to go.
  await deploy(set, 'web', 6, 300);
});

test('removal is refused while pods may come or are there, and speaks of nobody who could do it', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await deploy(set, 'web', 3, 300);
  await set.stage.run(10_000);
  const plan = await planRemoval(removal(set, { force: false }), zoneOf('a'));
  expect(plan.objections).toEqual([expect.stringContaining('pods are on it (default/web-')]);
  const request = () => {
    const at = new Date(set.stage.clock.now()).toISOString();
    return annotate(set, 'a', { 'zonelet.dev/remove': JSON.stringify({ id: '1', by: 'bob', at }) });
  };
  await request();
  await set.stage.run(5_000);
  await set.stage.client.patch(NODES, { name: 'shop-a' }, { type: 'merge', body: { spec: { unschedulable: true } } });
  await set.stage.run(5_000);
  await request();
  await set.stage.run(5_000);
  const refused = (await set.events('a')).filter((text) => text.startsWith('RemovalRefused'));
  expect(refused).toEqual([
    expect.stringContaining('its node is not cordoned'),
    expect.stringMatching(/\d pods are bound to its node, such as default\/web-/),
  ]);
  expect(await set.ready('a')).toBe('True');
  for (const { clock } of set.members) clock.freeze();
  await set.stage.run(20_000);
  const { objections } = await settled(set, planRemoval(removal(set), zoneOf('a')));
  expect(objections).toEqual([expect.stringContaining('nobody leads it')]);
});

test('a removal that nobody waits for any more is dropped; the zone stays, also when its Node is deleted later', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  set.down('a');
  const stop = new AbortController();
  const options = removal(set, { signal: stop.signal });
  const carrying = carryOut(await planRemoval(options, zoneOf('a')), options);
  carrying.catch(() => {});
  await set.stage.run(20_000);
  stop.abort();
  await expect(settled(set, carrying)).rejects.toThrow('zone a stays: stopped. Node shop-a stays cordoned');
  await set.stage.run(20_000);
  set.up('a');
  await set.stage.run(20_000);
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/removal']).toBeUndefined();
  expect(leaderOf(set, 'a')).toBeDefined();
  await set.stage.client.delete(NODES, { name: 'shop-a' });
  await set.stage.run(10_000);
  expect(await set.ready('a')).toBe('True');
  expect(leaderOf(set, 'a')).toBeDefined();
});

test('an abandoned backend is not waited for: the zone goes, its pods are made elsewhere, and what ran there runs on', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await deploy(set, 'web', 6, 300);
  const before = set.running('a');
  expect(before.length).toBeGreaterThan(0);
  set.down('a');
  await set.stage.run(10_000);
  const said: string[] = [];
  const options = removal(set, { abandonBackend: true, say: (line) => said.push(line) });
  await settled(set, carryOut(await planRemoval(options, zoneOf('a')), options));
  expect(said.at(-1)).toBe('Nothing of zone a is left in the cluster.');
  await expect(set.node('a')).rejects.toMatchObject({ code: 'NotFound' });
  await set.stage.until(
    'six pods in the other zones',
    async () => [...set.running('b'), ...set.running('c')].length === 6,
  );
  // Reachable again, and none of this set's business any more.
  set.up('a');
  await set.stage.run(120_000);
  expect(set.running('a')).toEqual(before);
  expect(leaderOf(set, 'a')).toBeUndefined();
});

/** The API server's answer where a budget has nothing to spare; the embedded one knows no budgets. */
function withBudget(client: KubeClient, allows: () => boolean): KubeClient {
  return {
    ...client,
    create: ((of, object, options) => {
      if (of === EVICTIONS && !allows()) {
        const message = "Cannot evict pod as it would violate the pod's disruption budget.";
        return Promise.reject(new ZoneletError('Throttled', message));
      }
      return client.create(of, object, options);
    }) as KubeClient['create'],
  };
}

test('evictions that a PodDisruptionBudget holds up are waited for, and said; in vain, the zone stays', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await deploy(set, 'web', 3, 300);
  let allows = false;
  const said: string[] = [];
  const options = removal(set, {
    client: withBudget(set.stage.client, () => allows),
    drain: true,
    force: false,
    timeoutMs: 20_000,
    say: (line) => said.push(line),
  });
  const remove = async () => carryOut(await planRemoval(options, zoneOf('a')), options);
  await expect(settled(set, remove())).rejects.toThrow(
    /pods are still on shop-a; not to be moved yet: default\/web-.*disruption budget.*kubectl uncordon shop-a opens it/,
  );
  expect(await set.ready('a')).toBe('True');
  expect((await set.pods('a')).length).toBeGreaterThan(0);
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/remove']).toBeUndefined();

  const again = remove();
  await set.stage.run(10_000);
  allows = true;
  await settled(set, again);
  expect(said.filter((line) => line.includes('disruption budget'))).not.toEqual([]);
  await expect(set.node('a')).rejects.toMatchObject({ code: 'NotFound' });
  expect(set.running('a')).toEqual([]);
});

/** As its controller makes it: it tolerates everything, and is there as long as the node is. */
async function daemonPod(set: RunningSet, zone: string): Promise<void> {
  await set.stage.client.create(PODS, {
    metadata: {
      name: `agent-${zone}`,
      namespace: 'default',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agent', uid: 'd1', controller: true }],
    },
    spec: {
      nodeName: `shop-${zone}`,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'agent', image: 'agent:1' }],
    },
  });
  await set.stage.until('it to run', () => Promise.resolve(set.running(zone).length === 1));
}

test("the pods of DaemonSets stand in nobody's way: they go with the zone, from the API and from its backend", async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await daemonPod(set, 'a');
  const options = removal(set, { drain: true, force: false });
  const plan = await planRemoval(options, zoneOf('a'));
  expect(plan).toMatchObject({ pods: [], objections: [] });
  await settled(set, carryOut(plan, options));
  expect(await set.stage.pods()).toEqual([]);
  expect(set.running('a')).toEqual([]);
  await expect(set.node('a')).rejects.toMatchObject({ code: 'NotFound' });
});
