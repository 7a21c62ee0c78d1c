import { expect, test } from 'vitest';
import { CLUSTER } from './support/cluster.ts';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

const PODS = CLUSTER === 'real' ? 60 : 9;

test('SIGKILL of each leader in turn: another replica takes over, no pod restarts, the node stays Ready', async () => {
  await using play = await openScenario({ pods: PODS });
  const before = uids(workloadPods(play));
  for (const { name: zone } of play.stage.zones) {
    const victim = play.leaderOf(zone) ?? '';
    const epoch = play.epochOf(zone);
    play.stage.part(victim).kill('SIGKILL');
    await play.until(`another leader of ${zone}`, () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
    play.stage.replaceReplica(victim);
  }
  expect(uids(workloadPods(play))).toEqual(before);
  // The successors do not only hold the office.
  await scaleTo(play, PODS + 3);
  expect(restarts(workloadPods(play))).toBe(0);
  await scaleTo(play, PODS - 3);
  await play.checkInvariants();
});
