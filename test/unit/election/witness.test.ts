import { describe, expect, test } from 'vitest';
import { anyWitness, type Proof } from '../../../src/election/witness.ts';
import { LEASES } from '../../../src/kube/resources.ts';
import { type Replica, Stage } from './stage.ts';
import { Told } from './told.ts';

const ZONES = ['a', 'b', 'c'];
const HOME = { a: 'ra', b: 'rb', c: 'rc' };

interface Play {
  readonly stage: Stage;
  readonly replicas: readonly Replica[];
  readonly ra: Replica;
  readonly witnesses: readonly Told[];
  /** Every replica but the first learns this of a holder. */
  tellOthers(holder: string, proof: Partial<Proof>): void;
}

/** Three replicas at home in three zones. */
async function atHome(): Promise<Play> {
  const stage = new Stage(ZONES);
  const witnesses = ZONES.map(() => new Told());
  const replicas = ZONES.map((zone, i) => stage.start(`r${zone}`, { homeZone: zone, witness: witnesses[i]! }));
  await stage.advance(70_000, 200);
  expect(stage.leaders()).toEqual(HOME);
  return {
    stage,
    replicas,
    ra: replicas[0]!,
    witnesses,
    tellOthers(holder, proof) {
      const at = stage.clock.monotonic();
      for (const witness of witnesses.slice(1))
        witness.tell(holder, { by: 'refused', at, coversUntil: at + 1_000, ...proof });
    },
  };
}

function takersOf(zone: string, replicas: readonly Replica[]): string[] {
  return replicas.slice(1).flatMap(({ name, terms }) => terms.filter((term) => term.zone === zone).map(() => name));
}

describe('a leader is killed and its kernel tells', () => {
  test('a standby leads within a quarter of a second, with a higher epoch, and says by which proof', async () => {
    const { stage, replicas, ra, tellOthers } = await atHome();
    ra.kill();
    tellOthers(ra.election.holder, {});
    expect(await stage.until(() => stage.leader('a') !== undefined, 5_000)).toBeLessThan(250);
    const term = stage.leader('a')?.terms.at(-1);
    expect(term).toMatchObject({ epoch: 2, cause: 'refused' });
    await stage.advance(10_000);
    // The other one saw the same death and left the zone alone.
    expect(takersOf('a', replicas)).toHaveLength(1);
    const counted = await Promise.all(replicas.slice(1).map(({ metrics }) => metrics.termsBegun.get()));
    const taken = counted.flatMap(({ values }) =>
      values.filter(({ labels, value }) => labels.zone === 'a' && value > 0),
    );
    expect(taken.map(({ labels, value }) => [labels, value])).toEqual([[{ zone: 'a', cause: 'refused' }, 1]]);
  });

  test('it settles for 100 ms between its claim and what it does first', async () => {
    const { stage, ra, tellOthers } = await atHome();
    ra.kill();
    tellOthers(ra.election.holder, {});
    await stage.until(() => stage.leader('a') !== undefined, 5_000, 1);
    const claimed = stage.lastRenewal('a');
    expect(stage.clock.monotonic() - claimed).toBeGreaterThanOrEqual(100);
    expect(stage.clock.monotonic() - claimed).toBeLessThan(110);
  });

  test('all its zones go to others at once, one at a time for each', async () => {
    const stage = new Stage(ZONES);
    const witness = new Told();
    const first = stage.start('r0');
    await stage.advance(5_000);
    for (const name of ['r1', 'r2']) stage.start(name, { witness });
    await stage.advance(10_000);
    expect(stage.leaders()).toEqual({ a: 'r0', b: 'r0', c: 'r0' });
    first.kill();
    const at = stage.clock.monotonic();
    witness.tell(first.election.holder, { by: 'refused', at, coversUntil: at + 1_000 });
    const led = (): boolean => ZONES.every((zone) => stage.leader(zone) !== undefined);
    expect(await stage.until(led, 5_000)).toBeLessThan(300);
    stage.checkAlone();
  });

  test('a renewal that was on its way when it died changes nothing', async () => {
    const { stage, ra, tellOthers } = await atHome();
    ra.kill();
    tellOthers(ra.election.holder, {});
    // Between the proof and the first claim.
    await stage.clock.advance(1);
    stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
      lease.spec = { ...lease.spec, renewTime: '2026-01-01T00:02:00.000000Z' };
    });
    expect(await stage.until(() => stage.leader('a') !== undefined, 5_000)).toBeLessThan(500);
  });

  test('a death that nobody told of costs the lease', async () => {
    const { stage, ra } = await atHome();
    ra.kill();
    expect(await stage.until(() => stage.leader('a') !== undefined, 10_000)).toBeGreaterThan(4_900);
    expect(stage.leader('a')?.terms.at(-1)?.cause).toBe('expired');
  });

  test('the proof names one process: that an earlier one of the same name died says nothing of this one', async () => {
    const { stage, ra, tellOthers } = await atHome();
    tellOthers(ra.election.holder.replace(/[^_]+$/, 'another-boot'), {});
    await stage.advance(5_000);
    expect(stage.leaders()).toEqual(HOME);
    expect(ra.terms).toHaveLength(1);
  });
});

