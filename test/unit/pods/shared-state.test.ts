/** What a change of leader does not lose, with the pod state on the pods and in Redis. */
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/clock.ts';
import type { Term } from '../../../src/election/term.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type { TermState } from '../../../src/state/contract.ts';
import { createRedisModel, type RedisModel } from '../../support/redis-model.ts';
import { stateRedisPrograms } from '../../support/redis-state-model.ts';
import { settle } from '../../support/virtual-clock.ts';
import { KEYS, testReplica } from '../state/stage.ts';
import { OWNER, type StageOptions, stage, testPod, ZONE } from './stage.ts';

/** Every leader is a replica of its own that has just started: it knows only what Redis has. */
function redisStage(options: Omit<StageOptions, 'state'> = {}) {
  let model: RedisModel | undefined;
  let leaders = 0;
  const play = stage({
    ...options,
    async state(term: Term, clock: Clock): Promise<TermState> {
      model ??= createRedisModel({ clock, programs: stateRedisPrograms });
      return await testReplica(model.connect(), clock, ++leaders).store.begin(term);
    },
  });
  return {
    ...play,
    redis(): RedisModel {
      if (model === undefined) throw new Error('nobody has led yet');
      return model;
    },
    record: (uid: string): string | undefined => model?.data.hash(KEYS.pods).get(uid)?.replace(/^\d+ /, ''),
  };
}

const BY = { kubernetes: stage, redis: redisStage };
const outside = { owner: OWNER, zone: ZONE, epoch: 1, holder: 'replica-0_-_1' };

describe.each(Object.entries(BY))('pod state by %s', (_, begin) => {
  test('what runs is adopted without a write to the API', async () => {
    const { api, lead, calls, clock } = begin();
    const first = await lead();
    for (const name of ['a', 'b', 'c']) api.put(testPod(name));
    await clock.advance(10);
    await first.kill();
    const writes = api.writes().length;
    const second = await lead();
    await clock.advance(100);
    expect(second.takenOver).toMatchObject({ adopted: 3, pods: 3, orphans: 0 });
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(3);
    expect(api.writes()).toHaveLength(writes);
    await second.kill();
  });

  test('a new leader goes on with the back-off of the one before', async () => {
    const { api, lead, calls, clock } = begin({ behave: () => ({ noCapacity: true }) });
    const first = await lead();
    api.put(testPod('a'));
    await clock.advance(30_000);
    const tries = calls.length;
    expect(tries).toBeGreaterThan(8);
    await first.kill();
    const second = await lead();
    await clock.advance(400);
    // Anew it would have been six: 5, 10, 20, 40, 80 and 160 ms apart.
    expect(calls.length - tries).toBeLessThanOrEqual(1);
    await clock.advance(31_000);
    expect(calls.length).toBeGreaterThan(tries);
    await second.kill();
  });
});

describe('with Redis', () => {
  test('how a pod ended is published by the next leader, also when the backend has forgotten it meanwhile', async () => {
    const { api, lead, backend, clock, calls, record } = redisStage();
    const first = await lead();
    api.put(testPod('a', { restartPolicy: 'Never' }));
    await clock.advance(10);
    api.failWith = new ZoneletError('Unavailable', 'no route');
    backend.exit(OWNER, 'uid-a', 'app', 0);
    await clock.advance(500);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(record('uid-a')).toContain('"phase":"Succeeded"');
    await first.kill();
    backend.delete({ uid: 'uid-a', namespace: 'default', name: 'a' }, 0, outside);
    api.failWith = undefined;
    const second = await lead();
    await clock.advance(10);
    expect(api.pod('a')?.status).toMatchObject({
      phase: 'Succeeded',
      containerStatuses: [{ state: { terminated: { exitCode: 0 } }, ready: false }],
    });
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(1);
    await second.kill();
  });

  test('restart counts that could not be published do not fall', async () => {
    const { api, lead, backend, clock, record, redis } = redisStage();
    const first = await lead();
    api.put(testPod('a'));
    await clock.advance(10);
    api.failWith = new ZoneletError('Unavailable', 'no route');
    backend.exit(OWNER, 'uid-a', 'app', 1);
    await clock.advance(500);
    expect(record('uid-a')).toContain('"restarts":{"app":1}');
    await first.kill();
    // As if the backend had lost its count: what it shows is behind what was seen.
    const text = (record('uid-a') ?? '').replace('"app":1', '"app":5');
    redis().data.hash(KEYS.pods).set('uid-a', `1 ${text}`);
    api.failWith = undefined;
    const second = await lead();
    await clock.advance(10);
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.restartCount).toBe(5);
    await second.kill();
  });

  test('a pod that a predecessor was about to create is looked for on the backend before it leaves the API', async () => {
    const sent: string[] = [];
    const { api, lead, calls, clock, record } = redisStage({
      wrap: (provider) => ({
        ...provider,
        create(pod, { signal }) {
          sent.push(pod.ref.uid);
          const lost = new ZoneletError('Ambiguous', 'no answer');
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(lost)));
        },
      }),
    });
    const first = await lead();
    api.put(testPod('a'));
    await settle();
    expect(sent).toEqual(['uid-a']);
    expect(record('uid-a')).toBe('{"e":1,"i":1}');
    await first.kill();
    api.deletePod('a');
    const second = await lead();
    await clock.advance(10);
    expect(calls.map(({ op }) => op)).toEqual(['create', 'delete']);
    expect(api.pod('a')).toBeUndefined();
    await clock.advance(60_000);
    expect(record('uid-a')).toBe(undefined);
    await second.kill();
  });

  test('a pod that comes back from the dead (an API server restored from a backup) is failed, not created again', async () => {
    const { api, lead, calls, clock } = redisStage();
    const first = await lead();
    api.put(testPod('a'));
    await clock.advance(10);
    api.deletePod('a');
    await clock.advance(40_000);
    expect(api.pod('a')).toBeUndefined();
    await first.kill();
    api.put(testPod('a'));
    const second = await lead();
    await clock.advance(10);
    expect(api.pod('a')?.status).toMatchObject({ phase: 'Failed', reason: 'NotFound' });
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(1);
    await second.kill();
  });

  test('Redis away for whole terms: pods start, end and are adopted as without it', async () => {
    const { api, lead, calls, clock, redis } = redisStage();
    await (await lead()).kill();
    redis().stop(true);
    const first = await lead();
    api.put(testPod('a'));
    api.put(testPod('b'));
    await clock.advance(10);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await first.kill();
    const second = await lead();
    await clock.advance(10);
    expect(second.takenOver).toMatchObject({ adopted: 2, orphans: 0 });
    api.deletePod('b');
    await clock.advance(40_000);
    expect(api.pod('b')).toBeUndefined();
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(2);
    redis().start();
    await clock.advance(1_000);
    expect([...redis().data.hash(KEYS.pods).keys()].filter((uid) => !uid.startsWith('#'))).toEqual(['uid-a']);
    await second.kill();
  });

  test('a leader without records, after the store was lost, makes them from the backend', async () => {
    const { api, lead, clock, redis, record } = redisStage();
    const first = await lead();
    for (const name of ['a', 'b']) api.put(testPod(name));
    await clock.advance(10);
    await first.kill();
    redis().flush();
    const second = await lead();
    await clock.advance(100);
    expect(record('uid-a')).toMatch(/^{"h":".+","a":".+","e":2}$/);
    expect(record('uid-b')).toBeDefined();
    await second.kill();
  });
});
