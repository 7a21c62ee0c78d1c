import { expect, test } from 'vitest';
import { sleep, systemClock } from '../../src/clock.ts';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

test('two sets of one name from two clusters share the backends and never touch each other', async () => {
  await using first = await openScenario({ pods: 6, replicas: 2 });
  const ofFirst = uids(workloadPods(first));
  await using second = await openScenario({ pods: 6, replicas: 2, backendsOf: first });
  const ofSecond = uids(workloadPods(second));
  // Long enough for several lists of each leader, each of which would show the other's pods as orphans.
  await scaleTo(first, 3);
  await scaleTo(second, 9);
  await sleep(systemClock, 2_000);
  expect(uids(workloadPods(second))).toEqual(expect.arrayContaining(ofSecond));
  expect(restarts([...workloadPods(first), ...workloadPods(second)])).toBe(0);

  const deleted = [...(await first.journals()).values()]
    .flat()
    .filter(({ op, outcome }) => op === 'delete' && outcome !== 'refused')
    .map(({ uid }) => uid);
  expect(deleted.filter((uid) => ofSecond.includes(uid ?? ''))).toEqual([]);
  expect(deleted.filter((uid) => ofFirst.includes(uid ?? '')).length).toBeGreaterThanOrEqual(3);
  const created = [...(await first.journals()).values()]
    .flat()
    .filter(({ op, outcome }) => op === 'create' && outcome === 'accepted')
    .map(({ uid }) => uid);
  expect(new Set(created).size).toBe(created.length);
  for (const play of [first, second]) await play.checkInvariants({ sharedBackends: true });
  const bound = [first, second].flatMap(({ history }) => history.pods.map(({ object }) => object.metadata?.uid));
  expect(created.filter((uid) => !bound.includes(uid))).toEqual([]);
});
