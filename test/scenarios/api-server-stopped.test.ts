import { expect, test } from 'vitest';
import { sleep, systemClock } from '../../src/clock.ts';
import { openScenario } from './support/play.ts';
import { barePod, createPod, podNamed, restarts, uids, workloadPods } from './support/pods.ts';

const OUTAGE_MS = 30_000;

test('the API server is gone for 30 s: pods run on, nothing is created or deleted, then all is caught up with', async () => {
  await using play = await openScenario({ pods: 9 });
  const before = uids(workloadPods(play));
  const from = Date.now();
  await play.stopApiServer();
  await sleep(systemClock, OUTAGE_MS);
  for (const { name, child } of play.stage.replicas) expect(child.running, `${name} lives`).toBe(true);
  const until = Date.now();
  await play.startApiServer();

  await play.until('a leader for every zone and all pods running', () => {
    const zones = play.observer.zones();
    return zones.length === 3 && zones.every(({ ready }) => ready) && play.observer.runningPods === 9;
  });
  // Bound by hand: a real cluster's own controllers need up to a minute to find their API server again.
  for (const { name: zone } of play.stage.zones) await createPod(play, barePod(play, `after-${zone}`, zone));
  await play.until('a new pod in every zone', () =>
    play.stage.zones.every(({ name: zone }) => podNamed(play, `after-${zone}`)?.status?.phase === 'Running'),
  );
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  const meanwhile = [...(await play.journals()).values()]
    .flat()
    .filter(({ t, op, outcome }) => t > from + 1_000 && t < until && op !== 'claim' && outcome !== 'refused');
  expect(meanwhile).toEqual([]);
  await play.checkInvariants();
});
