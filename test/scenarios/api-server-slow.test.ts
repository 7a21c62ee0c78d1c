import { expect, test } from 'vitest';
import { openScenario } from './support/play.ts';
import { barePod, createPod, podNamed, restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { leads } from './support/replica.ts';

test('renewals are made and their answers come late: the leader stops all the same, and no two terms overlap', async () => {
  await using play = await openScenario({ pods: 9, proxied: true });
  const before = uids(workloadPods(play));
  const zone = play.stage.zones[2]?.name ?? '';
  const slow = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  const link = play.links.toApiServer(slow);
  link.hang(true);
  // Something to do for whoever believes to lead.
  await createPod(play, barePod(play, 'meanwhile', zone));
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== slow);
  expect(await leads(play, slow, zone)).toBe(false);
  await play.until('the pod to run', () => podNamed(play, 'meanwhile')?.status?.phase === 'Running');

  // Now it hears that its renewals were made, long ago.
  const successor = play.epochOf(zone);
  link.hang(false);
  await play.replicaReady(slow);
  await scaleTo(play, 12);
  expect(play.epochOf(zone)).toBe(successor);
  const refused = [...(await play.journals()).values()].flat().filter(({ outcome }) => outcome === 'refused');
  expect(refused).toEqual([]);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
