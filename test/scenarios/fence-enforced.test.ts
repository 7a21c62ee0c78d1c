import { expect, test } from 'vitest';
import { CLUSTER } from './support/cluster.ts';
import { installFencePolicy } from './support/fence-policy.ts';
import { openScenario } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { metric } from './support/replica.ts';

const WHY_NOT =
  'skipped: a policy that compares epochs; the embedded API server evaluates none (npm run test:kubernetes)';
test.skipIf(CLUSTER !== 'real')(
  CLUSTER === 'real'
    ? 'with the policy enforced leaders change as ever, none of their writes is refused, and a frozen one comes back harmless'
    : WHY_NOT,
  async () => {
    await using play = await openScenario({
      pods: 9,
      settings: () => ({ fence: { admissionPolicy: 'enforce' } }),
    });
    await installFencePolicy(play);
    const before = uids(workloadPods(play));
    const [first, second] = play.stage.zones.map(({ name }) => name);

    for (const [zone = '', how] of [
      [first, 'SIGTERM'],
      [second, 'SIGKILL'],
    ] as const) {
      const victim = play.leaderOf(zone) ?? '';
      const epoch = play.epochOf(zone);
      const child = play.stage.part(victim);
      child.kill(how);
      await child.exited;
      await play.until(`another leader of ${zone}`, () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
      play.stage.replaceReplica(victim);
      await play.replicaReady(victim);
    }
    await scaleTo(play, 12);

    const frozen = play.leaderOf(first ?? '') ?? '';
    const epoch = play.epochOf(first ?? '');
    play.stage.part(frozen).kill('SIGSTOP');
    await play.until('another leader', () => play.epochOf(first ?? '') > epoch);
    await scaleTo(play, 15);
    play.stage.part(frozen).kill('SIGCONT');
    await scaleTo(play, 9);

    expect(uids(workloadPods(play)).filter((uid) => before.includes(uid)).length).toBeGreaterThan(0);
    expect(restarts(workloadPods(play))).toBe(0);
    for (const { name, child } of play.stage.replicas) {
      if (name === frozen || !child.running) continue;
      for (const zone of play.stage.zones) {
        const labels = { zone: zone.name, by: 'api-server' };
        expect(await metric(play, name, 'zonelet_fenced_writes_total', labels), `${name}, ${zone.name}`).toBe(0);
      }
    }
    await play.checkInvariants();
  },
);
