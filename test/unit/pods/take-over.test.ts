import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import type { Provider } from '../../../src/provider/contract.ts';
import { RECORD_ANNOTATION } from '../../../src/state/kubernetes-store.ts';
import { settle } from '../../support/virtual-clock.ts';
import { OWNER, stage, testPod, ZONE } from './stage.ts';
import { staleReads } from './stale-reads.ts';

/** A pod on the backend, put there by somebody of epoch 1. */
function plant(backend: ReturnType<typeof stage>['backend'], name: string, uid = `uid-${name}`): void {
  backend.create(
    {
      ref: { uid, namespace: 'default', name },
      pod: testPod(name, {}, uid),
      env: {},
      volumes: {},
      pullSecrets: [],
      hash: 'x',
    },
    { owner: OWNER, zone: ZONE, epoch: 1, holder: 'replica-0_-_1' },
  );
}

describe('take-over', () => {
  test('what runs is adopted: no create, no write, no restart', async () => {
    const { api, lead, calls } = stage();
    const first = await lead();
    for (const name of ['a', 'b', 'c']) api.put(testPod(name));
    await settle();
    await first.kill();
    const writes = api.writes().length;
    const second = await lead();
    await settle();
    expect(second.takenOver).toMatchObject({ adopted: 3, pods: 3, orphans: 0 });
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(3);
    expect(api.writes()).toHaveLength(writes);
    await second.kill();
  });

  test('a create that the dead leader had sent is adopted and then published', async () => {
    const { api, lead, calls, backend } = stage();
    plant(backend, 'a');
    api.put(testPod('a'));
    const leader = await lead();
    await settle();
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(0);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('an exit that nobody saw is published by the next leader', async () => {
    const { api, lead, backend } = stage();
    const first = await lead();
    api.put(testPod('a', { restartPolicy: 'Never' }));
    await settle();
    await first.kill();
    backend.exit(OWNER, 'uid-a', 'app', 7);
    const second = await lead();
    await settle();
    expect(api.pod('a')?.status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 7 } } }],
    });
    await second.kill();
  });

  test('a pod that is terminal in the API is never created (C4)', async () => {
    const { api, lead, calls } = stage();
    api.put({ ...testPod('done'), status: { phase: 'Succeeded' } });
    const leader = await lead();
    await settle();
    expect(calls).toHaveLength(0);
    expect(api.writes()).toHaveLength(0);
    await leader.kill();
  });

  test('a pod that was terminating before it was ever created leaves the API in one request', async () => {
    const { api, lead, calls } = stage();
    api.put(testPod('a'));
    api.deletePod('a');
    const leader = await lead();
    await settle();
    expect(api.pod('a')).toBeUndefined();
    expect(api.writes().map(({ verb }) => verb)).toEqual(['delete']);
    expect(calls).toHaveLength(0);
    await leader.kill();
  });

  test('a change of leader does not start the grace period anew (D2)', async () => {
    const { api, lead, calls, clock, running } = stage({ behave: () => ({ stopDelayMs: 600_000 }) });
    const first = await lead();
    api.put(testPod('a'));
    await settle();
    api.deletePod('a', 30);
    await clock.advance(10_000);
    await first.kill();
    await clock.advance(5_000);
    const second = await lead();
    await settle();
    const graces = calls.filter(({ op }) => op === 'delete').map(({ grace }) => grace);
    expect(graces[0]).toBe(30);
    expect(graces[1]).toBeLessThanOrEqual(15);
    await clock.advance(18_000);
    expect(running('uid-a')).toBeUndefined();
    expect(api.pod('a')).toBeUndefined();
    expect(api.history.at(-1)?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(137);
    await second.kill();
  });

  test('a pod that runs and is terminating is stopped, not called lost, where what is read of the backend is behind', async () => {
    const reads = staleReads();
    const { api, lead, calls, clock } = stage({ wrap: reads.wrap, behave: () => ({ stopDelayMs: 5_000 }) });
    const first = await lead();
    api.put(testPod('a'));
    await settle();
    await first.kill();
    api.deletePod('a', 30);
    reads.behind = true;
    const second = await lead();
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(calls.at(-1)).toMatchObject({ op: 'delete', grace: 30 });
    reads.behind = false;
    await clock.advance(40_000);
    expect(api.pod('a')).toBeUndefined();
    expect(api.history.some(({ status }) => status?.reason === 'NotFound')).toBe(false);
    await second.kill();
  });

  test('a pod that ran, is terminating and is not on the backend ends with an unknown status', async () => {
    const { api, lead, backend } = stage();
    const first = await lead();
    api.put(testPod('a'));
    await settle();
    await first.kill();
    backend.delete({ uid: 'uid-a', namespace: 'default', name: 'a' }, 0, {
      owner: OWNER,
      zone: ZONE,
      epoch: 1,
      holder: 'replica-0_-_1',
    });
    backend.delete({ uid: 'uid-a', namespace: 'default', name: 'a' }, 0, {
      owner: OWNER,
      zone: ZONE,
      epoch: 1,
      holder: 'replica-0_-_1',
    });
    expect(backend.get(OWNER, 'uid-a')).toBeUndefined();
    api.deletePod('a');
    const second = await lead();
    await settle();
    expect(api.pod('a')).toBeUndefined();
    expect(api.history.at(-1)?.status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } } }],
    });
    await second.kill();
  });

  test('the cache is refreshed before anything is decided: the API being away delays, and decides nothing', async () => {
    const { api, lead, calls, clock } = stage();
    api.put(testPod('a'));
    api.failWith = new ZoneletError('Unavailable', 'no route');
    const leader = await lead();
    await clock.advance(10_000);
    expect(calls).toHaveLength(0);
    api.failWith = undefined;
    await clock.advance(6_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('a backend that cannot be listed: nothing that ran is created again, nothing fails', async () => {
    const { api, lead, calls, clock, backend } = stage();
    const first = await lead();
    api.put(testPod('a'));
    await settle();
    await first.kill();
    backend.setFaults({ hang: new Set(['list', 'get']), incompleteLists: true });
    const leader = await lead();
    await clock.advance(120_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(1);
    expect(leader.takenOver).toBeUndefined();
    backend.setFaults({ hang: new Set(), incompleteLists: false });
    await clock.advance(60_000);
    expect(leader.takenOver).toMatchObject({ adopted: 1 });
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(1);
    await leader.kill();
  });
});

describe('the record on the pod', () => {
  test('rides on the first status write and says that the UID was created', async () => {
    const { api, lead } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    const text = api.pod('a')?.metadata?.annotations?.[RECORD_ANNOTATION] ?? '';
    expect(JSON.parse(text)).toMatchObject({ e: 1, h: expect.any(String), a: expect.any(String) });
    expect(api.writes()).toHaveLength(1);
    await leader.kill();
  });
});

describe('pods that the backend lost', () => {
  /** The backend loses a pod without a word: neither its watch nor anybody tells. */
  function forgetful(): {
    lost: Set<string>;
    complete: boolean;
    getKnows: boolean;
    getFails: boolean;
    wrap: (provider: Provider) => Provider;
  } {
    const state = {
      lost: new Set<string>(),
      complete: true,
      getKnows: false,
      getFails: false,
      wrap: (provider: Provider): Provider => ({
        ...provider,
        [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
        get: async (owner, ref, options) => {
          if (state.getFails) throw new ZoneletError('Unavailable', 'no answer');
          return state.lost.has(ref.uid) && !state.getKnows ? undefined : await provider.get(owner, ref, options);
        },
        list: async (owner, options) => {
          const { pods } = await provider.list(owner, options);
          return { pods: pods.filter(({ ref }) => !state.lost.has(ref.uid)), complete: state.complete };
        },
        watch: async function* (owner, signal) {
          for await (const event of provider.watch(owner, signal)) {
            if (event.type !== 'pod' || !state.lost.has(event.pod.ref.uid)) yield event;
          }
        },
      }),
    };
    return state;
  }

  test('Failed after two complete lists 30 s apart, never created a second time (C7)', async () => {
    const memory = forgetful();
    const { api, lead, calls, clock } = stage({ wrap: memory.wrap });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    memory.lost.add('uid-a');
    await clock.advance(68_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await clock.advance(40_000);
    expect(api.pod('a')?.status).toMatchObject({
      phase: 'Failed',
      reason: 'NotFound',
      containerStatuses: [{ state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } } }],
    });
    await clock.advance(300_000);
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(1);
    await leader.kill();
  });

  test('an incomplete list that lacks everything changes nothing', async () => {
    const memory = forgetful();
    const { api, lead, calls, clock } = stage({ wrap: memory.wrap });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    memory.lost.add('uid-a');
    memory.complete = false;
    await clock.advance(600_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(calls).toHaveLength(1);
    await leader.kill();
  });

  test('complete lists that lack everything fail nothing while the backend, asked for the pod, has it or does not say', async () => {
    const memory = forgetful();
    const { api, lead, calls, clock } = stage({ wrap: memory.wrap });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    memory.lost.add('uid-a');
    memory.getKnows = true;
    await clock.advance(600_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    memory.getFails = true;
    await clock.advance(600_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    memory.getFails = false;
    memory.getKnows = false;
    await clock.advance(600_000);
    expect(api.pod('a')?.status?.phase).toBe('Failed');
    expect(calls).toHaveLength(1);
    await leader.kill();
  });

  test('missing once and there again is nothing', async () => {
    const memory = forgetful();
    const { api, lead, clock } = stage({ wrap: memory.wrap });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    memory.lost.add('uid-a');
    await clock.advance(68_000);
    memory.lost.clear();
    await clock.advance(40_000);
    memory.lost.add('uid-a');
    await clock.advance(20_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('missing at the take-over: lost only after the second look', async () => {
    const memory = forgetful();
    const { api, lead, calls, clock } = stage({ wrap: memory.wrap });
    const first = await lead();
    api.put(testPod('a'));
    await settle();
    await first.kill();
    memory.lost.add('uid-a');
    const second = await lead();
    await clock.advance(20_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await clock.advance(20_000);
    expect(api.pod('a')?.status?.phase).toBe('Failed');
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(1);
    await second.kill();
  });
});

describe('orphans', () => {
  test('removed after two complete lists and a live read; counted', async () => {
    const { api, lead, backend, calls, clock, running } = stage();
    plant(backend, 'ghost');
    const leader = await lead();
    await clock.advance(25_000);
    expect(leader.takenOver?.orphans).toBe(1);
    expect(running('uid-ghost')).toBeDefined();
    expect(calls).toHaveLength(0);
    await clock.advance(120_000);
    expect(running('uid-ghost')).toBeUndefined();
    expect(api.requests.filter(({ verb, name }) => verb === 'get' && name === 'ghost').length).toBeGreaterThan(0);
    expect(await leader.registry.metrics()).toMatch(/zonelet_orphans_deleted_total\{zone="zone-a"\} 1/);
    await leader.kill();
  });

  test('kept while the API has the UID, whatever the cache shows', async () => {
    const { api, lead, backend, clock, running } = stage();
    plant(backend, 'late');
    const leader = await lead();
    api.holdWatch = true;
    api.put(testPod('late'));
    await clock.advance(300_000);
    expect(running('uid-late')?.observation.containers[0]?.state.running).toBeDefined();
    await leader.kill();
  });

  test('a live read that fails removes nothing', async () => {
    const { api, lead, backend, clock, running } = stage();
    plant(backend, 'ghost');
    const leader = await lead();
    api.failWith = new ZoneletError('Unavailable', 'no route');
    await clock.advance(300_000);
    expect(running('uid-ghost')).toBeDefined();
    await leader.kill();
  });

  test('a few per round, when everything looks like one', async () => {
    const { lead, backend, clock } = stage();
    for (let i = 0; i < 30; i++) plant(backend, `ghost-${i}`);
    const leader = await lead();
    // One round after the first confirmation.
    await clock.advance(65_000);
    expect(backend.size).toBeGreaterThanOrEqual(20);
    await clock.advance(900_000);
    expect(backend.size).toBe(0);
    await leader.kill();
  });
});
