import { describe, expect, test } from 'vitest';
import { settle } from '../../support/virtual-clock.ts';
import { conditionOf, stage, testPod } from './stage.ts';

describe('the ordinary life of a pod', () => {
  test('one status write to Running, with what kubectl shows', async () => {
    const { api, lead, calls, events } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    const pod = api.pod('a');
    expect(pod?.status).toMatchObject({
      phase: 'Running',
      qosClass: 'Burstable',
      hostIP: '10.0.0.1',
      hostIPs: [{ ip: '10.0.0.1' }],
      startTime: '2026-01-01T00:00:00Z',
      observedGeneration: 1,
    });
    expect(pod?.status?.podIP).toMatch(/^198\.1[89]\./);
    expect(pod?.status?.podIPs).toEqual([{ ip: pod?.status?.podIP }]);
    expect(pod?.status?.containerStatuses).toMatchObject([
      { name: 'app', ready: true, started: true, restartCount: 0, image: 'app:1' },
    ]);
    for (const type of ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']) {
      expect(conditionOf(pod, type), type).toMatchObject({ status: 'True' });
    }
    expect(api.writes()).toHaveLength(1);
    expect(calls).toEqual([{ op: 'create', uid: 'uid-a' }]);
    expect(events.map(({ reason }) => reason)).toEqual(['Started']);
    await leader.kill();
  });

  test('at most three writes and two Events from creation to removal; exit codes come before the end', async () => {
    const { api, lead, events, running, clock } = stage({ behave: () => ({ stopDelayMs: 2_000 }) });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    api.deletePod('a');
    await clock.advance(1_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(api.writes()).toHaveLength(1);
    // The containers end after 2 s of the 30: noticed at once (D5 of Virtual Kubelet waits the grace out).
    await clock.advance(1_500);
    expect(api.pod('a')).toBeUndefined();
    expect(running('uid-a')).toBeUndefined();
    expect(api.writes().map(({ verb }) => verb)).toEqual(['patch', 'patch', 'delete']);
    expect(api.history.at(-1)?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBeTypeOf('number');
    expect(['Succeeded', 'Failed']).toContain(api.history.at(-1)?.status?.phase);
    expect(api.writes()[2]?.body).toMatchObject({ uid: 'uid-a', gracePeriodSeconds: 0 });
    expect(events.map(({ reason }) => reason)).toEqual(['Started', 'Killing']);
    expect(api.requests.filter(({ verb }) => verb === 'get')).toHaveLength(0);
    await leader.kill();
  });

  test('a pod that ends by itself keeps its exit code and its terminal phase', async () => {
    const { api, lead, clock, calls } = stage({ behave: () => ({ exit: { afterMs: 5_000, code: 3 } }) });
    const leader = await lead();
    api.put(testPod('job', { restartPolicy: 'Never' }));
    await clock.advance(6_000);
    expect(api.pod('job')?.status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 3 } }, ready: false }],
    });
    expect(conditionOf(api.pod('job'), 'Ready')).toMatchObject({ status: 'False', reason: 'PodFailed' });
    await clock.advance(300_000);
    expect(api.writes()).toHaveLength(2);
    expect(calls).toHaveLength(1);
    api.deletePod('job');
    await clock.advance(1_000);
    expect(api.pod('job')).toBeUndefined();
    // No second terminal status: three writes in all.
    expect(api.writes()).toHaveLength(3);
    await leader.kill();
  });

  test('restarts are counted and never fall', async () => {
    const { api, lead, clock, events } = stage({ behave: () => ({ exit: { afterMs: 1_000, code: 1 } }) });
    const leader = await lead();
    api.put(testPod('crash'));
    await clock.advance(120_000);
    const counts = api.history.map(({ status }) => status?.containerStatuses?.[0]?.restartCount ?? 0);
    expect([...counts].sort((a, b) => a - b)).toEqual(counts);
    expect(counts.at(-1)).toBeGreaterThan(1);
    expect(events.some(({ reason }) => reason === 'BackOff')).toBe(true);
    expect(api.history.every(({ status }) => status?.phase !== 'Failed')).toBe(true);
    await leader.kill();
  });

  test('a slow backend: Pending with ContainerCreating after a second, then Running', async () => {
    const { api, lead, clock } = stage({ behave: () => ({ startDelayMs: 3_000 }) });
    const leader = await lead();
    api.put(testPod('slow'));
    await clock.advance(900);
    expect(api.writes()).toHaveLength(0);
    await clock.advance(200);
    expect(api.pod('slow')?.status?.containerStatuses?.[0]?.state).toEqual({
      waiting: { reason: 'ContainerCreating' },
    });
    expect(api.writes()).toHaveLength(1);
    await clock.advance(3_000);
    expect(api.pod('slow')?.status?.phase).toBe('Running');
    expect(api.writes()).toHaveLength(2);
    await leader.kill();
  });

  test('calm: no write, no read, no backend call while nothing happens', async () => {
    const { api, lead, clock, calls } = stage();
    const leader = await lead();
    for (let i = 0; i < 5; i++) api.put(testPod(`p${i}`));
    await settle();
    const [requests, asked] = [api.requests.length, calls.length];
    await clock.advance(600_000);
    expect([api.requests.length, calls.length]).toEqual([requests, asked]);
    await leader.kill();
  });

  test('resources are charged by the second, and pods counted by phase', async () => {
    const { api, lead, clock } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    api.put(testPod('b'));
    await clock.advance(100_000);
    const text = await leader.registry.metrics();
    expect(text).toMatch(/zonelet_pods\{zone="zone-a",phase="Running"\} 2/);
    const of = (resource: string): number =>
      Number(
        new RegExp(`zonelet_pod_resource_seconds_total\\{zone="zone-a",resource="${resource}"\\} (\\S+)`).exec(
          text,
        )?.[1],
      );
    expect(of('cpu')).toBeCloseTo(100, 0);
    expect(of('memory')).toBeCloseTo(2 * 1024 * 100, -3);
    expect(of('pods')).toBeCloseTo(200, 0);
    await leader.kill();
    expect(await leader.registry.metrics()).not.toMatch(/zonelet_pods\{/);
  });
});

