import { describe, expect, test } from 'vitest';
import type { ElectionKind } from '../../../src/election/lock.ts';
import { ELECTION_ANNOTATION, SET_LABEL } from '../../../src/election/names.ts';
import { LEASES, NODES } from '../../../src/kube/resources.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { type Replica, Stage } from './stage.ts';

const ZONES = ['a', 'b', 'c'];
const AT_HOME = { a: 'ra', b: 'rb', c: 'rc' };

function stated(stage: Stage, zone: string): string | undefined {
  return stage.cluster.node(`node-${zone}`)?.metadata?.annotations?.[ELECTION_ANNOTATION];
}

function epochs(stage: Stage, zone: string): number[] {
  return stage.cluster.writes
    .filter(({ key }) => key === `nodes/node-${zone}`)
    .map(({ object }) => Number(object.metadata?.annotations?.['zonelet.dev/epoch']));
}

async function threeAtHome(by: ElectionKind): Promise<{ stage: Stage; replicas: Replica[] }> {
  const stage = new Stage(ZONES, { by });
  const replicas = ZONES.map((zone) => stage.start(`r${zone}`, { homeZone: zone }));
  await stage.advance(10_000);
  expect(stage.leaders()).toEqual(AT_HOME);
  return { stage, replicas };
}

describe.each([
  ['lease', 'redis'],
  ['redis', 'lease'],
] as const)('a set that elects by %s is rolled to %s', (from, to) => {
  test('one replica after the other: never two leaders, no zone without one for long, the Nodes say it in the end', async () => {
    const { stage, replicas } = await threeAtHome(from);
    for (const [i, zone] of ZONES.entries()) {
      replicas[i]?.stop();
      await stage.advance(3_000);
      stage.start(`r${zone}`, { homeZone: zone, by: to });
      let worst = 0;
      let since: number | undefined;
      // Two replicas that may act for one zone throw at any step.
      for (let step = 0; step < 400; step++) {
        await stage.advance(50, 10);
        const led = ZONES.every((each) => stage.leader(each) !== undefined);
        since = led ? undefined : (since ?? stage.clock.monotonic());
        worst = Math.max(worst, since === undefined ? 0 : stage.clock.monotonic() - since);
      }
      expect(worst).toBeLessThan(3_000);
    }
    await stage.advance(120_000, 500);
    expect(stage.leaders()).toEqual(AT_HOME);
    for (const zone of ZONES) {
      expect(stated(stage, zone)).toBe(to);
      expect(epochs(stage, zone)).toEqual([...new Set(epochs(stage, zone))].sort((x, y) => x - y));
    }
  });

  test('as long as one of before lives, it keeps its zones; those that wait say so', async () => {
    const { stage, replicas } = await threeAtHome(from);
    for (const replica of replicas.slice(1)) replica.stop();
    await stage.advance(3_000);
    expect(stage.leaders()).toEqual({ a: 'ra', b: 'ra', c: 'ra' });
    const said: string[] = [];
    const log: Logger = { ...silentLogger, warn: (_fields, message) => said.push(message), child: () => log };
    const waiting = stage.start('rb', { homeZone: 'b', by: to, log });
    await stage.advance(150_000, 200);
    expect(stage.leaders()).toEqual({ a: 'ra', b: 'ra', c: 'ra' });
    expect(waiting.election.campaign('b').obstacle).toContain(`elects by ${from} still`);
    // A zone says it once a minute.
    expect(said.filter((line) => line.includes(`elects by ${from} still`))).toHaveLength(9);
    replicas[0]?.stop();
    expect(await stage.until(() => ZONES.every((zone) => waiting.acts(zone)), 3_000)).toBeLessThan(700);
    expect(waiting.election.campaign('b').obstacle).toBeUndefined();
    expect(stated(stage, 'b')).toBe(to);
  });

  test('the last one of before is killed: its lock has to run out, and the epoch rises', async () => {
    const { stage, replicas } = await threeAtHome(from);
    for (const replica of replicas.slice(1)) replica.stop();
    await stage.advance(3_000);
    const next = stage.start('rb', { homeZone: 'b', by: to });
    await stage.advance(10_000);
    const before = epochs(stage, 'b').at(-1) ?? 0;
    replicas[0]?.kill();
    const took = await stage.until(() => ZONES.every((zone) => next.acts(zone)), 15_000);
    expect(took).toBeGreaterThan(4_500);
    expect(took).toBeLessThan(9_500);
    expect(epochs(stage, 'b').at(-1)).toBeGreaterThan(before);
  });

  test('rolled back half way: the zones go back, by the same rules', async () => {
    const { stage, replicas } = await threeAtHome(from);
    for (const replica of replicas) replica.stop();
    await stage.advance(3_000);
    const changed = stage.start('ra', { homeZone: 'a', by: to });
    await stage.advance(10_000);
    expect(ZONES.map((zone) => [stated(stage, zone), changed.acts(zone)])).toEqual(ZONES.map(() => [to, true]));
    const back = stage.start('rb', { homeZone: 'b', by: from });
    await stage.advance(70_000, 200);
    expect(back.terms).toEqual([]);
    changed.kill();
    await stage.until(() => ZONES.every((zone) => back.acts(zone)), 15_000);
    expect(ZONES.map((zone) => stated(stage, zone))).toEqual([from, from, from]);
  });

  test('one of before wakes up after a long pause: it has nothing to say any more', async () => {
    const { stage, replicas } = await threeAtHome(from);
    for (const replica of replicas.slice(1)) replica.stop();
    await stage.advance(3_000);
    replicas[0]?.clock.freeze();
    await stage.advance(8_000);
    const next = stage.start('rb', { homeZone: 'b', by: to });
    await stage.until(() => ZONES.every((zone) => next.acts(zone)), 20_000);
    replicas[0]?.clock.thaw();
    await stage.advance(20_000, 10);
    expect(stage.leaders()).toEqual({ a: 'rb', b: 'rb', c: 'rb' });
  });

  test('its cache of Nodes is behind: it wins the lock of before and loses it on claiming the Node', async () => {
    const { stage, replicas } = await threeAtHome(from);
    const [ra, rb, rc] = replicas;
    rb?.stop();
    rc?.stop();
    await stage.advance(3_000);
    // It goes on believing that the set elects as it does.
    if (ra !== undefined) ra.link.watchSilent = true;
    ra?.clock.freeze();
    await stage.advance(8_000);
    const next = stage.start('rb', { homeZone: 'b', by: to });
    await stage.until(() => ZONES.every((zone) => next.acts(zone)), 20_000);
    const terms = ra?.terms.length;
    ra?.clock.thaw();
    await stage.advance(15_000, 10);
    expect(stage.leaders()).toEqual({ a: 'rb', b: 'rb', c: 'rb' });
    // Once for each zone: then it has read what the Node says.
    expect((ra?.terms.length ?? 0) - (terms ?? 0)).toBeLessThanOrEqual(ZONES.length);
  });
});

