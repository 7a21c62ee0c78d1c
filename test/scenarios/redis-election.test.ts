import { describe, expect, test } from 'vitest';
import { ELECTION_ANNOTATION } from '../../src/election/names.ts';
import { hasRedisServer } from '../support/redis-server.ts';
import { openScenario, type Play } from './support/play.ts';
import { node, restarts, scaleTo, uids, workloadPods } from './support/pods.ts';
import { electBy, startRedisServers } from './support/redis.ts';
import { leads } from './support/replica.ts';

async function readiness(play: Play, replica: string): Promise<{ status: number; text: string }> {
  const port = play.stage.replicas.find(({ name }) => name === replica)?.httpPort;
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  return { status: answer.status, text: await answer.text() };
}

const epochsOf = (play: Play): number[] => play.stage.zones.map(({ name }) => play.epochOf(name));

/** Every zone has a leader that claimed it after `epochs`. */
async function ledAnew(play: Play, epochs: readonly number[]): Promise<void> {
  await play.until('new leaders everywhere', () =>
    play.stage.zones.every(({ name }, i) => play.epochOf(name) > (epochs[i] ?? 0)),
  );
}

describe.runIf(hasRedisServer)('a set that elects by three Redis servers', () => {
  test('leaders are killed and frozen, servers killed, flushed, and all gone: somebody leads again each time, no pod restarts', async () => {
    await using redis = await startRedisServers();
    await using play = await openScenario({
      pods: 9,
      carryEpoch: true,
      electedBy: 'redis',
      signs: () => redis.locks.signs,
      settings: () => ({ election: { by: 'redis' }, redis: redis.section }),
    });
    const [first, second, third] = redis.all;
    const before = uids(workloadPods(play));
    const zone = play.stage.zones[0]?.name ?? '';

    const killed = play.leaderOf(zone) ?? '';
    let epoch = play.epochOf(zone);
    play.stage.part(killed).kill('SIGKILL');
    await play.until('a leader after SIGKILL', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== killed);
    play.stage.replaceReplica(killed);
    await play.replicaReady(killed);

    const frozen = play.leaderOf(zone) ?? '';
    epoch = play.epochOf(zone);
    play.stage.part(frozen).kill('SIGSTOP');
    await play.until('a leader after SIGSTOP', () => play.epochOf(zone) > epoch && play.leaderOf(zone) !== frozen);
    play.stage.part(frozen).kill('SIGCONT');
    await play.until('the frozen one to be a standby again', async () => {
      // Blocked for longer than its lease, by its own watchdog.
      if (!play.stage.part(frozen).running) play.stage.restart(frozen);
      return !(await leads(play, frozen, zone)) || play.leaderOf(zone) === frozen;
    });

    // One of three: nobody notices.
    await scaleTo(play, 12);
    const undisturbed = epochsOf(play);
    await first?.kill('SIGKILL');
    await scaleTo(play, 9);
    expect(epochsOf(play)).toEqual(undisturbed);
    await play.until('its absence to be told', async () => {
      const { status, text } = await readiness(play, frozen);
      return status === 200 && text.includes('2 of 3 servers are usable');
    });
    await first?.start();

    // Emptied one after the other, faster than anybody can put anything back.
    const flushed = epochsOf(play);
    for (const server of redis.all) server.command('flushall');
    await ledAnew(play, flushed);
    await scaleTo(play, 12);

    // Two of three, and then all of them, with what they knew.
    const last = epochsOf(play);
    await play.withoutReplicas(async () => {
      await second?.kill('SIGKILL');
      await third?.kill('SIGKILL');
      await play.until('nobody to lead, and the probes to say why', async () => {
        for (const { name } of play.stage.replicas) {
          const { status, text } = await readiness(play, name);
          if (status !== 503 || !text.includes('refuses connections')) return false;
          for (const each of play.stage.zones) if (await leads(play, name, each.name)) return false;
        }
        return true;
      });
      await first?.kill('SIGKILL');
      // A replica that starts now has never seen one of them. That is no reason to end.
      const starting = play.stage.part(frozen);
      starting.kill('SIGKILL');
      await starting.exited;
      play.stage.replaceReplica(frozen);
      await play.until('it to say why it is not ready', async () => {
        const { status, text } = await readiness(play, frozen).catch(() => ({ status: 0, text: '' }));
        return status === 503 && text.includes('[-]redis: 0 of 3 servers are usable, 2 needed');
      });
      for (const server of redis.all) await server.start();
      await ledAnew(play, last);
    });
    await scaleTo(play, 9);
    for (const { name } of play.stage.replicas) await play.replicaReady(name);
    expect(uids(workloadPods(play)).filter((uid) => before.includes(uid)).length).toBeGreaterThan(0);
    expect(restarts(workloadPods(play))).toBe(0);
    await play.checkInvariants();
  });

  test('from Leases to Redis and back on a live set, one replica after the other: every zone has a leader all the time', async () => {
    await using redis = await startRedisServers();
    await using play = await openScenario({
      pods: 9,
      carryEpoch: true,
      signs: () => redis.locks.signs,
      settings: () => ({ election: { by: 'lease' }, redis: redis.section }),
    });
    const before = uids(workloadPods(play));
    for (const by of ['redis', 'lease'] as const) {
      for (const { name } of play.stage.replicas) {
        const child = play.stage.part(name);
        child.kill('SIGTERM');
        await child.exited;
        electBy(play, name, by);
        play.stage.replaceReplica(name);
        await play.replicaReady(name);
      }
      await play.until(`every Node to say ${by}`, () =>
        play.stage.zones.every(({ name }) => node(play, name)?.metadata?.annotations?.[ELECTION_ANNOTATION] === by),
      );
    }
    expect(uids(workloadPods(play))).toEqual(before);
    await scaleTo(play, 12);
    expect(restarts(workloadPods(play))).toBe(0);
    await play.checkInvariants();
  });
});