describe('what others do to a pod', () => {
  test('conditions of others are kept, readiness gates are honoured, a Ready that was turned off comes back (S9)', async () => {
    const { api, lead } = stage();
    const leader = await lead();
    const gate = testPod('gated', { readinessGates: [{ conditionType: 'example.com/gate' }] });
    gate.status = {
      ...gate.status,
      conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2025-12-31T23:59:59Z' }],
    };
    api.put(gate);
    await settle();
    expect(conditionOf(api.pod('gated'), 'Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' });
    expect(conditionOf(api.pod('gated'), 'PodScheduled')?.lastTransitionTime).toBe('2025-12-31T23:59:59Z');

    const pod = api.pod('gated')!;
    api.put({
      ...pod,
      status: {
        ...pod.status,
        conditions: [...(pod.status?.conditions ?? []), { type: 'example.com/gate', status: 'True' }],
      },
    });
    await settle();
    expect(conditionOf(api.pod('gated'), 'Ready')?.status).toBe('True');
    expect(conditionOf(api.pod('gated'), 'example.com/gate')?.status).toBe('True');

    // The node lifecycle controller marks pods of a node that it holds for NotReady.
    const ready = api.pod('gated')!;
    api.put({
      ...ready,
      status: {
        ...ready.status,
        conditions: ready.status?.conditions?.map((c) => (c.type === 'Ready' ? { ...c, status: 'False' } : c)) ?? [],
      },
    });
    await settle();
    expect(conditionOf(api.pod('gated'), 'Ready')?.status).toBe('True');
    await leader.kill();
  });

  test('a condition written between our read and our write survives', async () => {
    const { api, lead, backend } = stage();
    const leader = await lead();
    api.put(testPod('a', { restartPolicy: 'Never' }));
    await settle();
    api.holdWatch = true;
    const pod = api.pod('a')!;
    api.put({
      ...pod,
      status: {
        ...pod.status,
        conditions: [...(pod.status?.conditions ?? []), { type: 'DisruptionTarget', status: 'True' }],
      },
    });
    backend.exit('cluster-uid/demo', 'uid-a', 'app', 0);
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Succeeded');
    expect(conditionOf(api.pod('a'), 'DisruptionTarget')?.status).toBe('True');
    api.releaseWatch();
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Succeeded');
    await leader.kill();
  });

  test('labels and annotations of users are never touched (S6), nor is a write made for them', async () => {
    const { api, lead } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    const pod = api.pod('a')!;
    api.put({ ...pod, metadata: { ...pod.metadata, labels: { team: 'x' } } });
    await settle();
    expect(api.writes()).toHaveLength(1);
    expect(api.pod('a')?.metadata?.labels).toEqual({ team: 'x' });
    await leader.kill();
  });

  test('an image is changed in place where the backend can', async () => {
    const { api, lead, calls, running } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    const pod = api.pod('a')!;
    api.put({
      ...pod,
      metadata: { ...pod.metadata, generation: 2 },
      spec: { ...pod.spec!, containers: [{ ...pod.spec!.containers[0]!, image: 'app:2' }] },
    });
    await settle();
    expect(calls.map(({ op }) => op)).toEqual(['create', 'update']);
    expect(running('uid-a')?.observation.containers[0]?.image).toBe('app:2');
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.image).toBe('app:2');
    await leader.kill();
  });

  test('what cannot change in place is refused with an Event that names the field, once', async () => {
    const { api, lead, calls, events, clock } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    const pod = api.pod('a')!;
    api.put({
      ...pod,
      metadata: { ...pod.metadata, generation: 2 },
      spec: { ...pod.spec!, ephemeralContainers: [{ name: 'debug', image: 'busybox' }] },
    });
    await clock.advance(120_000);
    expect(calls).toHaveLength(1);
    const told = events.filter(({ type }) => type === 'Warning');
    expect(told).toHaveLength(1);
    expect(told[0]?.message).toContain('spec.ephemeralContainers');
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('a pod that the backend cannot see is only not Ready', async () => {
    const { api, lead, backend, clock } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    backend.setFaults({ lostSight: new Set(['uid-a']) });
    await clock.advance(1_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(conditionOf(api.pod('a'), 'Ready')).toMatchObject({ status: 'False', reason: 'BackendUnreachable' });
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.state?.running).toBeDefined();
    backend.setFaults({ lostSight: new Set() });
    await clock.advance(1_000);
    expect(conditionOf(api.pod('a'), 'Ready')?.status).toBe('True');
    await leader.kill();
  });
});
