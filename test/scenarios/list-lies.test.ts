import { expect, test } from 'vitest';
import { type Lie, startLyingBackend } from './support/lying-backend.ts';
import { openScenario } from './support/play.ts';
import { barePod, createPod, podNamed, restarts, uids, workloadPods } from './support/pods.ts';

const LIES: readonly Lie[] = ['empty', 'incomplete', 'failing'];

test('a backend whose lists are empty, incomplete or fail while pods run: new leaders delete nothing and fail nothing', async () => {
  await using play = await openScenario({ pods: 6, proxied: true });
  const [zone] = play.stage.zones;
  const { name = '', port = 0 } = zone ?? {};
  await using backend = await startLyingBackend(port);
  for (const { name: replica } of play.stage.replicas) {
    const link = play.links.toBackend(replica, name);
    link.target(backend.port);
    // What was connected to the true one goes on by way of the other.
    link.cut(true);
    link.cut(false);
  }
  const before = uids(workloadPods(play));
  for (const lie of LIES) {
    backend.lie = lie;
    const told = backend.lies;
    const victim = play.leaderOf(name) ?? '';
    const epoch = play.epochOf(name);
    play.stage.part(victim).kill('SIGKILL');
    await play.until('another leader', () => play.epochOf(name) > epoch && play.leaderOf(name) !== victim);
    // It looks around before it does anything else.
    await play.until(`a list that is ${lie}`, () => backend.lies > told);
    play.stage.replaceReplica(victim);
    await createPod(play, barePod(play, `while-${lie}`, name));
    // One that does not know what there is waits; one that believes to know goes on.
    if (lie === 'empty')
      await play.until('a new pod', () => podNamed(play, 'while-empty')?.status?.phase === 'Running');
    backend.lie = 'none';
    await play.until('the pod that came meanwhile', () => podNamed(play, `while-${lie}`)?.status?.phase === 'Running');
    expect(uids(workloadPods(play))).toEqual(before);
  }
  const failed = play.history.pods.filter(({ object }) => object.status?.phase === 'Failed');
  expect(failed).toEqual([]);
  const deleted = [...(await play.journals()).values()].flat().filter(({ op }) => op === 'delete');
  expect(deleted).toEqual([]);
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
