import { expect, test } from 'vitest';
import type { HandBackSettings } from '../../../src/election/contest.ts';
import { nextLeader } from '../../../src/election/eligibility.ts';
import { isLease, type Replica, Stage } from './stage.ts';

const ZONES = ['a', 'b', 'c'];
const AT_HOME = { a: 'ra', b: 'rb', c: 'rc' };

async function threeAtHome(handBack?: HandBackSettings): Promise<{ stage: Stage; replicas: Replica[] }> {
  const stage = new Stage(ZONES);
  const replicas = ZONES.map((zone) =>
    stage.start(`r${zone}`, { homeZone: zone, ...(handBack === undefined ? {} : { handBack }) }),
  );
  await stage.advance(500);
  expect(stage.leaders()).toEqual(AT_HOME);
  await stage.advance(9_500);
  return { stage, replicas };
}

function counts(stage: Stage, names: readonly string[]): number[] {
  const leaders = Object.values(stage.leaders());
  return names.map((name) => leaders.filter((leader) => leader === name).length);
}

test('handBackAfter: the zone goes home after so long', async () => {
  const handBack = { mode: 'auto', afterMs: 35_000 } as const;
  const { stage, replicas } = await threeAtHome(handBack);
  replicas[0]?.kill();
  await stage.advance(8_000);
  const back = stage.start('ra', { homeZone: 'a', handBack });
  await stage.advance(33_000, 200);
  expect(back.acts('a')).toBe(false);
  expect(await stage.until(() => back.acts('a'), 10_000)).toBeLessThan(5_000);
});

test('manual: the zone stays where it is until it is free, and then goes to its home replica first', async () => {
  const handBack = { mode: 'manual', afterMs: 60_000 } as const;
  const { stage, replicas } = await threeAtHome(handBack);
  replicas[0]?.kill();
  await stage.advance(8_000);
  const standIn = stage.leader('a');
  const back = stage.start('ra', { homeZone: 'a', handBack });
  await stage.advance(300_000, 500);
  expect(stage.leader('a')).toBe(standIn);
  standIn?.stop();
  expect(await stage.until(() => back.acts('a'), 2_000)).toBeLessThan(500);
});

test('never: once a zone was led, it goes to whoever leads fewest zones, at home or not', async () => {
  const handBack = { mode: 'never', afterMs: 60_000 } as const;
  const { stage, replicas } = await threeAtHome(handBack);
  const spare = stage.start('rx', { handBack });
  await stage.advance(5_000);
  replicas[0]?.kill();
  await stage.advance(8_000);
  expect(stage.leaders()).toMatchObject({ a: 'rx', b: 'rb', c: 'rc' });
  stage.start('ra', { homeZone: 'a', handBack });
  await stage.advance(200_000, 500);
  expect(stage.leader('a')).toBe(spare);
});

test('a term that was put where it is by hand does not go home', async () => {
  const { stage, replicas } = await threeAtHome();
  replicas[0]?.terms.at(-1)?.handOver('rb', 'an operator asked for it');
  expect(await stage.until(() => replicas[1]?.acts('a') ?? false, 1_000)).toBeLessThan(300);
  replicas[1]?.terms.at(-1)?.stay();
  await stage.advance(300_000, 500);
  expect(stage.leaders()).toEqual({ ...AT_HOME, a: 'rb' });
  const ends = (await replicas[0]?.metrics.termsEnded.get())?.values ?? [];
  expect(ends.find(({ labels }) => labels.zone === 'a' && labels.reason === 'handed-over')?.value).toBe(1);
});

test('a replica that is draining gives its zones to others, takes none, and gets its own back when it is over', async () => {
  const { stage, replicas } = await threeAtHome();
  const [ra, rb, rc] = replicas;
  ra?.election.candidates.drain('its node is cordoned');
  expect(await stage.until(() => stage.leader('a') !== undefined && !ra?.acts('a'), 5_000)).toBeLessThan(1_500);
  expect(stage.cluster.lease('zonelet-demo-replica-ra')?.metadata?.annotations?.['zonelet.dev/draining']).toBe(
    'its node is cordoned',
  );
  rb?.stop();
  await stage.advance(1_000);
  expect(counts(stage, ['ra', 'rc'])).toEqual([0, 3]);
  await stage.advance(200_000, 500);
  expect(counts(stage, ['ra', 'rc'])).toEqual([0, 3]);

  // Nobody else is left: better led by it than by nobody.
  rc?.kill();
  await stage.advance(12_000);
  expect(counts(stage, ['ra'])).toEqual([3]);
  const again = stage.start('rc', { homeZone: 'c' });
  await stage.advance(10_000);
  expect(counts(stage, ['rc'])).toEqual([3]);

  ra?.election.candidates.drain(undefined);
  await stage.advance(50_000, 500);
  expect(again.acts('a')).toBe(true);
  await stage.advance(30_000, 500);
  expect(ra?.acts('a')).toBe(true);
});

