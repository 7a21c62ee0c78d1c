import { expect, test } from 'vitest';
import { scale } from '../../src/commands/demo/workload.ts';
import { PODS } from '../../src/kube/resources.ts';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

test('all replicas killed: what runs is adopted, what was asked for meanwhile is done, nothing is done twice', async () => {
  await using play = await openScenario({ pods: 9 });
  const before = uids(workloadPods(play));
  const epochs = play.stage.zones.map(({ name }) => play.epochOf(name));
  const children = play.stage.replicas.map(({ child }) => child);
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map(({ exited }) => exited));

  // Nobody is there: the cluster goes on wanting things.
  const [gone] = workloadPods(play);
  const name = gone?.metadata?.name ?? '';
  await play.client.delete(PODS, { namespace: play.stage.namespace, name }, { gracePeriodSeconds: 0 });
  await scale(play.client, play.stage.namespace, 12);
  await play.until('pods that wait', () => workloadPods(play).length === 12);

  for (const { name: replica } of play.stage.replicas) play.stage.restart(replica);
  await play.until('new leaders everywhere', () =>
    play.stage.zones.every(({ name: zone }, i) => play.epochOf(zone) > (epochs[i] ?? 0)),
  );
  await scaleTo(play, 12);
  const kept = before.filter((uid) => uid !== gone?.metadata?.uid);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(kept));
  expect(restarts(workloadPods(play))).toBe(0);

  // The orphan leaves its backend after two complete lists 30 s apart and a live read, not before.
  await play.checkInvariants();
});
