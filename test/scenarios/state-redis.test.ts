import { expect, test } from 'vitest';
import { hasRedisServer, startRedisServer } from '../support/redis-server.ts';
import { openScenario, type Play } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { metric } from './support/replica.ts';

const PODS = 9;

async function killLeader(play: Play, zone: string): Promise<void> {
  const victim = play.leaderOf(zone) ?? '';
  const epoch = play.epochOf(zone);
  play.stage.part(victim).kill('SIGKILL');
  await play.until(`another leader of ${zone}`, () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== victim);
  play.stage.replaceReplica(victim);
}

test.skipIf(!hasRedisServer)(
  'Redis keeps the pod state: it is killed, restarted empty and flushed while leaders die, and no pod notices',
  async () => {
    await using redis = await startRedisServer();
    await using play = await openScenario({
      pods: PODS,
      settings: () => ({ redis: { servers: [redis.url] }, state: { by: 'redis' } }),
    });
    const [first, second] = play.stage.zones.map(({ name }) => name) as [string, string];
    /** UIDs that Redis has a record of. */
    const recorded = (): string[] =>
      redis
        .command('--scan', '--pattern', 'zonelet:*:pods')
        .split('\n')
        .flatMap((key) => (key === '' ? [] : redis.command('HKEYS', key).split('\n')))
        .filter((field) => !field.startsWith('#'))
        .sort();
    const allRecorded = (): boolean => {
      const expected = [...uids(workloadPods(play))].sort();
      return JSON.stringify(recorded()) === JSON.stringify(expected);
    };
    const before = uids(workloadPods(play));
    await play.until('every pod to be in Redis', allRecorded);

    await redis.kill('SIGKILL');
    await killLeader(play, first);
    expect(uids(workloadPods(play))).toEqual(before);
    await scaleTo(play, PODS + 3);
    const leader = play.leaderOf(first) ?? '';
    expect(await metric(play, leader, 'zonelet_state_connected', { zone: first })).toBe(0);
    expect(await metric(play, leader, 'zonelet_redis_up', {})).toBe(0);
    const { httpPort } = play.stage.replicas.find(({ name }) => name === leader) ?? {};
    const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.text()).toContain(`[+]pod state: not shared: ${redis.url} refuses connections`);

    // Empty: it kept nothing.
    await redis.start();
    await play.until('every pod to be in Redis again', allRecorded);
    redis.command('FLUSHALL');
    await killLeader(play, second);
    await play.until('every pod to be in Redis again', allRecorded);
    expect(restarts(workloadPods(play))).toBe(0);
    await scaleTo(play, PODS - 3);
    await play.until('the pods that went to have left Redis', allRecorded);
    await play.checkInvariants();
  },
);
