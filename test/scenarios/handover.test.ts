import { expect, test } from 'vitest';
import { EVENTS, NODES } from '../../src/kube/resources.ts';
import { hasRedisServer } from '../support/redis-server.ts';
import { CLUSTER } from './support/cluster.ts';
import { type Ended, zonelet } from './support/command.ts';
import { openScenario, PATIENT_ELECTION, type Play } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { startRedisServers } from './support/redis.ts';

const handover = (play: Play, ...args: string[]) => zonelet(play, 'handover', ...args);

/** A leader gives nothing to a replica that it has only just heard of or not yet, and says so: it is asked until then. */
async function handoverToNewcomer(play: Play, zone: string, to: string): Promise<Ended> {
  let asked: Ended | undefined;
  await play.until(`${to} to be taken for ready`, async () => {
    asked = await handover(play, '--zone', zone, '--to', to, '-o', 'json');
    if (asked.status === 0) return true;
    expect(asked.err).toMatch(/has only just started|is not alive/);
    return false;
  });
  return asked as Ended;
}

const MACHINE = 'machine-1';
/** By Redis too where there is time for it: `npm run test:kubernetes`. */
const ELECTIONS = CLUSTER === 'real' && hasRedisServer ? (['lease', 'redis'] as const) : (['lease'] as const);

test.each(ELECTIONS)(
  'zonelet handover, elected by %s: to a named replica, to the best one, and refused; no pod restarts, the node stays Ready',
  async (electedBy) => {
    await using redis = electedBy === 'redis' ? await startRedisServers() : undefined;
    await using play = await openScenario({
      pods: 6,
      electedBy,
      settings: () => ({
        election: { by: electedBy, ...PATIENT_ELECTION },
        ...(redis === undefined ? {} : { redis: redis.section }),
      }),
    });
    const before = uids(workloadPods(play));
    const zone = play.stage.zones[0]?.name ?? '';
    const from = play.stage.replicas.find(({ homeZone }) => homeZone === zone)?.name ?? '';
    const [to = '', third = ''] = play.stage.replicas.map(({ name }) => name).filter((name) => name !== from);
    for (const { name } of play.stage.replicas) await play.replicaReady(name);
    // Where its home replica was slow to start, another one was first.
    await play.until('the zone to be at home', async () => {
      return play.leaderOf(zone) === from || (await handover(play, '--zone', zone, '--to', from)).status === 0;
    });
    await play.until('the home replica to be seen to lead', () => play.leaderOf(zone) === from);
    const epoch = play.epochOf(zone);

    const named = await handoverToNewcomer(play, zone, to);
    expect(JSON.parse(named.out)).toMatchObject({ zone, from, to, epoch: epoch + 1 });
    await play.until('the new leader to be seen', () => play.leaderOf(zone) === to);

    // To whom it belongs: its home replica, which is the best other one.
    const best = await handover(play, '--zone', zone);
    expect(best.out).toMatch(
      new RegExp(`${from} leads zone ${zone} with epoch ${epoch + 2}; nobody did for at most \\d+ ms`),
    );
    expect(best.status, best.err).toBe(0);

    const again = await handover(play, '--zone', zone, '--to', from);
    expect(again).toMatchObject({ status: 0, out: `${from} leads zone ${zone} already.\n` });
    expect(await handover(play, '--zone', 'zone-x')).toMatchObject({ status: 2 });
    const nobody = await handover(play, '--zone', zone, '--to', 'replica-7');
    expect(nobody.err).toContain('no replica "replica-7"');
    expect(nobody.status).toBe(1);

    play.stage.part(third).kill('SIGKILL');
    // By then the leader has not heard of it for more than two of its beats.
    await play.until('its silence', () => {
      const name = `zonelet-${play.stage.set}-replica-${third}`;
      const lease = play.history.currentLeases().find(({ metadata }) => metadata?.name === name);
      return Date.now() - Date.parse(lease?.spec?.renewTime ?? '') > 5_500;
    });
    const dead = await handover(play, '--zone', zone, '--to', third);
    expect(dead.status).toBe(1);
    expect(dead.err).toContain(third);
    expect(play.leaderOf(zone)).toBe(from);
    const { items } = await play.client.list(EVENTS);
    expect(items.map(({ reason }) => reason)).toContain('HandOver');

    // The next pod of this name comes to a machine that is then cleared.
    await play.client.create(NODES, { metadata: { name: MACHINE } });
    play.stage.replaceReplica(third, MACHINE);
    await play.replicaReady(third);
    await handoverToNewcomer(play, zone, third);
    const cordon = { type: 'merge', body: { spec: { unschedulable: true } } } as const;
    await play.client.patch(NODES, { name: MACHINE }, cordon);
    await play.until('it to give its zones away', () =>
      play.stage.zones.every(({ name }) => play.leaderOf(name) !== third),
    );
    const drained = await handover(play, '--zone', zone, '--to', third);
    expect(drained.err).toContain(`${third} takes no zones: node ${MACHINE} is cordoned`);

    await scaleTo(play, 9);
    expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
    expect(restarts(workloadPods(play))).toBe(0);
    await play.checkInvariants();
  },
);
