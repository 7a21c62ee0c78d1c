import { expect, test } from 'vitest';
import { PODS } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { isReady } from '../local-cluster/controllers/stage.ts';
import { deploy, startSet } from './set.ts';

const HOLD = { policy: 'hold', afterMs: 60_000 } as const;
const EVICT = { policy: 'evict', afterMs: 60_000 } as const;
const uids = (pods: readonly Pod[]): string[] => pods.map(({ metadata }) => metadata?.uid ?? '').sort();

test('hold: a backend that is down takes no new pods, its pods stay and its node stays Ready', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await deploy(set, 'web', 6, 10);
  const before = uids(await set.pods('a'));
  expect(before.length).toBeGreaterThan(0);
  set.down('a');
  await set.stage.run(20_000);
  expect(await set.taints('a')).toEqual(['backend-down:NoSchedule']);
  expect(
    (await set.node('a')).status?.conditions?.find(({ type }) => type === 'zonelet.dev/BackendReady'),
  ).toMatchObject({
    status: 'False',
    reason: 'BackendDown',
  });
  await set.stage.run(300_000);
  expect(await set.ready('a')).toBe('True');
  expect(uids(await set.pods('a'))).toEqual(before);
  expect((await set.pods('a')).every(isReady)).toBe(true);
  expect(set.running('a')).toEqual(before);
  // What comes meanwhile goes elsewhere.
  await deploy(set, 'more', 6, 10);
  expect(uids(await set.pods('a'))).toEqual(before);
  set.up('a');
  await set.stage.run(40_000);
  expect(await set.taints('a')).toEqual([]);
  expect(set.running('a')).toEqual(before);
  expect(await set.events('a')).toEqual(
    expect.arrayContaining([expect.stringMatching(/^BackendDown: r. in . sees Down .*; r. in . sees Down/)]),
  );
});

test('evict: the pods of a zone that is down are moved in time, are not ready meanwhile, and nothing runs twice when it returns', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 6, 10);
  const before = uids(await set.pods('a'));
  set.down('a');
  await set.stage.run(55_000);
  expect(await set.ready('a')).toBe('True');
  expect((await set.pods('a')).every(isReady)).toBe(true);
  // After 60 s, within the 15 s that are left for saying and seeing it, and their own 10 s.
  await set.stage.run(30_000);
  expect(await set.ready('a')).toBe('False ZoneBackendDown');
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/given-up']).toMatch(/^2026-/);
  const left = (await set.stage.pods()).filter(({ spec }) => spec?.nodeName === 'shop-a');
  expect(uids(left)).toEqual(before);
  for (const pod of left) {
    expect(pod.metadata?.deletionTimestamp).toBeDefined();
    expect(pod.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ZoneBackendDown',
    });
  }
  const moved = async () => [...(await set.pods('b')), ...(await set.pods('c'))];
  await set.stage.until('six elsewhere', async () => (await moved()).filter(isReady).length === 6, 5_000);

  // Somebody gives one of the old ones up for good: its copy still runs over there.
  const [forced] = left;
  const at = { namespace: 'default', name: forced?.metadata?.name ?? '' };
  await set.stage.client.delete(PODS, at, { gracePeriodSeconds: 0 });
  expect(set.running('a')).toEqual(before);
  set.up('a');
  let clean = false;
  await set.stage.until('ready again', async () => {
    clean ||= set.running('a').length === 0;
    const ready = (await set.ready('a')) === 'True';
    if (ready) expect(clean).toBe(true);
    return ready;
  });
  await set.stage.run(10_000);
  expect(await set.taints('a')).toEqual([]);
  expect((await moved()).filter(isReady)).toHaveLength(6);
  expect((await set.stage.pods()).filter(({ spec }) => spec?.nodeName === 'shop-a')).toEqual([]);
  expect(await set.events('a')).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^ZoneBackendDown: /),
      expect.stringMatching(/^ZoneReturns: /),
      expect.stringMatching(/^NodeReady: /),
    ]),
  );
});

test('evict: a leader that takes a given-up zone over goes on with that, and its pods stay not ready', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 3, 3_600);
  set.down('a');
  await set.stage.run(80_000);
  expect(await set.ready('a')).toBe('False ZoneBackendDown');
  const leader = set.members.find(({ name }) => name === 'ra');
  leader?.clock.freeze();
  await set.stage.run(15_000);
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/leader']).not.toMatch(/^ra_/);
  expect(await set.ready('a')).toBe('False ZoneBackendDown');
  expect((await set.pods('a')).some(isReady)).toBe(false);
  const before = uids(await set.pods('a'));
  set.up('a');
  await set.stage.until('ready again', async () => (await set.ready('a')) === 'True');
  await set.stage.until('its pods too', async () => (await set.pods('a')).every(isReady));
  expect(uids(await set.pods('a'))).toEqual(before);
  expect(set.running('a')).toEqual(before);
});

