import { expect, test } from 'vitest';
import { ELECTION_ANNOTATION, SET_LABEL } from '../../../src/election/names.ts';
import { LEASES, NODES } from '../../../src/kube/resources.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { isLease, type Replica, Stage } from './stage.ts';

const ZONES = ['a', 'b', 'c'];
const AT_HOME = { a: 'ra', b: 'rb', c: 'rc' };

function startAll(stage: Stage): Replica[] {
  return ZONES.map((zone) => stage.start(`r${zone}`, { homeZone: zone }));
}

async function threeAtHome(): Promise<{ stage: Stage; replicas: Replica[] }> {
  const stage = new Stage(ZONES);
  const replicas = startAll(stage);
  await stage.advance(500);
  expect(stage.leaders()).toEqual(AT_HOME);
  return { stage, replicas };
}

test('three replicas that start together each lead their home zone at once, and tell of it', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(120_000, 200);
  expect(stage.leaders()).toEqual(AT_HOME);
  expect(replicas.map(({ terms }) => terms.length)).toEqual([1, 1, 1]);
  expect(stage.cluster.lease('zonelet-demo-replica-rb')).toMatchObject({
    metadata: {
      labels: { 'zonelet.dev/set': 'demo' },
      annotations: { 'zonelet.dev/home-zone': 'b', 'zonelet.dev/zones': 'b' },
    },
    spec: { holderIdentity: replicas[1]?.election.holder, leaseDurationSeconds: 6 },
  });
});

test('what a replica tells reaches the others with its next beat, and its successor does not repeat it', async () => {
  const { stage, replicas } = await threeAtHome();
  const [ra, rb] = replicas;
  ra?.election.candidates.tell('zonelet.dev/peer', '10.0.0.1:7200');
  await stage.advance(500);
  const heard = () =>
    rb?.election.candidates.living().map(({ name, annotations }) => [name, annotations['zonelet.dev/peer']]);
  expect(heard()).toContainEqual(['ra', '10.0.0.1:7200']);
  ra?.kill();
  await stage.advance(7_000);
  expect(heard()).toEqual([['rc', undefined]]);
  stage.start('ra', { homeZone: 'a' });
  await stage.advance(1_000);
  expect(heard()).toContainEqual(['ra', undefined]);
});

test('a zone that was never led is left to its home replica for two seconds', async () => {
  const stage = new Stage(ZONES);
  stage.start('ra', { homeZone: 'a' });
  await stage.advance(1_500);
  expect(stage.leaders()).toEqual({ a: 'ra', b: undefined, c: undefined });
  stage.start('rb', { homeZone: 'b' });
  await stage.advance(400);
  expect(stage.leaders()).toEqual({ a: 'ra', b: 'rb', c: undefined });
  await stage.advance(2_000);
  expect(['ra', 'rb']).toContain(stage.leaders().c);
});

test('a replica without a home zone leads everything when it is alone', async () => {
  const stage = new Stage(ZONES);
  stage.start('r0');
  await stage.advance(3_000);
  expect(stage.leaders()).toEqual({ a: 'r0', b: 'r0', c: 'r0' });
});

test('all replicas killed and started again: everybody at home once the leases have run out', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(5_000);
  for (const replica of replicas) replica.kill();
  await stage.advance(1_000);
  startAll(stage);
  await stage.advance(8_000);
  expect(stage.leaders()).toEqual(AT_HOME);
  expect(stage.replicas.slice(3).flatMap(({ terms }) => terms.map(({ epoch }) => epoch))).toEqual([2, 2, 2]);
});

test('all replicas stopped and started one after the other: everybody at home', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(5_000);
  for (const replica of replicas) replica.stop();
  await stage.advance(2_000);
  for (const zone of ZONES) {
    stage.start(`r${zone}`, { homeZone: zone });
    await stage.advance(800);
  }
  expect(stage.leaders()).toEqual(AT_HOME);
});

test.each([0, 1, 2])(
  'API server gone for all for half a minute, back last for replica %d: no zone moves',
  async (last) => {
    const { stage, replicas } = await threeAtHome();
    await stage.advance(10_000);
    for (const { link } of replicas) link.fault = 'refused';
    await stage.advance(30_000);
    for (const [i, { link }] of replicas.entries()) if (i !== last) link.fault = 'none';
    await stage.advance(1_000);
    for (const { link } of replicas) link.fault = 'none';
    await stage.advance(5_000);
    expect(stage.leaders()).toEqual(AT_HOME);
    expect(replicas.map(({ terms }) => terms.length)).toEqual([2, 2, 2]);
  },
);

test('a killed home replica costs its zone no delay, and only one other takes it', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(10_000);
  const last = stage.lastRenewal('a');
  replicas[0]?.kill();
  await stage.until(() => stage.leader('a') !== undefined, 10_000);
  expect(stage.clock.monotonic() - last).toBeLessThan(6_100);
  expect(replicas.slice(1).flatMap(({ terms }) => terms.filter(({ zone }) => zone === 'a'))).toHaveLength(1);
});

