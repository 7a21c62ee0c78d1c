/** activeDeadlineSeconds and what the backend tells of a pod, as people see it in the API. */
import { describe, expect, test } from 'vitest';
import type { BackendPod, PodHappening, Provider } from '../../../src/provider/contract.ts';
import { settle } from '../../support/virtual-clock.ts';
import { conditionOf, stage, testPod } from './stage.ts';
import { staleReads } from './stale-reads.ts';

const EXCEEDED = {
  phase: 'Failed',
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

describe('activeDeadlineSeconds', () => {
  test('stops the containers with their grace, and the pod has failed once they have ended', async () => {
    const { api, lead, clock, calls, events } = stage({ behave: () => ({ stopDelayMs: 3_000 }) });
    const leader = await lead();
    api.put(testPod('a', { activeDeadlineSeconds: 60, terminationGracePeriodSeconds: 7 }));
    await clock.advance(59_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await clock.advance(2_000);
    expect(calls).toContainEqual({ op: 'delete', uid: 'uid-a', grace: 7 });
    expect(api.pod('a')?.status?.phase, 'it is not failed before it has ended').toBe('Running');
    await clock.advance(3_000);
    expect(api.pod('a')?.status).toMatchObject({
      ...EXCEEDED,
      containerStatuses: [{ ready: false, state: { terminated: { exitCode: expect.any(Number) } } }],
    });
    expect(conditionOf(api.pod('a'), 'Ready')).toMatchObject({ status: 'False', reason: 'PodFailed' });
    expect(events.map(({ reason }) => reason)).toEqual(['Started', 'DeadlineExceeded', 'Killing']);
    const writes = api.writes().length;
    await clock.advance(300_000);
    expect(api.writes()).toHaveLength(writes);
    api.deletePod('a');
    await clock.advance(10_000);
    expect(api.pod('a')).toBeUndefined();
    await leader.kill();
  });

  test('passes also while nobody leads', async () => {
    const { api, lead, clock } = stage();
    const first = await lead();
    api.put(testPod('a', { activeDeadlineSeconds: 60 }));
    await clock.advance(10_000);
    await first.kill();
    await clock.advance(600_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    const second = await lead();
    await clock.advance(5_000);
    expect(api.pod('a')?.status).toMatchObject(EXCEEDED);
    await second.kill();
  });

  test('is counted on from the start of the pod after a change of leader, and does not jump with the wall clock', async () => {
    const { api, lead, clock } = stage();
    const first = await lead();
    api.put(testPod('a', { activeDeadlineSeconds: 60 }));
    await clock.advance(40_000);
    await first.kill();
    const second = await lead();
    clock.stepWall(600_000);
    await clock.advance(18_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await clock.advance(5_000);
    expect(api.pod('a')?.status).toMatchObject(EXCEEDED);
    await second.kill();
  });

  test('can be set on a pod that runs', async () => {
    const { api, lead, clock, calls } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await clock.advance(100_000);
    const pod = api.pod('a')!;
    api.put({ ...pod, spec: { ...pod.spec!, activeDeadlineSeconds: 110 } });
    await clock.advance(5_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await clock.advance(8_000);
    expect(api.pod('a')?.status).toMatchObject(EXCEEDED);
    expect(calls.map(({ op }) => op)).not.toContain('update');
    await leader.kill();
  });

  test('means nothing to a pod that has ended in time', async () => {
    const { api, lead, clock, events } = stage({ behave: () => ({ exit: { afterMs: 5_000, code: 0 } }) });
    const leader = await lead();
    api.put(testPod('a', { activeDeadlineSeconds: 60, restartPolicy: 'Never' }));
    await clock.advance(100_000);
    expect(api.pod('a')?.status?.phase).toBe('Succeeded');
    expect(events.map(({ reason }) => reason)).toEqual(['Started']);
    await leader.kill();
  });

  test('ends a pod that waits for its next restart', async () => {
    const { api, lead, clock, running } = stage({ behave: () => ({ exit: { afterMs: 1_000, code: 1 } }) });
    const leader = await lead();
    api.put(testPod('a', { activeDeadlineSeconds: 60 }));
    await clock.advance(70_000);
    expect(api.pod('a')?.status).toMatchObject(EXCEEDED);
    const restarts = api.pod('a')?.status?.containerStatuses?.[0]?.restartCount;
    await clock.advance(600_000);
    expect(running('uid-a')?.observation.containers[0]?.restartCount ?? restarts).toBe(restarts);
    await leader.kill();
  });

  test('stops a pod that runs before it has failed, where what is read of the backend is behind', async () => {
    const reads = staleReads();
    const { api, lead, clock, calls } = stage({ wrap: reads.wrap, behave: () => ({ stopDelayMs: 3_000 }) });
    const first = await lead();
    api.put(testPod('a', { activeDeadlineSeconds: 60, terminationGracePeriodSeconds: 7 }));
    await clock.advance(10_000);
    await first.kill();
    await clock.advance(60_000);
    reads.behind = true;
    const second = await lead();
    await settle();
    expect(calls.at(-1)).toEqual({ op: 'delete', uid: 'uid-a', grace: 7 });
    expect(api.pod('a')?.status?.phase, 'it is not failed before it has ended').toBe('Running');
    reads.behind = false;
    await clock.advance(20_000);
    expect(api.pod('a')?.status).toMatchObject({
      ...EXCEEDED,
      containerStatuses: [{ state: { terminated: { exitCode: expect.any(Number) } } }],
    });
    await second.kill();
  });

  test('fails a pod that could never be created, and creates it no more', async () => {
    const { api, lead, clock, calls } = stage({ behave: () => ({ noCapacity: true }) });
    const leader = await lead();
    api.put(testPod('a', { activeDeadlineSeconds: 60 }));
    await clock.advance(70_000);
    expect(api.pod('a')?.status).toMatchObject(EXCEEDED);
    const creates = calls.filter(({ op }) => op === 'create').length;
    await clock.advance(600_000);
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(creates);
    await leader.kill();
  });
});

describe('what happened on the backend', () => {
  const happened = (number: number, message: string): PodHappening => ({
    number,
    type: 'Warning',
    reason: 'Unhealthy',
    message,
  });

  test('is told as Events, each once, and not again by the next leader', async () => {
    let events: readonly PodHappening[] = [happened(1, 'Readiness probe failed: no')];
    const telling = (pod: BackendPod): BackendPod => ({ ...pod, observation: { ...pod.observation, events } });
    const wrap = (provider: Provider): Provider => ({
      ...provider,
      async list(owner, options) {
        const { pods, complete } = await provider.list(owner, options);
        return { pods: pods.map(telling), complete };
      },
      async *watch(owner, signal) {
        for await (const event of provider.watch(owner, signal)) {
          yield event.type === 'pod' ? { ...event, pod: telling(event.pod) } : event;
        }
      },
    });
    const set = stage({ wrap });
    const unhealthy = (): string[] =>
      set.events.filter(({ reason }) => reason === 'Unhealthy').map(({ message }) => message);
    /** Makes the backend say something of the pod again. */
    const nudge = async (): Promise<void> => {
      set.backend.setFaults({ lostSight: new Set(['uid-a']) });
      await settle();
      set.backend.setFaults({ lostSight: new Set() });
      await set.clock.advance(1_000);
    };
    const first = await set.lead();
    set.api.put(testPod('a'));
    await set.clock.advance(2_000);
    await nudge();
    expect(unhealthy()).toEqual(['Readiness probe failed: no']);
    events = [...events, happened(5, 'Liveness probe failed: no')];
    await nudge();
    expect(unhealthy()).toEqual(['Readiness probe failed: no', 'Liveness probe failed: no']);
    await first.kill();
    const second = await set.lead();
    await nudge();
    expect(unhealthy()).toHaveLength(2);
    events = [...events, happened(6, 'Liveness probe failed: again')];
    await nudge();
    expect(unhealthy()).toHaveLength(3);
    await second.kill();
  });
});
