import { describe, expect, test } from 'vitest';
import { sleep } from '../../../src/clock.ts';
import { LEASES } from '../../../src/kube/resources.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { isLease, over, Stage } from './stage.ts';

describe('a zone with two replicas', () => {
  async function led(): Promise<{ stage: Stage; a: ReturnType<Stage['start']>; b: ReturnType<Stage['start']> }> {
    const stage = new Stage(['a']);
    const a = stage.start('a', { homeZone: 'a' });
    const b = stage.start('b', { homeZone: 'b' });
    await stage.advance(10_000);
    expect(stage.leaders()).toEqual({ a: 'a' });
    return { stage, a, b };
  }

  test.runIf(isLease())('is won with epoch 1, and the Lease says so in the form of client-go', async () => {
    const { stage, a } = await led();
    const lease = stage.cluster.lease('zonelet-demo-a');
    expect(lease?.spec).toMatchObject({
      holderIdentity: a.election.holder,
      leaseDurationSeconds: 6,
      leaseTransitions: 1,
    });
    expect(lease?.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(lease?.metadata?.labels?.['zonelet.dev/set']).toBe('demo');
    expect(a.terms).toHaveLength(1);
  });

  test('killed leader: the other takes over when the lease has run out, not before and not half a second later', async () => {
    const { stage, a, b } = await led();
    const lastRenewal = stage.lastRenewal('a');
    a.kill();
    await stage.until(() => b.acts('a'), 10_000);
    const after = stage.clock.monotonic() - lastRenewal;
    expect(after).toBeGreaterThanOrEqual(6_000);
    expect(after).toBeLessThan(6_100);
    expect(b.terms[0]?.epoch).toBe(2);
    expect(b.terms[0]?.leaderlessMs).toBeGreaterThan(5_900);
  });

  test('stopped leader: finishes, lets the lock go, and the other leads within half a second', async () => {
    const { stage, a, b } = await led();
    a.windDownMs = 200;
    a.stop();
    await stage.clock.advance(100);
    expect(a.acts('a')).toBe(true);
    expect(a.terms[0]?.ending.aborted).toBe(true);
    const took = await stage.until(() => b.acts('a'), 2_000);
    expect(took).toBeLessThan(200);
    await a.ended;
    expect(stage.cluster.lease('zonelet-demo-replica-a')).toBeUndefined();
    stage.checkAlone();
    expect((await a.metrics.termsEnded.get()).values.find(({ labels }) => labels.reason === 'released')?.value).toBe(1);
  });

  test('the last one to stop leaves the lock free for whoever comes', async () => {
    const { stage, a, b } = await led();
    b.stop();
    await stage.advance(500);
    a.stop();
    await stage.advance(500);
    await Promise.all([a.ended, b.ended]);
    expect(stage.holderOf('a')).toBeUndefined();
    expect(stage.clock.pending).toBe(0);
  });

  test('leader that was stopped for longer than its lease refuses to act when it wakes up', async () => {
    const { stage, a, b } = await led();
    const term = a.terms[0];
    a.clock.freeze();
    // The first thing that it does when it runs again, before any news or timer.
    let first: boolean | undefined;
    a.clock.deliver(() => {
      first = term?.mayAct();
    });
    await stage.advance(9_000);
    expect(b.acts('a')).toBe(true);
    expect(first).toBeUndefined();
    a.clock.thaw();
    expect(first).toBe(false);
    expect(term?.signal.aborted).toBe(true);
    await stage.advance(10_000);
    expect(stage.leaders()).toEqual({ a: 'b' });
  });

  test('leader that was stopped for a moment goes on', async () => {
    const { stage, a } = await led();
    a.clock.freeze();
    await stage.advance(2_500);
    a.clock.thaw();
    await stage.advance(10_000);
    expect(stage.acting('a')).toEqual([a]);
    expect(a.terms).toHaveLength(1);
  });

  test('suspended machine: the monotonic clock stood still, the right to act has run out all the same', async () => {
    const { stage, a, b } = await led();
    a.clock.suspend();
    a.link.fault = 'lost';
    let first: boolean | undefined;
    a.clock.deliver(() => {
      first = a.terms[0]?.mayAct();
    });
    await stage.advance(8_000);
    expect(b.acts('a')).toBe(true);
    a.clock.thaw();
    expect(first).toBe(false);
    await stage.advance(100);
    const ends = (await a.metrics.termsEnded.get()).values;
    expect(ends.find(({ labels }) => labels.reason === 'suspended')?.value).toBe(1);
    expect(stage.leaders()).toEqual({ a: 'b' });
  });

  test.each([-600_000, 600_000])('wall clock off by %d ms: nothing changes', async (offsetMs) => {
    const { stage, a, b } = await led();
    a.clock.wallOffsetMs = offsetMs;
    b.clock.wallOffsetMs = -offsetMs;
    await stage.advance(30_000);
    expect(stage.acting('a')).toEqual([a]);
    expect(a.terms).toHaveLength(1);
  });

  test('API server out of reach of the leader: it stops before the other begins', async () => {
    const { stage, a, b } = await led();
    a.link.fault = 'lost';
    const stopped = await stage.until(() => !a.acts('a'), 10_000);
    // A leader by Redis has no use of its lock without the API server, but is not hindered by it either.
    expect(stopped).toBeLessThanOrEqual(isLease() ? 4_000 : 9_000);
    await stage.advance(5_000);
    expect(b.acts('a')).toBe(true);
  });

  test('what keeps the lock is out of reach of the leader: it stops before the other begins', async () => {
    const { stage, a, b } = await led();
    for (const link of a.lockLinks) link.fault = 'lost';
    expect(await stage.until(() => !a.acts('a'), 10_000)).toBeLessThanOrEqual(4_000);
    await stage.advance(5_000);
    expect(b.acts('a')).toBe(true);
  });

  test('what keeps the lock is out of reach of all: nobody acts; afterwards one does within two seconds', async () => {
    const { stage, a, b } = await led();
    for (const link of [...a.lockLinks, ...b.lockLinks]) link.fault = 'refused';
    await stage.advance(30_000);
    expect(stage.acting('a')).toEqual([]);
    for (const link of [...a.lockLinks, ...b.lockLinks]) link.fault = 'none';
    expect(await stage.until(() => stage.leader('a') !== undefined, 5_000)).toBeLessThan(2_000);
    expect(stage.leader('a')?.terms.at(-1)?.epoch).toBeGreaterThan(1);
  });

  test('API server out of reach of all: nobody acts; afterwards one does within two seconds, with a higher epoch', async () => {
    const { stage, a, b } = await led();
    for (const { link } of [a, b]) link.fault = 'refused';
    await stage.advance(30_000);
    expect(stage.acting('a')).toEqual([]);
    for (const { link } of [a, b]) link.fault = 'none';
    const took = await stage.until(() => stage.leader('a') !== undefined, 5_000);
    expect(took).toBeLessThan(2_000);
    // The leader of before is at home there: an outage moves nothing.
    expect(stage.leaders()).toEqual({ a: 'a' });
    expect(a.terms.map(({ epoch }) => epoch)).toEqual([1, 2]);
  });

  test('answers get lost after the write was made: the leader finds its own write and goes on', async () => {
    const { stage, a } = await led();
    for (const link of a.lockLinks) link.fault = 'deaf';
    await stage.advance(1_500);
    for (const link of a.lockLinks) link.fault = 'none';
    await stage.advance(10_000);
    expect(stage.acting('a')).toEqual([a]);
    expect(a.terms).toHaveLength(1);
  });

  test('renewals that are answered late are counted from when they were sent', async () => {
    const { stage, a } = await led();
    for (const link of a.lockLinks) link.replyMs = 1_900;
    await stage.advance(3_000);
    let most = 0;
    for (let i = 0; i < 200; i++) {
      await stage.advance(50);
      most = Math.max(most, a.terms[0]?.remainingMs() ?? 0);
    }
    expect(stage.acting('a')).toEqual([a]);
    expect(most).toBeLessThanOrEqual(5_400 - 1_900);
    expect(most).toBeGreaterThan(3_000);
  });

  test('silent watch: the standby reads by itself and still takes over in time', async () => {
    const { stage, a, b } = await led();
    b.link.watchSilent = true;
    await stage.advance(20_000);
    expect(stage.acting('a')).toEqual([a]);
    a.kill();
    expect(await stage.until(() => b.acts('a'), 20_000)).toBeLessThan(6_000 + 1_500);
  });

  test('lock deleted by hand: its holder makes it again at once, with the next epoch', async () => {
    const { stage, a, b } = await led();
    stage.removeLock('a');
    expect(await stage.until(() => a.terms.length === 2, 5_000)).toBeLessThan(500);
    await stage.advance(10_000);
    expect(stage.acting('a')).toEqual([a]);
    expect(a.terms.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(b.terms).toEqual([]);
    const ends = (await a.metrics.termsEnded.get()).values;
    expect(ends.find(({ labels }) => labels.reason === 'superseded')?.value).toBe(1);
  });

  test('lock deleted while its holder is dead: the other waits a lease, and the epoch still rises', async () => {
    const { stage, a, b } = await led();
    a.kill();
    // Redis had told how long it would have lasted.
    const lasts = isLease() ? 6_000 : stage.lastRenewal('a') + 6_000 - stage.clock.monotonic();
    stage.removeLock('a');
    const took = await stage.until(() => b.acts('a'), 20_000);
    expect(took).toBeGreaterThanOrEqual(lasts - 250);
    expect(took).toBeLessThan(7_000);
    expect(b.terms[0]?.epoch).toBe(2);
  });

  test('lock deleted while nobody was there: a newcomer waits a lease and goes on from the epoch on the Node', async () => {
    const { stage, a, b } = await led();
    a.kill();
    b.kill();
    stage.removeLock('a');
    const c = stage.start('c', { homeZone: 'a' });
    const took = await stage.until(() => c.acts('a'), 20_000);
    expect(took).toBeGreaterThanOrEqual(6_000);
    expect(c.terms[0]?.epoch).toBe(2);
  });

  test.runIf(isLease())(
    'the label that the Lease is watched by is taken off: nothing happens but that it comes back',
    async () => {
      const { stage, a } = await led();
      stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
        lease.metadata = { ...lease.metadata, labels: {} };
      });
      await stage.advance(5_000);
      expect(a.terms).toHaveLength(1);
      expect(stage.cluster.lease('zonelet-demo-a')?.metadata?.labels).toEqual({ 'zonelet.dev/set': 'demo' });
    },
  );

  test.runIf(isLease())('somebody writes another holder into the Lease: the leader stops at once', async () => {
    const { stage, a } = await led();
    stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
      lease.spec = { ...lease.spec, holderIdentity: 'kubectl', leaseTransitions: 40 };
    });
    expect(await stage.until(() => !a.acts('a'), 5_000)).toBeLessThan(100);
    await stage.until(() => stage.leader('a') !== undefined, 10_000);
    expect(stage.leader('a')?.terms.at(-1)?.epoch).toBe(41);
  });

  test.runIf(isLease())(
    'a Lease of somebody else: it is said, their Lease is left as it is, and taken over when it has run out',
    async () => {
      const stage = new Stage();
      const theirs = {
        metadata: { name: 'zonelet-demo-a', labels: { app: 'other-controller' } },
        spec: { holderIdentity: 'other-controller-7d9f_8c1e', leaseDurationSeconds: 15, leaseTransitions: 3 },
      };
      stage.cluster.createByHand(LEASES, theirs);
      const said: object[] = [];
      const log: Logger = { ...silentLogger, error: (fields) => said.push(fields), child: () => log };
      stage.start('a', { homeZone: 'a', log });
      stage.start('b');
      for (let renewals = 0; renewals < 40; renewals++) {
        stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
          lease.spec = { ...lease.spec, renewTime: String(renewals) };
        });
        await stage.advance(2_000);
        expect(stage.acting('a')).toEqual([]);
      }
      expect(stage.cluster.lease('zonelet-demo-a')).toMatchObject(theirs);
      // Every minute, not every second.
      expect(said).toHaveLength(2);
      expect(said[0]).toMatchObject({ lock: 'zonelet-demo-a', holder: 'other-controller-7d9f_8c1e' });
      expect(await stage.until(() => stage.leader('a') !== undefined, 20_000)).toBeGreaterThanOrEqual(12_900);
      expect(stage.leader('a')?.terms[0]?.epoch).toBe(4);
      expect(stage.cluster.lease('zonelet-demo-a')?.metadata?.labels).toMatchObject({ app: 'other-controller' });
    },
  );

  for (const edited of [2 ** 31 - 1, 2 ** 31 - 2, -5]) {
    test.runIf(isLease())(`an epoch that nobody counts to, written by hand: ${edited} is not believed`, async () => {
      const { stage, a, b } = await led();
      stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
        lease.spec = { ...lease.spec, leaseTransitions: edited };
      });
      await stage.advance(5_000);
      const epoch = stage.leader('a')?.terms.at(-1)?.epoch;
      expect(stage.cluster.lease('zonelet-demo-a')?.spec?.leaseTransitions).toBe(epoch);
      a.kill();
      await stage.until(() => b.acts('a'), 10_000);
      expect(b.terms.at(-1)?.epoch).toBe((a.terms.at(-1)?.epoch ?? 0) + 1);
    });
  }

  test.runIf(isLease())('holder wiped out or epoch lowered by hand: never two, and the epoch rises', async () => {
    const { stage, a } = await led();
    a.link.watchSilent = true;
    stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
      lease.spec = { ...lease.spec, holderIdentity: '', leaseTransitions: 0 };
    });
    await stage.advance(20_000);
    expect(stage.leader('a')?.terms.at(-1)?.epoch).toBeGreaterThan(1);
  });

  test.runIf(isLease())(
    'lease shortened by hand while its holder cannot hear of it: nobody takes it earlier',
    async () => {
      const { stage, a, b } = await led();
      a.link.fault = 'lost';
      stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
        lease.spec = { ...lease.spec, leaseDurationSeconds: 1 };
      });
      expect(await stage.until(() => b.acts('a'), 10_000)).toBeGreaterThanOrEqual(6_000);
      stage.checkAlone();
    },
  );

  test('a replica that stops after it lost the lock unnoticed leaves it to its holder', async () => {
    const { stage, a, b } = await led();
    a.link.fault = 'lost';
    await stage.advance(12_000);
    expect(b.acts('a')).toBe(true);
    a.link.fault = 'none';
    a.link.watchSilent = true;
    a.stop();
    await stage.advance(5_000);
    await a.ended;
    expect(stage.acting('a')).toEqual([b]);
    expect(b.terms).toHaveLength(1);
  });

  test.runIf(isLease())('what others wrote on the Lease is kept', async () => {
    const { stage } = await led();
    stage.cluster.edit(LEASES, 'zonelet-demo-a', (lease) => {
      lease.metadata = { ...lease.metadata, annotations: { ...lease.metadata?.annotations, note: 'ours' } };
    });
    await stage.advance(3_000);
    expect(stage.cluster.lease('zonelet-demo-a')?.metadata?.annotations?.note).toBe('ours');
  });

  test('a term that is proved to be over is lost at once and for good', async () => {
    const { stage, a } = await led();
    const term = a.terms[0];
    term?.lose('fenced', 'the backend knows epoch 9');
    expect([term?.mayAct(), term?.remainingMs(), term?.signal.aborted]).toEqual([false, 0, true]);
    await stage.advance(3_000);
    expect(a.terms.at(-1)?.epoch).toBe(2);
    expect((await a.metrics.leader.get()).values[0]?.value).toBe(1);
  });

  test('a backend whose fence is far ahead costs one more term, not one for each epoch', async () => {
    const { stage, a } = await led();
    a.terms[0]?.lose('fenced', 'the backend knows epoch 900', 900);
    await stage.advance(3_000);
    expect(a.terms.map(({ epoch }) => epoch)).toEqual([1, 901]);
  });

  test.runIf(isLease())('idle, a zone costs one write a second and no reads', async () => {
    const { stage } = await led();
    const before = stage.cluster.writes.length;
    const reads = stage.cluster.reads;
    await stage.advance(20_000);
    const written = stage.cluster.writes.slice(before);
    expect(written.filter(({ key }) => key === 'leases/zonelet-demo-a').length).toBeLessThanOrEqual(21);
    expect(written.length).toBeLessThanOrEqual(21 + 2 * 11);
    expect(stage.cluster.reads - reads).toBe(0);
  });
});

