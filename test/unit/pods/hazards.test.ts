import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import type { Provider } from '../../../src/provider/contract.ts';
import { settle } from '../../support/virtual-clock.ts';
import { conditionOf, OWNER, stage, testPod } from './stage.ts';

describe('deletion', () => {
  test('forced: the backend lets go of the pod, after a live read', async () => {
    const { api, lead, running, calls } = stage({ behave: () => ({ stopDelayMs: 600_000 }) });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    api.remove('Pod', 'a');
    await settle();
    expect(api.requests.at(-1)).toMatchObject({ verb: 'get', name: 'a' });
    expect(calls.at(-1)).toMatchObject({ op: 'delete', grace: 0 });
    await settle();
    expect(running('uid-a')?.observation.containers.some(({ state }) => state.running) ?? false).toBe(false);
    await leader.kill();
  });

  test('a cache that lost a pod which the API still has removes nothing (I4)', async () => {
    const { api, lead, running, calls, clock } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    const pod = api.pod('a')!;
    api.remove('Pod', 'a');
    // The API had it all the time.
    api.objects.set('Pod/default/a', pod);
    await clock.advance(30_000);
    expect(calls.filter(({ op }) => op === 'delete')).toHaveLength(0);
    expect(running('uid-a')).toBeDefined();
    await leader.kill();
  });

  test('recreated under the same name, seen as one change (E8): the old UID goes, the new one comes', async () => {
    const { api, lead, running, calls, clock } = stage();
    const leader = await lead();
    api.put(testPod('a', {}, 'uid-1'));
    await settle();
    api.put(testPod('a', {}, 'uid-2'));
    await clock.advance(5_000);
    expect(running('uid-1')).toBeUndefined();
    expect(running('uid-2')).toBeDefined();
    expect(calls.filter(({ op }) => op === 'create').map(({ uid }) => uid)).toEqual(['uid-1', 'uid-2']);
    expect(api.pod('a')).toMatchObject({ metadata: { uid: 'uid-2' }, status: { phase: 'Running' } });
    for (const { body } of api.writes()) {
      expect(JSON.stringify(body)).toMatch(/uid-[12]/);
    }
    await leader.kill();
  });

  test('asked for while the create is on its way: created once, then removed', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const wrap = (provider: Provider): Provider => ({
      ...provider,
      [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
      create: async (pod, operation) => {
        await gate;
        return await provider.create(pod, operation);
      },
    });
    const { api, lead, running, calls, clock } = stage({ wrap });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    api.deletePod('a');
    await clock.advance(500);
    release();
    await clock.advance(35_000);
    expect(api.pod('a')).toBeUndefined();
    expect(running('uid-a')).toBeUndefined();
    expect(calls.filter(({ op }) => op === 'create')).toHaveLength(1);
    await leader.kill();
  });

  test('a second deletion with a shorter grace shortens it', async () => {
    const { api, lead, calls, clock, running } = stage({ behave: () => ({ stopDelayMs: 600_000 }) });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    api.deletePod('a', 300);
    await clock.advance(5_000);
    api.deletePod('a', 10);
    await clock.advance(1_000);
    expect(calls.filter(({ op }) => op === 'delete').map(({ grace }) => grace)).toEqual([300, 5]);
    await clock.advance(10_000);
    expect(running('uid-a')).toBeUndefined();
    await leader.kill();
  });

  test('a wrong wall clock costs nobody the grace period', async () => {
    const { api, lead, calls, clock } = stage({ behave: () => ({ stopDelayMs: 600_000 }) });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    clock.stepWall(600_000);
    const pod = api.pod('a')!;
    api.put({
      ...pod,
      metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 },
    });
    await settle();
    expect(calls.at(-1)).toMatchObject({ op: 'delete', grace: 30 });
    await leader.kill();
  });

  test('the backend failing to delete is retried until it works (D3), soon after it is back', async () => {
    const { api, lead, backend, clock } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    backend.setFaults({ unreachable: true });
    api.deletePod('a');
    await clock.advance(900_000);
    expect(api.pod('a')).toBeDefined();
    backend.setFaults({ unreachable: false });
    await clock.advance(5_000);
    expect(api.pod('a')).toBeUndefined();
    await leader.kill();
  });
});

