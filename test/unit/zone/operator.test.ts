import { expect, test } from 'vitest';
import { handOver } from '../../../src/commands/operator/hand-over.ts';
import { carryOut, planRemoval, type RemovalOptions } from '../../../src/commands/operator/zone-removal.ts';
import { LEASES, NODES } from '../../../src/kube/resources.ts';
import { seededRandom } from '../../support/virtual-clock.ts';
import { deploy, type RunningSet, startSet } from './set.ts';

const HOLD = { policy: 'hold', afterMs: 60_000 } as const;

function leaderOf(set: RunningSet, zone: string): string | undefined {
  return set.members.find(
    ({ election, clock }) => !clock.frozen && election.campaign(zone).leaderlessMs() === undefined,
  )?.name;
}

/** Lets time pass until it is settled. */
async function settled<T>(set: RunningSet, promise: Promise<T>): Promise<T> {
  let over = false;
  const ended = promise.finally(() => {
    over = true;
  });
  ended.catch(() => {});
  for (let i = 0; i < 600 && !over; i++) await set.stage.run(1_000);
  return await ended;
}

const never = new AbortController().signal;
const random = seededRandom(5);
const common = (set: RunningSet) => ({
  client: set.stage.client,
  set: 'shop',
  namespace: 'default',
  by: 'ann@desk',
  clock: set.stage.clock,
  random,
  say: () => {},
  signal: never,
});
const zoneOf = (name: string) => ({ name, nodeName: `shop-${name}` });

function give(set: RunningSet, zone: string, to?: string) {
  return settled(set, handOver({ ...common(set), zone: zoneOf(zone), to }));
}

function removal(set: RunningSet, more: Partial<RemovalOptions> = {}): RemovalOptions {
  const how = { drain: false, force: true, abandonBackend: false, timeoutMs: 120_000 };
  return { ...common(set), ...how, ...more };
}

async function annotate(set: RunningSet, zone: string, annotations: Record<string, string>): Promise<void> {
  await set.stage.client.patch(NODES, { name: `shop-${zone}` }, { type: 'merge', body: { metadata: { annotations } } });
}

test('a zone that was handed over by hand stays there, until somebody hands it home', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  expect(await give(set, 'a', 'rb')).toMatchObject({ from: 'ra', to: 'rb' });
  await set.stage.run(300_000);
  expect(leaderOf(set, 'a')).toBe('rb');
  expect(await set.events('a')).toContain('HandOver: ra hands zone a over to rb, as ann@desk asked.');
  expect((await give(set, 'a')).to).toBe('ra');
  expect(leaderOf(set, 'a')).toBe('ra');
});

test('what cannot be done is refused, with the reason for whoever asked and as an Event', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  await expect(give(set, 'a', 'rx')).rejects.toThrow('has no replica "rx"; alive are: ra, rb, rc');
  set.members[1]?.election.candidates.drain('node m is cordoned');
  await set.stage.run(5_000);
  await expect(give(set, 'a', 'rb')).rejects.toThrow('rb takes no zones: node m is cordoned');
  // By hand, past the command, or long ago.
  await annotate(set, 'a', { 'zonelet.dev/handover-to': 'rb' });
  await set.stage.run(5_000);
  const at = new Date(set.stage.clock.now() - 120_000).toISOString();
  await annotate(set, 'a', { 'zonelet.dev/handover-to': JSON.stringify({ id: '1', by: 'bob', at, to: 'rc' }) });
  await set.stage.run(5_000);
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/handover-to']).toBeUndefined();
  const refused = (await set.events('a')).filter((text) => text.startsWith('HandOverRefused'));
  expect(refused).toEqual([
    expect.stringContaining('bob asked to hand zone a over: the request of'),
    expect.stringContaining('it is not what "zonelet handover" writes'),
  ]);
  expect(leaderOf(set, 'a')).toBe('ra');
});

test('asked from a machine whose clock is half a minute off', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  const { clock } = set.stage;
  for (const offMs of [-30_000, 30_000]) {
    const wrong = Object.assign(Object.create(clock) as typeof clock, {
      now: () => clock.now() + offMs,
      monotonic: () => clock.monotonic(),
      setTimer: (delayMs: number, run: () => void) => clock.setTimer(delayMs, run),
    });
    const from = leaderOf(set, 'a');
    const done = await settled(set, handOver({ ...common(set), clock: wrong, zone: zoneOf('a'), to: undefined }));
    expect(done.from).toBe(from);
    expect(leaderOf(set, 'a')).toBe(done.to);
    await set.stage.run(5_000);
  }
});

test('nobody leads: nobody can hand over, and nothing is left on the Node', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  for (const { clock } of set.members) clock.freeze();
  await set.stage.run(20_000);
  await expect(give(set, 'a')).rejects.toThrow('no replica of set shop is alive');
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/handover-to']).toBeUndefined();
});

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
