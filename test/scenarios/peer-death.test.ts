import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemRandom } from '../../src/clock.ts';
import { freePorts } from '../../src/commands/demo/free-ports.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { openScenario, type Play } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { leads, metric } from './support/replica.ts';
import { lastTakeoverMs, termsOf } from './support/terms.ts';

async function allConnected(play: Play): Promise<void> {
  const { replicas } = play.stage;
  await play.until('every replica to be connected to every other', async () => {
    const counts = await Promise.all(replicas.map(({ name }) => metric(play, name, 'zonelet_peers_connected', {})));
    return counts.every((count) => count === replicas.length - 1);
  });
}

test('SIGKILL of a leader: its kernel tells, and a zone is taken long before its lease has run out', async () => {
  const leaseMs = 40_000;
  const election = { leaseDuration: '40s', renewDeadline: '30s', retryPeriod: '2s' };
  await using play = await openScenario({ pods: 6, settings: () => ({ election }) });
  const before = uids(workloadPods(play));
  const zone = play.stage.zones[0]?.name ?? '';
  await allConnected(play);
  const victim = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  play.stage.part(victim).kill('SIGKILL');
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
  expect(lastTakeoverMs(play, zone)).toBeLessThan(leaseMs / 2);
  const successor = play.leaderOf(zone) ?? '';
  expect(await metric(play, successor, 'zonelet_terms_total', { zone, cause: 'refused' })).toBe(1);
  await scaleTo(play, 9);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});

test('SIGKILL of a leader with onPeerDeath: off: no connections, and the lease has to run out', async () => {
  const election = { onPeerDeath: 'off', leaseDuration: '4s', renewDeadline: '3s' };
  await using play = await openScenario({ pods: 1, zones: 1, replicas: 2, settings: () => ({ election }) });
  const zone = play.stage.zones[0]?.name ?? '';
  const victim = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  for (const { name } of play.stage.replicas) await play.replicaReady(name);
  for (const { name } of play.stage.replicas) expect(await metric(play, name, 'zonelet_peers_connected', {})).toBe(0);
  play.stage.part(victim).kill('SIGKILL');
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
  expect(lastTakeoverMs(play, zone)).toBeGreaterThanOrEqual(4_000);
  await play.checkInvariants();
});

test('a proxy between the replicas lies about a living leader: one change of leader, and nothing of the old one is accepted', async () => {
  const names = ['replica-0', 'replica-1', 'replica-2'];
  const ports = await freePorts(systemRandom, names.length);
  await using undo = new AsyncDisposableStack();
  const proxies: FaultProxy[] = [];
  for (const port of ports) {
    const proxy = await startFaultProxy();
    proxy.target(port);
    proxies.push(proxy);
  }
  // The victim's is closed in the middle; closing it again does no harm.
  undo.defer(async () => void (await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()))));
  const detours = Object.fromEntries(ports.map((port, i) => [port, proxies[i]?.port]));
  await using play = await openScenario({
    pods: 9,
    env: {
      NODE_OPTIONS: `--import=${join(import.meta.dirname, 'support/detour.ts')}`,
      ZONELET_TEST_DETOURS: JSON.stringify(detours),
    },
    settings: (replica) => ({ peers: { address: '127.0.0.1', port: ports[names.indexOf(replica)] } }),
  });
  await allConnected(play);
  const zone = play.stage.zones[1]?.name ?? '';
  const victim = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  const liar = proxies[names.indexOf(victim)];
  // So that it has something to send while it is declared dead.
  const growing = scaleTo(play, 30);
  await liar?.[Symbol.asyncDispose]();
  await play.until('another leader', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
  await growing;
  await play.until('the old leader to know', async () => !(await leads(play, victim, zone)));
  expect(play.stage.part(victim).running).toBe(true);

  await scaleTo(play, 6);
  const proved = { zone, cause: 'refused' };
  expect(await metric(play, play.leaderOf(zone) ?? '', 'zonelet_terms_total', proved)).toBe(1);
  expect(termsOf(play, zone)).toHaveLength(2);
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants();
});
