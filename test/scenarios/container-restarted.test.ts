import { expect, test } from 'vitest';
import { LEASES } from '../../src/kube/resources.ts';
import { openScenario, type Play } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

interface Holder {
  readonly replica: string;
  readonly pod: string;
  readonly boot: string;
}

async function holderOf(play: Play, zone: string): Promise<Holder> {
  const at = { namespace: play.stage.namespace, name: `zonelet-${play.stage.set}-${zone}` };
  const [replica = '', pod = '', boot = ''] =
    (await play.client.get(LEASES, at)).spec?.holderIdentity?.split('_') ?? [];
  return { replica, pod, boot };
}

/** How quick it is, is for the benchmark `failover` to say. */
test("a leader's container restarts in the same pod: a new boot leads with a higher epoch, and no pod restarts", async () => {
  await using play = await openScenario({ pods: 6 });
  const before = uids(workloadPods(play));
  const zone = play.stage.zones[1]?.name ?? '';
  const victim = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  const old = await holderOf(play, zone);
  const child = play.stage.part(victim);
  child.kill('SIGKILL');
  await child.exited;
  play.stage.restart(victim);
  await play.until('a new term', () => play.epochOf(zone) > epoch);
  const now = await holderOf(play, zone);
  expect(now.boot).not.toBe(old.boot);
  // Itself, and then of the same pod; or another replica that had proof of its death.
  expect(now.pod === old.pod).toBe(now.replica === old.replica);
  await play.replicaReady(victim);
  await scaleTo(play, 9);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
