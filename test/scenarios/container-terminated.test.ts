import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { systemClock } from '../../src/clock.ts';
import { zoneLeaseName } from '../../src/election/names.ts';
import { formatTime } from '../../src/kube/micro-time.ts';
import { LEASES, PODS } from '../../src/kube/resources.ts';
import { openScenario, type Play } from './support/play.ts';
import { restarts, scaleTo } from './support/pods.ts';
import { metric } from './support/replica.ts';
import { lastTakeoverMs } from './support/terms.ts';

/** Gives every replica a pod in the API that it knows itself by, as in a cluster. */
async function becomePods(play: Play): Promise<void> {
  const { stage, client } = play;
  const { namespace } = stage;
  const replicas = stage.replicas.map(({ name }) => name);
  for (const name of replicas) {
    const spec = { containers: [{ name: 'zonelet', image: 'registry.example/zonelet:1' }] };
    const pod = await client.create(PODS, { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name }, spec });
    const file = join(play.folder, `${name}.yaml`);
    const config = parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, stringify({ ...config, replica: { uid: pod.metadata?.uid } }));
  }
  await play.withoutReplicas(async () => {
    await stage.stopReplicas(systemClock);
    for (const name of replicas) stage.restart(name);
    for (const name of replicas) await play.replicaReady(name);
  });
}

async function leaderNow(play: Play, zone: string): Promise<string> {
  const at = { namespace: play.stage.namespace, name: zoneLeaseName(play.stage.set, zone) };
  return (await play.client.get(LEASES, at)).spec?.holderIdentity?.split('_')[0] ?? '';
}

test("a leader's pod shows that its container ended: another replica takes over long before the lease has run out", async () => {
  const leaseMs = 40_000;
  const election = { onPeerDeath: 'off', leaseDuration: '40s', renewDeadline: '30s', retryPeriod: '2s' };
  await using play = await openScenario({ pods: 2, zones: 1, replicas: 2, settings: () => ({ election }) });
  const zone = play.stage.zones[0]?.name ?? '';
  await becomePods(play);
  const lived = Date.now();
  await play.until('a leader', async () => (await leaderNow(play, zone)) !== '' && play.leaderOf(zone) !== undefined);
  await scaleTo(play, 3);
  const victim = await leaderNow(play, zone);
  const epoch = play.epochOf(zone);
  const child = play.stage.part(victim);
  // A status tells whole seconds, cut: one that may be from before the process began proves nothing.
  await play.until('a full second of its life', () => Math.floor(Date.now() / 1000) * 1000 > lived);
  child.kill('SIGKILL');
  await child.exited;
  const name = { namespace: play.stage.namespace, name: victim };
  const finishedAt = formatTime(Date.now());
  const state = { terminated: { exitCode: 137, reason: 'Error', finishedAt } };
  const status = { name: 'zonelet', image: 'i', imageID: 'i', ready: false, restartCount: 0, state };
  const body = { status: { phase: 'Running', containerStatuses: [status] } };
  await play.client.patch(PODS, name, { type: 'merge', body }, { subresource: 'status' });
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
  expect(lastTakeoverMs(play, zone)).toBeLessThan(leaseMs / 2);
  const successor = play.leaderOf(zone) ?? '';
  expect(await metric(play, successor, 'zonelet_terms_total', { zone, cause: 'terminated' })).toBe(1);
  await scaleTo(play, 5);
  expect(restarts(play.history.currentPods().filter(({ metadata }) => metadata?.name !== victim))).toBe(0);
  await play.checkInvariants();
});