test('a newcomer makes nobody wait', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(10_000);
  const last = stage.lastRenewal('a');
  replicas[0]?.kill();
  await stage.advance(5_000);
  // At home in the zone, so it would come first; it dies of what it does first.
  const newcomer = stage.start('rx', { homeZone: 'a' });
  await stage.clock.advance(20);
  newcomer.kill();
  await stage.until(() => stage.leader('a') !== undefined, 10_000);
  expect(stage.clock.monotonic() - last).toBeLessThan(6_100);
});

test('the zone goes back to its home replica once that has been healthy for a minute, in good order', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(10_000);
  replicas[0]?.kill();
  await stage.advance(8_000);
  const standIn = stage.leader('a');
  expect(standIn).toBeDefined();
  const back = stage.start('ra', { homeZone: 'a' });
  await stage.advance(55_000, 200);
  expect(stage.leader('a')).toBe(standIn);
  const term = standIn?.terms.at(-1);
  await stage.until(() => term?.ending.aborted ?? false, 10_000);
  expect(term?.mayAct()).toBe(true);
  expect(await stage.until(() => back.acts('a'), 1_000)).toBeLessThan(300);
  const ends = (await standIn?.metrics.termsEnded.get())?.values ?? [];
  expect(ends.find(({ labels }) => labels.zone === 'a' && labels.reason === 'handed-back')?.value).toBe(1);
  await stage.advance(60_000, 200);
  expect(stage.leaders()).toEqual(AT_HOME);
  expect(stage.cluster.lease('zonelet-demo-a')?.metadata?.annotations?.['zonelet.dev/hand-over-to']).toBeUndefined();
});

test('a home replica that dies of the hand-back does not get the zone again for five minutes', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(10_000);
  replicas[0]?.kill();
  await stage.advance(8_000);
  const first = stage.start('ra', { homeZone: 'a' });
  await stage.until(() => first.acts('a'), 80_000, 100);
  first.kill();
  await stage.advance(10_000, 200);
  const standIn = stage.leader('a');
  expect(standIn).toBeDefined();
  const second = stage.start('ra', { homeZone: 'a' });
  await stage.advance(280_000, 500);
  expect(stage.leader('a')).toBe(standIn);
  await stage.advance(60_000, 500);
  expect(stage.leader('a')).toBe(second);
});

test('given up for a replica that does not come: the others wait two seconds, no longer', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(10_000);
  replicas[0]?.kill();
  await stage.advance(8_000);
  const back = stage.start('ra', { homeZone: 'a' });
  const standIn = stage.leader('a');
  const term = standIn?.terms.at(-1);
  if (standIn !== undefined) standIn.windDownMs = 100;
  await stage.until(() => term?.ending.aborted ?? false, 80_000);
  for (const link of [back.link, ...back.redis]) link.fault = 'lost';
  await stage.until(() => stage.holderOf('a') === undefined, 1_000);
  const took = await stage.until(() => stage.leader('a') !== undefined, 10_000);
  expect(took).toBeGreaterThanOrEqual(1_900);
  expect(took).toBeLessThan(3_200);
});

test('two of three killed: the third leads everything; rolling restart: nobody is ever without a leader for long', async () => {
  const { stage, replicas } = await threeAtHome();
  await stage.advance(10_000);
  replicas[0]?.kill();
  replicas[1]?.kill();
  await stage.advance(8_000);
  expect(stage.leaders()).toEqual({ a: 'rc', b: 'rc', c: 'rc' });
  stage.start('ra', { homeZone: 'a' });
  stage.start('rb', { homeZone: 'b' });
  await stage.advance(10_000);
  replicas[2]?.stop();
  expect(
    await stage.until(() => ZONES.every((zone) => stage.leader(zone)?.name !== 'rc' && stage.leader(zone)), 2_000),
  ).toBeLessThan(500);
  expect(stage.leaders()).toMatchObject({ a: 'ra', b: 'rb' });
});

test.runIf(isLease())(
  'the Node says that its set elects otherwise: no campaign, and it is said, once a minute',
  async () => {
    const stage = new Stage(['a']);
    stage.cluster.createByHand(NODES, {
      metadata: { name: 'node-a', labels: { [SET_LABEL]: 'demo' }, annotations: { [ELECTION_ANNOTATION]: 'redis' } },
    });
    const said: string[] = [];
    const log: Logger = { ...silentLogger, warn: (_fields, message) => said.push(message), child: () => log };
    const r = stage.start('ra', { homeZone: 'a', log, withoutRedis: true });
    await stage.advance(90_000, 500);
    expect(r.terms).toEqual([]);
    expect(stage.cluster.lease('zonelet-demo-a')).toBeUndefined();
    expect(said).toHaveLength(2);
    expect(said[0]).toContain('zonelet.dev/election');
    stage.cluster.edit(NODES, 'node-a', (node) => {
      node.metadata = { ...node.metadata, annotations: {} };
    });
    await stage.until(() => r.acts('a'), 5_000);
  },
);

test.runIf(isLease())('a Lease of another set is left alone', async () => {
  const stage = new Stage(['a']);
  stage.cluster.createByHand(LEASES, {
    metadata: { name: 'zonelet-demo-a', namespace: 'default', labels: { 'zonelet.dev/set': 'other' } },
  });
  const r = stage.start('ra', { homeZone: 'a' });
  await stage.advance(20_000, 200);
  expect(r.terms).toEqual([]);
});
