import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openScenario, type Play } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

/** Tells a replica to stop while its release cannot get through; resolves once it is at it. */
async function beginToStop(play: Play, replica: string): Promise<void> {
  play.links.toApiServer(replica).hang(true);
  play.stage.part(replica).kill('SIGTERM');
  const { logFile } = play.stage.part(replica);
  await play.until(`${replica} to stop`, async () => (await readFile(logFile, 'utf8')).includes('"told to stop"'));
}

test('a second SIGTERM, and SIGKILL, in the middle of giving zones up: the locks free themselves', async () => {
  await using play = await openScenario({ pods: 9, proxied: true });
  const before = uids(workloadPods(play));
  for (const [index, last] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
    const zone = play.stage.zones[index]?.name ?? '';
    const victim = play.leaderOf(zone) ?? '';
    const epoch = play.epochOf(zone);
    await beginToStop(play, victim);
    const child = play.stage.part(victim);
    child.kill(last);
    // Ended without waiting for what had begun.
    expect(await child.exited).toBe(last === 'SIGTERM' ? 1 : 'SIGKILL');
    await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
    play.links.toApiServer(victim).hang(false);
    play.stage.replaceReplica(victim);
    await play.replicaReady(victim);
  }
  expect(uids(workloadPods(play))).toEqual(before);
  await scaleTo(play, 12);
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
