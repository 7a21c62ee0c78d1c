import { expect, test } from 'vitest';
import { openScenario } from './support/play.ts';
import { node, restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { metric } from './support/replica.ts';

test('the backend out of reach of its leader only: another replica leads the zone, and nobody else notices', async () => {
  await using play = await openScenario({ pods: 9, proxied: true });
  const before = uids(workloadPods(play));
  const zone = play.stage.zones[0]?.name ?? '';
  const cut = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  play.links.toBackend(cut, zone).cut(true);
  await play.until('another leader', () => play.leaderOf(zone) !== cut && play.epochOf(zone) > epoch);
  expect(await metric(play, cut, 'zonelet_terms_ended_total', { zone, reason: 'handed-over' })).toBe(1);
  await scaleTo(play, 15);
  // Only who is cut off sees it; the zone is up.
  await play.until('the zone to be up', async () => {
    return (await metric(play, play.leaderOf(zone) ?? '', 'zonelet_zone_health', { zone, state: 'Up' })) === 1;
  });
  await play.until(
    'the node to be open',
    () => node(play, zone)?.spec?.taints?.some(({ key }) => key.startsWith('zonelet.dev/')) !== true,
  );
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