test('a set by Redis whose Node does not say so: a Lease that somebody holds is waited for', async () => {
  const stage = new Stage(['a'], { by: 'redis' });
  stage.cluster.createByHand(NODES, { metadata: { name: 'node-a', labels: { [SET_LABEL]: 'demo' } } });
  stage.cluster.createByHand(LEASES, {
    metadata: { name: 'zonelet-demo-a', namespace: 'default', labels: { [SET_LABEL]: 'demo' } },
    ...{ spec: { holderIdentity: 'r9_-_boot', leaseDurationSeconds: 10, leaseTransitions: 4 } },
  });
  const r = stage.start('ra', { homeZone: 'a' });
  expect(await stage.until(() => r.acts('a'), 20_000)).toBeGreaterThanOrEqual(9_900);
});

test('an election that nobody has heard of is waited for until somebody takes the annotation away', async () => {
  const stage = new Stage(['a']);
  stage.cluster.createByHand(NODES, {
    metadata: { name: 'node-a', labels: { [SET_LABEL]: 'demo' }, annotations: { [ELECTION_ANNOTATION]: 'etcd' } },
  });
  const r = stage.start('ra', { homeZone: 'a' });
  await stage.advance(30_000, 200);
  expect(r.terms).toEqual([]);
  expect(r.election.campaign('a').obstacle).toContain('which this version does not know');
  stage.cluster.edit(NODES, 'node-a', (node) => {
    node.metadata = { ...node.metadata, annotations: {} };
  });
  await stage.until(() => r.acts('a'), 5_000);
});
