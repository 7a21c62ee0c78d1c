import { expect, test } from 'vitest';
import { scale } from '../../src/commands/demo/workload.ts';
import { PODS } from '../../src/kube/resources.ts';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

/** Two rounds of looking, should the first list have failed. */
const ORPHAN_LIMIT_MS = 150_000;

test('all replicas killed: what runs is adopted, what was asked for meanwhile is done, nothing is done twice', async () => {
  await using play = await openScenario({ pods: 9 });
  const before = uids(workloadPods(play));
  const epochs = play.stage.zones.map(({ name }) => play.epochOf(name));
  const children = play.stage.replicas.map(({ child }) => child);
  const [gone] = workloadPods(play);
  const { uid = '', name = '' } = gone?.metadata ?? {};
  let restartedAt = 0;
  await play.withoutReplicas(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map(({ exited }) => exited));

    // Nobody is there: the cluster goes on wanting things.
    await play.client.delete(PODS, { namespace: play.stage.namespace, name }, { gracePeriodSeconds: 0 });
    await scale(play.client, play.stage.namespace, 12);
    await play.until('pods that wait', () => workloadPods(play).length === 12);

    restartedAt = Date.now();
    for (const { name: replica } of play.stage.replicas) play.stage.restart(replica);
  });
  await play.until('new leaders everywhere', () =>
    play.stage.zones.every(({ name: zone }, i) => play.epochOf(zone) > (epochs[i] ?? 0)),
  );
  await scaleTo(play, 12);
  const kept = before.filter((each) => each !== uid);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(kept));
  expect(restarts(workloadPods(play))).toBe(0);

  // The orphan leaves its backend after two complete lists 30 s apart and a live read, not before.
  const removals = async () =>
    [...(await play.journals()).values()].flat().filter((entry) => entry.op === 'delete' && entry.uid === uid);
  await play.until('the end of the orphan', async () => (await removals()).length > 0, ORPHAN_LIMIT_MS);
  expect((await removals())[0]?.t).toBeGreaterThan(restartedAt + 29_000);
  await play.checkInvariants();
});
