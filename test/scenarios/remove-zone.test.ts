import { expect, test } from 'vitest';
import { LEASES } from '../../src/kube/resources.ts';
import { zonelet } from './support/command.ts';
import { openScenario, type Play } from './support/play.ts';
import { barePod, createPod, node, podNamed, restarts, scaleTo, workloadPods } from './support/pods.ts';

const FIRST = 6;

async function leaseNames(play: Play): Promise<string[]> {
  const pages = await Promise.all(
    [play.stage.namespace, 'kube-node-lease'].map((namespace) => play.client.list(LEASES, { namespace })),
  );
  return pages.flatMap(({ items }) => items.map(({ metadata }) => metadata?.name ?? ''));
}

/** What the zone's backend has, by its journal: created and not deleted. */
async function onBackend(play: Play, zone: string): Promise<string[]> {
  const there = new Set<string>();
  for (const { op, outcome, uid = '' } of (await play.journals()).get(zone) ?? []) {
    if (outcome === 'refused') continue;
    if (op === 'create') there.add(uid);
    if (op === 'delete') there.delete(uid);
  }
  return [...there];
}

/** Each replica in turn. */
async function roll(play: Play): Promise<void> {
  for (const { name, child } of play.stage.replicas) {
    child.kill('SIGTERM');
    expect(await child.exited).toBe(0);
    play.stage.replaceReplica(name);
    await play.replicaReady(name);
  }
}

test('remove-zone and uninstall: refused while it would lose something, else nothing is left; a zone can come back', async () => {
  await using play = await openScenario({ pods: FIRST });
  const { zones } = play.stage;
  const { name: zone = '', nodeName = '' } = zones[2] ?? {};
  await createPod(play, barePod(play, 'precious', zone));
  await play.until('it to run', () => podNamed(play, 'precious')?.status?.phase === 'Running');
  for (const { name } of play.stage.replicas) await play.replicaReady(name);

  const refused = await zonelet(play, 'remove-zone', '--zone', zone);
  expect(refused.status).toBe(1);
  expect(refused.err).toContain('add --drain');
  const bare = await zonelet(play, 'remove-zone', '--zone', zone, '--drain', '--dry-run');
  expect(bare.status).toBe(1);
  expect(bare.err).toContain('default/precious');
  expect(bare.out).toContain('would: ');
  expect(node(play, zone)?.spec?.unschedulable).not.toBe(true);

  const done = await zonelet(play, 'remove-zone', '--zone', zone, '--force');
  expect(done).toMatchObject({ status: 0, err: '' });
  expect(done.out).toContain(`Nothing of zone ${zone} is left in the cluster.`);
  expect(await leaseNames(play)).not.toContain(nodeName);
  expect(await leaseNames(play)).not.toContain(`zonelet-${play.stage.set}-${zone}`);
  expect(await onBackend(play, zone)).toEqual([]);
  await play.until('the pods in the other zones', () => {
    const pods = workloadPods(play);
    return play.observer.runningPods === FIRST && pods.every(({ spec }) => spec?.nodeName !== nodeName);
  });
  await scaleTo(play, FIRST + 3);
  expect(node(play, zone)).toBeUndefined();

  // Replicas that start with the zone in their configuration make it again.
  await roll(play);
  await play.until('the zone to be back', () => node(play, zone)?.metadata !== undefined);
  await scaleTo(play, FIRST + 6);
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants({ editedNodes: [nodeName], withoutLeader: [zone] });

  const asked = await zonelet(play, 'uninstall', '--drain');
  expect(asked).toMatchObject({ status: 0 });
  expect(asked.out).toContain('Nothing was done. Add --yes to do it.');
  const gone = await zonelet(play, 'uninstall', '--drain', '--yes');
  expect(gone).toMatchObject({ status: 0, err: '' });
  expect(gone.out).toContain('Still running: replica-0, replica-1, replica-2.');
  for (const { name } of zones) expect(await onBackend(play, name)).toEqual([]);
  for (const { child } of play.stage.replicas) child.kill('SIGTERM');
  expect(await Promise.all(play.stage.replicas.map(({ child }) => child.exited))).toEqual([0, 0, 0]);
  expect((await leaseNames(play)).filter((name) => name.includes(play.stage.set))).toEqual([]);
});
