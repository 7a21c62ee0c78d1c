import { expect, test } from 'vitest';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { leads } from './support/replica.ts';

test('the API server out of reach of one leader only: it stops in time, another one takes over, nothing is deleted', async () => {
  await using play = await openScenario({ pods: 9, proxied: true });
  const before = uids(workloadPods(play));
  const zone = play.stage.zones[0]?.name ?? '';
  const cut = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  play.links.toApiServer(cut).cut(true);
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== cut);
  // By its own clock, with nobody to tell it.
  expect(await leads(play, cut, zone)).toBe(false);
  expect(play.stage.part(cut).running).toBe(true);
  expect(uids(workloadPods(play))).toEqual(before);
  const mutations = [...(await play.journals()).values()].flat();
  expect(mutations.filter(({ op }) => op === 'delete')).toEqual([]);
  await scaleTo(play, 12);

  play.links.toApiServer(cut).cut(false);
  await play.replicaReady(cut);
  await scaleTo(play, 6);
  // It still reached the backend all the time, and sent nothing that the fence had to refuse.
  const refused = [...(await play.journals()).values()].flat().filter(({ outcome }) => outcome === 'refused');
  expect(refused).toEqual([]);
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
