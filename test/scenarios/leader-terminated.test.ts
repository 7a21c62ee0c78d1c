import { expect, test } from 'vitest';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

test('SIGTERM of a leader, and of all at once: given up in good order, exit status 0, taken over', async () => {
  await using play = await openScenario({ pods: 6 });
  const before = uids(workloadPods(play));
  for (const { name } of play.stage.replicas) await play.replicaReady(name);
  const [first] = play.stage.zones;
  const zone = first?.name ?? '';
  const victim = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  play.stage.part(victim).kill('SIGTERM');
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
  expect(await play.stage.part(victim).exited).toBe(0);
  play.stage.replaceReplica(victim);
  await play.replicaReady(victim);
  await scaleTo(play, 9);

  // A rolling restart of everything at once is a bad idea and does no harm.
  const last = play.stage.zones.map(({ name }) => play.epochOf(name));
  const children = play.stage.replicas.map(({ child }) => child);
  await play.withoutReplicas(async () => {
    for (const child of children) child.kill('SIGTERM');
    expect(await Promise.all(children.map(({ exited }) => exited))).toEqual([0, 0, 0]);
    for (const { name } of play.stage.replicas) play.stage.replaceReplica(name);
  });
  await play.until('new leaders everywhere', () =>
    play.stage.zones.every(({ name }, i) => play.epochOf(name) > (last[i] ?? 0)),
  );
  await scaleTo(play, 12);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