describe('a witness lies: the leader lives', () => {
  test('it stops before its successor acts, and nobody believes the lie a second time', async () => {
    const { stage, replicas, ra, tellOthers } = await atHome();
    tellOthers(ra.election.holder, {});
    // Throws when two may act for a zone at any moment.
    await stage.advance(500, 1);
    const successor = stage.leader('a');
    expect(successor?.name).not.toBe('ra');
    expect((await ra.metrics.termsEnded.get()).values.find(({ labels }) => labels.reason === 'superseded')?.value).toBe(
      1,
    );
    // It is at home there and gets the zone back in time; the proof of before must not take it away again.
    await stage.advance(100_000, 20);
    expect(stage.leaders()).toEqual(HOME);
    expect(takersOf('a', replicas)).toEqual([successor?.name]);
  });

  test('cut off from the API server too, it steps down by its own clock, and finds itself replaced when it returns', async () => {
    const { stage, ra, tellOthers } = await atHome();
    ra.link.fault = 'lost';
    tellOthers(ra.election.holder, {});
    await stage.until(() => stage.acting('a').some((replica) => replica !== ra), 1_000);
    expect(await stage.until(() => !ra.acts('a'), 6_000)).toBeLessThanOrEqual(4_000);
    ra.link.fault = 'none';
    await stage.advance(5_000);
    expect(stage.acting('a')).toHaveLength(1);
    expect(ra.terms).toHaveLength(1);
  });

  test('a holder that goes on renewing after the proof is alive: its lease counts', async () => {
    const { stage, ra, witnesses } = await atHome();
    const at = stage.clock.monotonic();
    // By the time that anybody hears of it, it has been disproved.
    await stage.advance(2_500);
    for (const witness of witnesses.slice(1))
      witness.tell(ra.election.holder, { by: 'refused', at, coversUntil: at + 1_000 });
    await stage.advance(5_000);
    expect(stage.leaders()).toEqual(HOME);
  });
});

describe('a witness that has to go and look', () => {
  test('is asked when the leader has been silent for longer than a renewal takes, and never before', async () => {
    const { stage, ra, witnesses } = await atHome();
    expect(witnesses.map(({ suspected }) => suspected)).toEqual([[], [], []]);
    const last = stage.lastRenewal('a');
    ra.kill();
    await stage.until(() => (witnesses[1]?.suspected.length ?? 0) > 0, 5_000);
    expect(stage.clock.monotonic() - last).toBeGreaterThanOrEqual(1_250);
    expect(stage.clock.monotonic() - last).toBeLessThan(1_400);
    expect(new Set(witnesses[1]?.suspected)).toEqual(new Set([ra.election.holder]));
    tellTerminated(stage, witnesses, ra);
    expect(await stage.until(() => stage.leader('a') !== undefined, 5_000)).toBeLessThan(150);
    expect(stage.leader('a')?.terms.at(-1)?.cause).toBe('terminated');
  });

  test('what it found says nothing of a leader that has renewed since it went to look', async () => {
    const { stage, ra, witnesses } = await atHome();
    const asked = stage.clock.monotonic();
    await stage.advance(1_100);
    const at = stage.clock.monotonic();
    for (const witness of witnesses.slice(1)) {
      witness.tell(ra.election.holder, { by: 'terminated', at, coversUntil: asked });
    }
    await stage.advance(10_000);
    expect(stage.leaders()).toEqual(HOME);
    expect(ra.terms).toHaveLength(1);
  });
});

function tellTerminated(stage: Stage, witnesses: readonly Told[], dead: Replica): void {
  const at = stage.clock.monotonic();
  for (const witness of witnesses.slice(1))
    witness.tell(dead.election.holder, { by: 'terminated', at, coversUntil: at });
}

test('of several witnesses the proof that covers most counts, and each is asked and listened to', () => {
  const [one, two] = [new Told(), new Told()];
  const both = anyWitness([one, two]);
  let told = 0;
  const remove = both.subscribe(() => told++);
  both.suspect('x');
  expect([one.suspected, two.suspected]).toEqual([['x'], ['x']]);
  expect(both.proofOf('x')).toBeUndefined();
  one.tell('x', { by: 'refused', at: 7, coversUntil: 8 });
  two.tell('x', { by: 'terminated', at: 5, coversUntil: 5 });
  expect(both.proofOf('x')).toMatchObject({ by: 'refused', at: 7 });
  expect(told).toBe(2);
  remove();
  one.tell('y', { by: 'refused', at: 9, coversUntil: 9 });
  expect(told).toBe(2);
});
