import { expect, test } from 'vitest';
import { sleep, systemClock } from '../../src/clock.ts';
import { openScenario, PATIENT_ELECTION } from './support/play.ts';
import { barePod, createPod, podNamed, restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

test('SIGKILL of a backend: its node stays Ready and nothing is concluded; it comes back and goes on', async () => {
  await using play = await openScenario({ pods: 9, settings: () => ({ election: PATIENT_ELECTION }) });
  const before = uids(workloadPods(play));
  const zone = play.stage.zones[2]?.name ?? '';
  const epoch = play.epochOf(zone);
  const part = `backend-${zone}`;
  play.stage.part(part).kill('SIGKILL');
  await play.stage.part(part).exited;
  await createPod(play, barePod(play, 'meanwhile', zone));
  await sleep(systemClock, 3_000);
  expect(uids(workloadPods(play))).toEqual(before);
  expect(podNamed(play, 'meanwhile')?.status?.phase).toBe('Pending');

  play.stage.restart(part);
  await play.until('the pod that waited', () => podNamed(play, 'meanwhile')?.status?.phase === 'Running');
  await scaleTo(play, 12);
  expect(play.epochOf(zone)).toBe(epoch);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
