import { expect, test } from 'vitest';
import { PODS } from '../../src/kube/resources.ts';
import { openScenario } from './support/play.ts';
import { barePod, createPod, podNamed, restarts, scaleTo, workloadPods } from './support/pods.ts';
import { leads } from './support/replica.ts';

const IN_FLIGHT = 60;

test('SIGSTOP of a leader in the middle of its work until it is replaced, then SIGCONT: it steps down and nothing of it is accepted', async () => {
  await using play = await openScenario({ pods: 6, carryEpoch: true });
  const zone = play.stage.zones[1]?.name ?? '';
  const frozen = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  const names = Array.from({ length: IN_FLIGHT }, (_, i) => `in-flight-${i}`);
  const running = () => names.filter((name) => podNamed(play, name)?.status?.phase === 'Running').length;
  const creations = names.map((name) => createPod(play, barePod(play, name, zone)));
  await play.until('the first of many new pods', () => running() > 0);
  // Some pods are being created, some deleted and some published now.
  const at = { namespace: play.stage.namespace };
  const deletions = names.slice(0, 10).map(async (name, i) => {
    await creations[i];
    await play.client.delete(PODS, { ...at, name });
  });
  play.stage.part(frozen).kill('SIGSTOP');
  await Promise.all([...creations, ...deletions]);
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== frozen);
  await play.until('all of that to be finished by it', () => {
    const gone = names.slice(0, 10).every((name) => podNamed(play, name) === undefined);
    return gone && running() === IN_FLIGHT - 10;
  });
  await scaleTo(play, 9);
  const successor = play.epochOf(zone);
  play.stage.part(frozen).kill('SIGCONT');

  // Longer blocked than the lease: the watchdog may have ended it, which a kubelet answers with a restart.
  const port = play.stage.replicas.find(({ name }) => name === frozen)?.httpPort;
  await play.until('the frozen one to be a standby again', async () => {
    if (!play.stage.part(frozen).running) play.stage.restart(frozen);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    return ready.status === 200 && (!(await leads(play, frozen, zone)) || play.leaderOf(zone) === frozen);
  });
  expect(play.epochOf(zone)).toBeGreaterThanOrEqual(successor);
  await scaleTo(play, 12);
  expect(running()).toBe(IN_FLIGHT - 10);
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