describe('a create that fails', () => {
  test('a lost reply: looked up, adopted, created once (C5)', async () => {
    const { api, lead, backend, clock } = stage();
    const leader = await lead();
    backend.setFaults({ loseReplies: 1 });
    api.put(testPod('a'));
    await clock.advance(5_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(backend.size).toBe(1);
    expect(await leader.registry.metrics()).toMatch(/zonelet_pods_created_total\{zone="zone-a",outcome="adopted"\} 1/);
    await leader.kill();
  });

  test('no room: Pending with the reason, one Event, tried again', async () => {
    let full = true;
    const { api, lead, events, clock } = stage({ behave: () => ({ noCapacity: full }) });
    const leader = await lead();
    api.put(testPod('a'));
    await clock.advance(60_000);
    expect(api.pod('a')?.status).toMatchObject({
      phase: 'Pending',
      containerStatuses: [{ state: { waiting: { reason: 'BackendNoCapacity' } } }],
    });
    expect(events.map(({ reason }) => reason)).toEqual(['FailedCreatePodSandBox']);
    expect(api.writes()).toHaveLength(1);
    full = false;
    await clock.advance(301_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('a backend that comes back is used at once, whatever the back-off', async () => {
    const { api, lead, backend, clock } = stage();
    const leader = await lead();
    backend.setFaults({ unreachable: true });
    for (let i = 0; i < 3; i++) api.put(testPod(`p${i}`, { restartPolicy: 'Never' }));
    await clock.advance(1_000_000);
    expect(api.pod('p0')?.status).toMatchObject({
      phase: 'Pending',
      containerStatuses: [{ state: { waiting: { reason: 'BackendUnavailable' } } }],
    });
    backend.setFaults({ unreachable: false });
    await clock.advance(2_000);
    for (let i = 0; i < 3; i++) expect(api.pod(`p${i}`)?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('what cannot be honoured: Pending, UnsupportedPodSpec, an Event with the paths, never sent', async () => {
    const { api, lead, calls, events, clock } = stage();
    const leader = await lead();
    api.put(
      testPod('a', {
        containers: [
          { name: 'app', image: 'app:1', readinessProbe: { httpGet: { port: 80 } } },
          { name: 'side', image: 'side:1' },
        ],
        volumes: [{ name: 'data', hostPath: { path: '/data' } }],
      }),
    );
    await clock.advance(300_000);
    const statuses = api.pod('a')?.status?.containerStatuses ?? [];
    expect(statuses.map(({ state }) => state?.waiting?.reason)).toEqual(['UnsupportedPodSpec', 'UnsupportedPodSpec']);
    expect(statuses[0]?.state?.waiting?.message).toContain('spec.containers[0].readinessProbe');
    expect(api.pod('a')?.status?.phase).toBe('Pending');
    expect(calls).toHaveLength(0);
    expect(events).toMatchObject([{ type: 'Warning', reason: 'UnsupportedPodSpec' }]);
    expect(events[0]?.message).toContain('spec.volumes[0].hostPath');
    expect(api.writes()).toHaveLength(1);
    api.deletePod('a');
    await settle();
    expect(api.pod('a')).toBeUndefined();
    await leader.kill();
  });

  test('the volume that admission adds is no reason to refuse', async () => {
    const { api, lead } = stage();
    const leader = await lead();
    api.put(testPod('a', { volumes: [{ name: 'kube-api-access-x7k2p', projected: { sources: [] } }] }));
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });
});

describe('references', () => {
  const withRef = (name: string) =>
    testPod(name, {
      containers: [
        {
          name: 'app',
          image: 'app:1',
          env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'x' } } }],
        },
      ],
    });

  test('missing: CreateContainerConfigError in the words of a kubelet; runs within 5 s of its appearing', async () => {
    const { api, lead, events, clock, calls } = stage();
    const leader = await lead();
    api.put(withRef('a'));
    await clock.advance(60_000);
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'configmap "settings" not found',
    });
    expect(events).toMatchObject([
      { type: 'Warning', reason: 'Failed', message: 'Error: configmap "settings" not found (container app)' },
      // Virtual Kubelet's.
      { type: 'Warning', reason: 'MandatoryConfigMapNotFound', message: 'configmap "settings" not found' },
    ]);
    expect(calls).toHaveLength(0);
    api.put({ kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'default' }, data: { y: '1' } });
    await clock.advance(5_000);
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe(
      "couldn't find key x in ConfigMap default/settings",
    );
    api.put({ kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'default' }, data: { x: '1' } });
    await clock.advance(5_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('an API server that was away for long while it was to be read: soon after its return', async () => {
    const { api, lead, clock } = stage();
    const leader = await lead();
    api.put({ kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'default' }, data: { x: '1' } });
    api.failWith = new ZoneletError('Unavailable', 'connection refused');
    api.put(withRef('a'));
    await clock.advance(1_200_000);
    api.failWith = undefined;
    await clock.advance(6_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('what nobody waits for any more is not looked for', async () => {
    const { api, lead, clock } = stage();
    const leader = await lead();
    api.put(withRef('a'));
    api.put(withRef('b'));
    await clock.advance(10_000);
    const asked = (): number => api.requests.filter(({ kind }) => kind === 'ConfigMap').length;
    api.remove('Pod', 'a');
    const withOne = asked();
    await clock.advance(30_000);
    expect(asked()).toBeGreaterThan(withOne);
    api.remove('Pod', 'b');
    await clock.advance(5_000);
    const withNone = asked();
    await clock.advance(600_000);
    expect(asked()).toBe(withNone);
    await leader.kill();
  });

  test('a thousand pods with one ConfigMap read it once; a hundred that miss it ask together', async () => {
    const { api, lead, clock } = stage();
    const leader = await lead();
    for (let i = 0; i < 100; i++) api.put(withRef(`p${i}`));
    await clock.advance(60_000);
    const asked = api.requests.filter(({ kind }) => kind === 'ConfigMap').length;
    expect(asked).toBeLessThan(60);
    api.put({ kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'default' }, data: { x: '1' } });
    await clock.advance(5_000);
    const before = api.requests.filter(({ kind }) => kind === 'ConfigMap').length;
    for (let i = 100; i < 1_100; i++) api.put(withRef(`p${i}`));
    await clock.advance(1_000);
    expect(api.requests.filter(({ kind }) => kind === 'ConfigMap').length - before).toBeLessThanOrEqual(1);
    expect(api.pod('p0')?.status?.phase).toBe('Running');
    expect(api.pod('p1099')?.status?.phase).toBe('Running');
    await leader.kill();
  });
});

describe('values of Secrets', () => {
  test('reach the backend and nothing else: no log, Event, status or metric has them (I10)', async () => {
    const canary = 'canary-4f1d';
    const got: string[] = [];
    let fail = true;
    const wrap = (provider: Provider): Provider => ({
      ...provider,
      [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
      create: async (pod, operation) => {
        got.push(JSON.stringify([pod.env, pod.pod.spec?.containers[0]?.args]));
        if (fail) throw new ZoneletError('Unavailable', 'try later');
        return await provider.create(pod, operation);
      },
    });
    const { api, lead, events, logged, clock } = stage({ wrap });
    const leader = await lead();
    api.put({
      kind: 'Secret',
      metadata: { name: 'login', namespace: 'default' },
      data: { password: Buffer.from(canary).toString('base64') },
    });
    api.put(
      testPod('a', {
        containers: [
          {
            name: 'app',
            image: 'x',
            args: ['--password=$(PASSWORD)'],
            env: [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'login', key: 'password' } } }],
          },
        ],
      }),
    );
    await clock.advance(10_000);
    fail = false;
    await clock.advance(300_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(got[0]).toContain(`--password=${canary}`);
    expect(logged.length).toBeGreaterThan(0);
    const seen = JSON.stringify([events, logged, api.history, api.writes(), await leader.registry.metrics()]);
    expect(seen).not.toContain(canary);
    await leader.kill();
  });
});

describe('the end of a term', () => {
  test('once it is lost nothing is sent any more, to nobody', async () => {
    const { api, lead, calls, clock, backend } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    leader.term.over = true;
    const [requests, asked] = [api.writes().length, calls.length];
    api.put(testPod('b'));
    backend.exit(OWNER, 'uid-a', 'app', 1);
    api.deletePod('a');
    await clock.advance(2_000);
    expect(api.writes()).toHaveLength(requests);
    expect(backend.size).toBe(1);
    leader.term.lost.abort();
    await leader.done;
    const [after, askedAfter] = [api.requests.length, calls.length];
    await clock.advance(600_000);
    expect([api.requests.length, calls.length]).toEqual([after, askedAfter]);
    expect(asked).toBe(1);
  });

  test('in good order: what was seen is published, then it returns, well within half a second', async () => {
    const { api, lead, clock, backend } = stage();
    const leader = await lead();
    api.put(testPod('a', { restartPolicy: 'Never' }));
    await settle();
    api.failWith = new ZoneletError('Unavailable', 'connection refused');
    backend.exit(OWNER, 'uid-a', 'app', 0);
    await clock.advance(4_000);
    api.failWith = undefined;
    leader.term.winding.abort();
    let done = false;
    void leader.done.then(() => {
      done = true;
    });
    await clock.advance(400);
    expect(done).toBe(true);
    expect(api.pod('a')?.status?.phase).toBe('Succeeded');
    expect(clock.pending).toBe(0);
  });

  test('a backend that hangs does not hold the hand-over up, and its pod is adopted by the next', async () => {
    const { api, lead, clock, backend } = stage();
    const leader = await lead();
    backend.setFaults({ hang: new Set(['create']) });
    api.put(testPod('a'));
    await settle();
    leader.term.winding.abort();
    await clock.advance(400);
    await leader.done;
    backend.setFaults({ hang: new Set() });
    const next = await lead();
    await clock.advance(2_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(backend.size).toBe(1);
    await next.kill();
  });
});

describe('a term that is to end before the zone is taken over', () => {
  test('a backend whose list hangs does not hold the hand-over up', async () => {
    const { lead, clock, backend } = stage();
    backend.setFaults({ hang: new Set(['list']) });
    const leader = await lead();
    leader.term.winding.abort();
    let done = false;
    void leader.done.then(() => {
      done = true;
    });
    await clock.advance(400);
    expect(done).toBe(true);
    expect(leader.takenOver).toBeUndefined();
  });
});

describe('the API server away', () => {
  test.each(['Unavailable', 'Throttled', 'Ambiguous'] as const)(
    '%s: pods run on; the latest status arrives within seconds of its return, once',
    async (code) => {
      const { api, lead, clock, backend } = stage();
      const leader = await lead();
      api.put(testPod('a', { restartPolicy: 'Never' }));
      await settle();
      api.failWith = new ZoneletError(code, 'connection refused');
      backend.exit(OWNER, 'uid-a', 'app', 4);
      await clock.advance(600_000);
      expect(api.pod('a')?.status?.phase).toBe('Running');
      api.failWith = undefined;
      await clock.advance(6_000);
      expect(api.pod('a')?.status?.phase).toBe('Failed');
      expect(conditionOf(api.pod('a'), 'Ready')?.status).toBe('False');
      await leader.kill();
    },
  );
});
