import { expect, test } from 'vitest';
import { zoneLeaseName } from '../../src/election/names.ts';
import { formatMicroTime, parseTime } from '../../src/kube/micro-time.ts';
import { EVENTS, LEASES } from '../../src/kube/resources.ts';
import { CLUSTER } from './support/cluster.ts';
import { openScenario } from './support/play.ts';
import { node, restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

/** Longer than the node controller waits (50 s), from the last heartbeat of the leader on. */
const WITHOUT_MS = 75_000;

// On virtual time, with the embedded controllers: test/unit/node/caretaker.test.ts.
test.skipIf(CLUSTER === 'embedded')(
  'a zone that nobody may lead: its node stays Ready, its pods run on, and one replica says that it cares for it',
  async () => {
    await using play = await openScenario({ pods: 6 });
    const before = uids(workloadPods(play));
    const zone = play.stage.zones[0]?.name ?? '';
    const victim = play.leaderOf(zone) ?? '';
    const epoch = play.epochOf(zone);
    const at = { namespace: play.stage.namespace, name: zoneLeaseName(play.stage.set, zone) };
    play.stage.part(victim).kill('SIGKILL');
    await play.stage.part(victim).exited;
    // Somebody else's program, which holds it for an hour: nobody takes that from it.
    const renewTime = formatMicroTime(Date.now());
    const spec = { holderIdentity: 'another-program', leaseDurationSeconds: 3_600, renewTime };
    await play.client.patch(LEASES, at, { type: 'merge', body: { spec } });
    const begun = Date.now();
    await play.until('time to pass', () => Date.now() - begun > WITHOUT_MS, 2 * WITHOUT_MS);
    expect(play.epochOf(zone)).toBe(epoch);
    const ready = node(play, zone)?.status?.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).toMatchObject({ status: 'True' });
    const name = play.stage.zones[0]?.nodeName ?? '';
    const lease = await play.client.get(LEASES, { namespace: 'kube-node-lease', name });
    expect(Date.now() - (parseTime(lease.spec?.renewTime) ?? 0)).toBeLessThan(30_000);
    const events = (await play.client.list(EVENTS)).items.filter(({ reason }) => reason === 'NodeKeptAlive');
    expect(events.map(({ involvedObject, count }) => [involvedObject.name, count])).toEqual([[name, 1]]);

    const released = { holderIdentity: '', leaseDurationSeconds: 1 };
    await play.client.patch(LEASES, at, { type: 'merge', body: { spec: released } });
    await play.until('a leader', () => play.epochOf(zone) > epoch);
    play.stage.replaceReplica(victim);
    await scaleTo(play, 9);
    expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
    expect(restarts(workloadPods(play))).toBe(0);
    await play.checkInvariants({ withoutLeader: [zone] });
  },
);
