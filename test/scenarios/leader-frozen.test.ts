import { expect, test } from 'vitest';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, workloadPods } from './support/pods.ts';

test('SIGSTOP of a leader until it is replaced, then SIGCONT: it steps down and nothing of it is accepted', async () => {
  await using play = await openScenario({ pods: 6 });
  const zone = play.stage.zones[1]?.name ?? '';
  const frozen = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  play.stage.part(frozen).kill('SIGSTOP');
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== frozen);
  await scaleTo(play, 9);
  const successor = play.epochOf(zone);
  play.stage.part(frozen).kill('SIGCONT');

  // Longer blocked than the lease: the watchdog may have ended it, which a kubelet answers with a restart.
  const port = play.stage.replicas.find(({ name }) => name === frozen)?.httpPort;
  await play.until('the frozen one to be a standby again', async () => {
    if (!play.stage.part(frozen).running) play.stage.restart(frozen);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const leads = new RegExp(`^zonelet_leader\\{[^}]*zone="${zone}"[^}]*\\} 1$`, 'm').test(metrics);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    return ready.status === 200 && (!leads || play.leaderOf(zone) === frozen);
  });
  expect(play.epochOf(zone)).toBeGreaterThanOrEqual(successor);
  await scaleTo(play, 12);
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