test('container restarted: the new process of the same pod reclaims at once, with a higher epoch', async () => {
  const stage = new Stage(['a']);
  const first = stage.start('a', { homeZone: 'a', uid: 'pod-1' });
  const b = stage.start('b', { homeZone: 'b', uid: 'pod-2' });
  await stage.advance(10_000);
  first.kill();
  const again = stage.start('a', { homeZone: 'a', uid: 'pod-1' });
  expect(await stage.until(() => again.acts('a'), 5_000)).toBeLessThan(100);
  expect(again.terms[0]?.epoch).toBe(2);
  await stage.advance(10_000);
  expect(b.terms).toEqual([]);
});

test('restarted without a pod UID: nothing is proved, the lease has to run out', async () => {
  const stage = new Stage(['a']);
  const first = stage.start('a', { homeZone: 'a' });
  await stage.advance(10_000);
  first.kill();
  const again = stage.start('a', { homeZone: 'a' });
  expect(await stage.until(() => again.acts('a'), 10_000)).toBeGreaterThanOrEqual(5_000);
});

test('a consumer that gives a term up by itself leaves the zone to the others', async () => {
  const stage = new Stage(['a']);
  const a = stage.start('a', { homeZone: 'a', lead: async () => {} });
  const b = stage.start('b', { homeZone: 'b' });
  await stage.until(() => b.acts('a'), 5_000);
  await stage.advance(10_000);
  expect(stage.leaders()).toEqual({ a: 'b' });
  expect(a.terms).toHaveLength(1);
});

test('who finishes late with a term whose lock vanished makes it again only while nobody else can have had it', async () => {
  const stage = new Stage(['a']);
  const a = stage.start('a', {
    homeZone: 'a',
    lead: async (term) => {
      await over(term);
      await sleep(stage.clock, 9_000);
    },
  });
  const b = stage.start('b', { homeZone: 'b' });
  await stage.advance(5_000);
  stage.removeLock('a');
  await stage.until(() => b.acts('a'), 10_000);
  // Neither hears of the second one.
  a.link.watchSilent = true;
  b.link.watchSilent = true;
  stage.removeLock('a');
  b.link.fault = 'lost';
  await stage.advance(15_000, 20);
});