test('all replicas are draining: each keeps what it leads', async () => {
  const { stage, replicas } = await threeAtHome();
  for (const { election } of replicas) election.candidates.drain('its node is cordoned');
  await stage.advance(60_000, 200);
  expect(stage.leaders()).toEqual(AT_HOME);
  expect(replicas.map(({ terms }) => terms.length)).toEqual([1, 1, 1]);
});

// A quarter of an hour of seven zones is the same by Redis, and takes three times as long to play.
test.runIf(isLease())(
  'more zones than replicas, none at home anywhere: spread evenly, also after one comes and one goes',
  async () => {
    const stage = new Stage(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    const first = stage.start('r0');
    await stage.advance(5_000);
    expect(counts(stage, ['r0'])).toEqual([7]);
    stage.start('r1');
    await stage.advance(240_000, 500);
    expect(counts(stage, ['r0', 'r1']).sort((x, y) => x - y)).toEqual([3, 4]);
    stage.start('r2');
    await stage.advance(240_000, 500);
    expect(counts(stage, ['r0', 'r1', 'r2']).sort((x, y) => x - y)).toEqual([2, 2, 3]);
    const terms = stage.replicas.flatMap((replica) => replica.terms).length;
    await stage.advance(900_000, 5_000);
    expect(stage.replicas.flatMap((replica) => replica.terms)).toHaveLength(terms);
    first.kill();
    await stage.advance(20_000, 500);
    expect(counts(stage, ['r1', 'r2']).sort((x, y) => x - y)).toEqual([3, 4]);
  },
);

test('more replicas than zones: the spare ones lead nothing and disturb nobody', async () => {
  const stage = new Stage(['a', 'b']);
  for (const name of ['r0', 'r1', 'r2', 'r3', 'r4']) stage.start(name, { homeZone: name === 'r4' ? 'b' : 'a' });
  await stage.advance(300_000, 500);
  expect(stage.leader('a')?.name).toMatch(/^r[0-3]$/);
  expect(stage.leaders()).toMatchObject({ b: 'r4' });
  expect(stage.replicas.flatMap((replica) => replica.terms)).toHaveLength(2);
  const leader = stage.leader('a');
  leader?.kill();
  await stage.advance(7_000);
  expect(stage.leader('a')?.name).toMatch(/^r[0-3]$/);
});

test('a zone is added by rolling the configuration: replicas without it neither lead it nor hold it up', async () => {
  const stage = new Stage(['a', 'b', 'new']);
  const old = ['ra', 'rb'].map((name) => stage.start(name, { homeZone: name.slice(1), zones: ['a', 'b'] }));
  await stage.advance(10_000);
  expect(stage.leaders()).toEqual({ a: 'ra', b: 'rb', new: undefined });
  old[0]?.stop();
  await stage.advance(1_000);
  const rolled = stage.start('ra', { homeZone: 'a' });
  // It has not been led yet, so it is left to a home replica for two seconds; nobody has to be waited for besides.
  await stage.until(() => rolled.acts('new'), 10_000);
  expect(old[1]?.terms.every(({ zone }) => zone !== 'new')).toBe(true);
  await stage.advance(10_000);
  rolled.kill();
  old[1]?.stop();
  await stage.advance(1_000);
  const second = stage.start('rb', { homeZone: 'b' });
  expect(await stage.until(() => second.acts('new'), 10_000)).toBeLessThan(7_000);
});

test('who comes next: the home replica, else who leads fewest zones; a draining one last; one that does not campaign never', () => {
  const other = (name: string, more: object = {}) => ({
    name,
    homeZone: undefined,
    zonesHeld: 1,
    campaignsFor: undefined,
    draining: false,
    backends: new Map(),
    ready: true,
    ...more,
  });
  expect(nextLeader('a', [other('r0', { zonesHeld: 0 }), other('r1', { homeZone: 'a' })])).toEqual({
    name: 'r1',
    why: 'home',
  });
  expect(nextLeader('a', [other('r0', { zonesHeld: 0 }), other('r1', { homeZone: 'a' })], false)).toEqual({
    name: 'r0',
    why: 'fewest zones',
  });
  expect(nextLeader('a', [other('r0', { draining: true }), other('r1', { campaignsFor: ['b'] })])).toEqual({
    name: 'r0',
    why: 'last resort',
  });
  expect(nextLeader('a', [other('r0', { ready: false })])).toBeUndefined();
});

test('zones that were put somewhere by hand do not keep the others from being spread evenly', async () => {
  const stage = new Stage(['a', 'b', 'c', 'd']);
  const first = stage.start('r0');
  await stage.advance(5_000);
  // Whichever would have been the first to go is among them.
  for (const term of first.terms.filter(({ zone }) => zone === 'a' || zone === 'b')) term.stay();
  stage.start('r1');
  await stage.advance(240_000, 500);
  expect(stage.leaders()).toEqual({ a: 'r0', b: 'r0', c: 'r1', d: 'r1' });
});
