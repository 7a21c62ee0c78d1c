import { expect, test } from 'vitest';
import { readSights, writeSights } from '../../../src/election/backend-sight.ts';
import { type Replica, Stage } from './stage.ts';

const ZONES = ['a', 'b', 'c'];
const REFUSED = 'connect ECONNREFUSED 192.0.2.7:7101';

async function threeAtHome(): Promise<{ stage: Stage; ra: Replica; rb: Replica; rc: Replica }> {
  const stage = new Stage(ZONES);
  const [ra, rb, rc] = ZONES.map((zone) => stage.start(`r${zone}`, { homeZone: zone }));
  if (ra === undefined || rb === undefined || rc === undefined) throw new Error('no replicas');
  for (const replica of [ra, rb, rc]) for (const zone of ZONES) see(replica, zone, 'Up');
  await stage.advance(5_000);
  expect(stage.leaders()).toEqual({ a: 'ra', b: 'rb', c: 'rc' });
  return { stage, ra, rb, rc };
}

function see(replica: Replica, zone: string, state: 'Up' | 'NoNew' | 'Down' | 'Unknown'): void {
  replica.election.candidates.sees(zone, { state, evidence: state === 'Down' ? REFUSED : '' });
}

async function endsBy(replica: Replica, reason: string): Promise<number | undefined> {
  return (await replica.metrics.termsEnded.get()).values.find(
    ({ labels }) => labels.zone === 'a' && labels.reason === reason,
  )?.value;
}

test('a leader that is cut off from its backend gives the zone to a replica that reaches it, in less than two seconds', async () => {
  const { stage, ra } = await threeAtHome();
  see(ra, 'a', 'Down');
  await stage.until(() => ['rb', 'rc'].includes(stage.leader('a')?.name ?? ''), 2_000);
  expect(await endsBy(ra, 'handed-over')).toBe(1);
  expect(stage.leaders()).toMatchObject({ b: 'rb', c: 'rc' });
  expect(stage.cluster.lease('zonelet-demo-replica-ra')?.metadata?.annotations?.['zonelet.dev/backends']).toBe(
    JSON.stringify({ a: `Down: ${REFUSED}`, b: 'Up', c: 'Up' }),
  );
});

test('a home replica that is cut off does not get its zone back before it has reached the backend for a minute', async () => {
  const { stage, ra } = await threeAtHome();
  see(ra, 'a', 'Down');
  await stage.advance(300_000, 200);
  expect(stage.leader('a')?.name).not.toBe('ra');
  expect(stage.replicas.flatMap(({ terms }) => terms.filter(({ zone }) => zone === 'a'))).toHaveLength(2);
  see(ra, 'a', 'Up');
  await stage.advance(55_000, 200);
  expect(stage.leader('a')?.name).not.toBe('ra');
  await stage.advance(10_000, 200);
  expect(stage.leader('a')?.name).toBe('ra');
  expect(stage.replicas.flatMap(({ terms }) => terms.filter(({ zone }) => zone === 'a'))).toHaveLength(3);
});

test('a leader that is cut off keeps its zone while nobody is known to reach the backend', async () => {
  const { stage, ra, rb, rc } = await threeAtHome();
  see(rb, 'a', 'Unknown');
  see(rc, 'a', 'Down');
  await stage.advance(3_000);
  see(ra, 'a', 'Down');
  await stage.advance(120_000, 200);
  expect(stage.leader('a')).toBe(ra);
  expect(ra.terms).toHaveLength(1);
  // One that reaches it again is given the zone.
  see(rc, 'a', 'NoNew');
  await stage.until(() => stage.leader('a') === rc, 2_000);
});

test('a leader that reaches its backend is not moved by what others do not see', async () => {
  const { stage, ra, rb, rc } = await threeAtHome();
  for (const replica of [rb, rc]) see(replica, 'a', 'Down');
  await stage.advance(120_000, 200);
  expect(stage.leader('a')).toBe(ra);
  expect(ra.terms).toHaveLength(1);
});

test('a replica that is cut off comes last for a zone that is free, also at home, and takes it when there is no other', async () => {
  const { stage, ra, rb, rc } = await threeAtHome();
  see(ra, 'b', 'Down');
  await stage.advance(3_000);
  rb.kill();
  await stage.until(() => stage.leader('b') !== undefined, 9_000);
  expect(stage.leader('b')).toBe(rc);
  rc.stop();
  await stage.until(() => stage.leader('b') === ra && stage.leader('c') === ra, 9_000);
});

test('what replicas tell of the backends is read as it was written, and nonsense says nothing', () => {
  const told = new Map([
    ['zone-b', { state: 'Down', evidence: `said: "gone"\n${'x'.repeat(500)}` }],
    ['zone-a', { state: 'Up', evidence: 'fine' }],
    ['zone-c', { state: 'NoNew', evidence: '' }],
  ] as const);
  expect(Object.fromEntries(readSights(writeSights(told)))).toEqual({
    'zone-a': { state: 'Up', evidence: '' },
    'zone-b': { state: 'Down', evidence: `said: "gone"\n${'x'.repeat(500)}`.slice(0, 160) },
    'zone-c': { state: 'NoNew', evidence: '' },
  });
  expect(writeSights(new Map())).toBeUndefined();
  for (const text of [undefined, '', 'Down', 'null', '[]', '{"a":3,"b":null,"c":"down","d":"Downwards"}']) {
    expect(readSights(text)).toEqual(new Map());
  }
});