test('evict: a zone that was given up is not taken back unseen after its node was lost sight of', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 3, 3_600);
  set.down('a');
  await set.stage.run(80_000);
  expect(await set.ready('a')).toBe('False ZoneBackendDown');
  // Nobody is there for so long that the node controller speaks for the node.
  for (const { clock } of set.members) clock.freeze();
  await set.stage.until('unknown', async () => (await set.ready('a')) === 'Unknown NodeStatusUnknown');
  const [gone] = await set.pods('a');
  const at = { namespace: 'default', name: gone?.metadata?.name ?? '' };
  await set.stage.client.delete(PODS, at, { gracePeriodSeconds: 0 });
  set.up('a');
  expect(set.running('a')).toContain(gone?.metadata?.uid);
  const readyAgain: boolean[] = [];
  for (const { clock } of set.members) clock.thaw();
  await set.stage.until('ready again', async () => {
    const ready = (await set.ready('a')) === 'True';
    if (ready) readyAgain.push(set.running('a').includes(gone?.metadata?.uid ?? ''));
    return ready;
  });
  expect(readyAgain).toEqual([false]);
  expect((await set.node('a')).metadata?.annotations).not.toHaveProperty('zonelet.dev/given-up');
});

test('a backend that is back within the time moves nothing', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 3, 0);
  const before = uids(await set.stage.pods());
  set.down('a');
  // Not trusted again when its time is over, and it answers.
  await set.stage.run(57_000);
  set.up('a');
  await set.stage.run(120_000);
  expect(await set.ready('a')).toBe('True');
  expect(uids(await set.stage.pods())).toEqual(before);
});

test('brake: of three zones that go down one after the other only the first is given up, and the others say why not', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 6, 3_600);
  set.down('a');
  await set.stage.run(100_000);
  set.down('b');
  await set.stage.run(200_000);
  expect(await set.ready('a')).toBe('False ZoneBackendDown');
  expect(await set.ready('b')).toBe('True');
  expect(await set.taints('b')).toEqual(['backend-down:NoSchedule']);
  expect(await set.metric('b', 'zonelet_zone_brake', { reason: 'majority' })).toBe(1);
  const held =
    /^EvictionHeld: pods stay: shop-a in trouble as well: Ready=False on 2 of 3 zones at once would be a majority\. r. in . sees Down/;
  expect(await set.events('b')).toEqual(expect.arrayContaining([expect.stringMatching(held)]));
  // The first is back: the second may go.
  set.up('a');
  await set.stage.run(60_000);
  expect(await set.ready('a')).toBe('True');
  expect(await set.ready('b')).toBe('False ZoneBackendDown');
  expect(await set.metric('b', 'zonelet_zone_brake', { reason: 'majority' })).toBe(0);
});

test('brake: zones that go down at the same moment are all kept', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  const ready = new Set<string>();
  set.down('a', 'b');
  await set.stage.run(200_000);
  for (const zone of ['a', 'b', 'c']) ready.add(await set.ready(zone));
  expect([...ready]).toEqual(['True']);
});

test('brake: when every backend looks down, nothing is posted but that nobody can tell', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 6, 0);
  const before = uids(await set.stage.pods());
  set.down('a', 'b', 'c');
  await set.stage.run(300_000);
  for (const zone of ['a', 'b', 'c']) {
    expect(await set.ready(zone)).toBe('True');
    expect(await set.events(zone)).toEqual(expect.arrayContaining([expect.stringMatching(/^EveryBackendDown: /)]));
    expect(await set.metric(zone, 'zonelet_zone_brake', { reason: 'everything' })).toBe(1);
  }
  expect(uids(await set.stage.pods())).toEqual(before);
  expect((await set.stage.pods()).every(isReady)).toBe(true);
});

test('a backend that only its leader does not reach: the zone is handed over, and no pod hears of it', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 6, 0);
  const before = uids(await set.stage.pods());
  set.cut.add('ra/a');
  await set.stage.run(40_000);
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/leader']).toMatch(/^r[bc]_/);
  expect(await set.ready('a')).toBe('True');
  expect(await set.taints('a')).toEqual([]);
  await set.stage.run(200_000);
  expect(uids(await set.stage.pods())).toEqual(before);
  expect((await set.stage.pods()).every(isReady)).toBe(true);
});

test('a backend that takes no new pods: the node is Ready, tainted, and offers no more than is allocated', async () => {
  await using set = await startSet({ onZoneDown: EVICT });
  await deploy(set, 'web', 6, 0);
  set.backends.get('a')?.setFaults({ zoneState: 'NoNew' });
  await set.stage.run(5_000);
  const count = (await set.pods('a')).length;
  expect(await set.ready('a')).toBe('True');
  expect(await set.taints('a')).toEqual(['no-new-pods:NoSchedule']);
  expect((await set.node('a')).status?.allocatable).toEqual({ cpu: '0', memory: '0', pods: String(count) });
  await deploy(set, 'more', 6, 0);
  expect(await set.pods('a')).toHaveLength(count);
  set.backends.get('a')?.setFaults({ zoneState: 'Up' });
  await set.stage.run(40_000);
  expect(await set.taints('a')).toEqual([]);
  expect((await set.node('a')).status?.allocatable).toEqual({ cpu: '64', memory: '256Gi', pods: '1k' });
});
