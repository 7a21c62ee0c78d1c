import { describe, expect, it } from 'vitest';
import type { SimulatedBackendOptions } from '../../../providers/simulated/backend.ts';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import type { Term } from '../../../src/election/term.ts';
import { ZoneletError } from '../../../src/errors.ts';
import { silentLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import type { Operation, Provider, ResolvedPod, WatchEvent, ZoneReport } from '../../../src/provider/contract.ts';
import { createGuard, type GuardOptions } from '../../../src/provider/guard.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const OWNER = 'cluster/demo';
const NEVER = new AbortController().signal;

function setUp(
  change: (provider: Provider) => Partial<Provider> = () => ({}),
  options: Partial<GuardOptions> = {},
  backendOptions: Partial<SimulatedBackendOptions> = {},
) {
  const clock = new VirtualClock();
  const backend = createSimulatedBackend({ zone: 'zone-a', clock, ...backendOptions });
  const inner = createSimulatedProvider(backend, clock);
  const metrics = createMetrics({ set: 'demo', version: '0', runtime: false });
  const fenced: string[] = [];
  const guard = createGuard({
    provider: { ...inner, ...change(inner) },
    clock,
    metrics: metrics.provider,
    log: silentLogger,
    onFenced: (by) => fenced.push(by),
    ...options,
  });
  return { clock, backend, guard, metrics, fenced };
}

function fakeTerm(epoch = 1, holder = 'replica-0') {
  const controller = new AbortController();
  const state = {
    may: true,
    remainingMs: 5000,
    lost: undefined as string | undefined,
    stands: undefined as number | undefined,
  };
  const term: Term = {
    zone: 'zone-a',
    epoch,
    holder,
    since: 0,
    leaderlessMs: undefined,
    cause: 'first',
    signal: controller.signal,
    ending: NEVER,
    mayAct: () => state.may,
    handOver: () => {},
    stay: () => {},
    remainingMs: () => state.remainingMs,
    lose(end, detail, stands) {
      state.stands = stands;
      state.lost = `${end}: ${detail}`;
      state.may = false;
      controller.abort();
    },
  };
  return { term, state };
}

function pod(uid: string): ResolvedPod {
  const ref = { uid, namespace: 'default', name: uid };
  return {
    ref,
    pod: { metadata: ref, spec: { containers: [{ name: 'main', image: 'i' }] } },
    env: {},
    volumes: {},
    pullSecrets: [],
    hash: 'h',
  };
}

describe('guarded mutations', () => {
  it('carry the term, and a deadline no longer than what is left of it', async () => {
    let seen: Operation | undefined;
    const { guard } = setUp((inner) => ({
      create(of, operation) {
        seen = operation;
        return inner.create(of, operation);
      },
    }));
    const { term, state } = fakeTerm(7);
    state.remainingMs = 1234;
    expect(await guard.forTerm(term, OWNER).create(pod('a'), { attempt: 3 })).toMatchObject({ outcome: 'created' });
    expect(seen).toMatchObject({
      owner: OWNER,
      zone: 'zone-a',
      epoch: 7,
      holder: 'replica-0',
      timeoutMs: 1234,
      attempt: 3,
    });
  });

  it('are not sent once the term may not act, also when they had to wait for their turn', async () => {
    let sent = 0;
    const { guard, fenced, backend } = setUp(
      (inner) => ({
        create(of, operation) {
          sent++;
          return inner.create(of, operation);
        },
      }),
      { maxConcurrent: 1 },
    );
    const { term, state } = fakeTerm();
    backend.setFaults({ hang: new Set(['get']) });
    const stop = new AbortController();
    const blocking = guard.get(OWNER, pod('x').ref, stop.signal);
    const waiting = guard.forTerm(term, OWNER).create(pod('a'));
    await settle();
    state.may = false;
    stop.abort();
    await expect(blocking).rejects.toMatchObject({ code: 'Unavailable' });
    await expect(waiting).rejects.toMatchObject({ code: 'Fenced' });
    expect({ sent, fenced }).toEqual({ sent: 0, fenced: ['self'] });
  });

  it('leave the queue when the term is lost', async () => {
    const { guard, backend } = setUp(undefined, { maxConcurrent: 1 });
    backend.setFaults({ hang: new Set(['create']) });
    const { term } = fakeTerm();
    const calls = ['a', 'b'].map((uid) => guard.forTerm(term, OWNER).create(pod(uid)));
    const codes = Promise.all(calls.map((call) => call.catch((error: ZoneletError) => error.code)));
    await settle();
    term.lose('expired', 'the lease ran out');
    expect(await codes).toEqual(['Ambiguous', 'Aborted']);
    expect(backend.size).toBe(0);
  });

  it('end the term when the backend refuses its epoch', async () => {
    const { guard, fenced } = setUp();
    await guard.forTerm(fakeTerm(8, 'replica-1').term, OWNER).claim();
    const { term, state } = fakeTerm(7);
    await expect(guard.forTerm(term, OWNER).create(pod('a'))).rejects.toMatchObject({ code: 'Fenced' });
    expect(state.lost).toContain('fenced: epoch 7');
    expect(state.stands).toBe(8);
    expect(fenced).toEqual(['backend']);
  });

  it('never have more calls on their way than allowed', async () => {
    let now = 0;
    let most = 0;
    const { guard } = setUp(
      (inner) => ({
        async create(of, operation) {
          most = Math.max(most, ++now);
          await settle();
          now--;
          return await inner.create(of, operation);
        },
      }),
      { maxConcurrent: 4 },
    );
    const bound = guard.forTerm(fakeTerm().term, OWNER);
    await Promise.all(Array.from({ length: 20 }, (_, i) => bound.create(pod(`p${i}`))));
    expect(most).toBe(4);
  });

  it('are given up at the deadline when the provider never settles', async () => {
    const { guard, clock, metrics } = setUp(() => ({ update: () => new Promise<never>(() => undefined) }), {
      callTimeoutMs: 1000,
    });
    const call = guard
      .forTerm(fakeTerm().term, OWNER)
      .update(pod('a'))
      .catch((error: ZoneletError) => error.code);
    await clock.advance(1200);
    expect(await call).toBe('Ambiguous');
    expect(clock.pending).toBe(0);
    expect(await metrics.registry.metrics()).toContain(
      'kubelet_runtime_operations_errors_total{zone="zone-a",operation_type="update",code="Ambiguous",set="demo"} 1',
    );
  });

  it('look a create up whose reply was lost, and find that it was a success', async () => {
    const { guard, backend } = setUp();
    backend.setFaults({ loseReplies: 1 });
    const result = await guard.forTerm(fakeTerm().term, OWNER).create(pod('a'));
    expect(result).toMatchObject({ outcome: 'adopted', pod: { ref: { uid: 'a' } } });
    expect(backend.size).toBe(1);
  });

  it('look it up before the next try when that could not be done at once', async () => {
    const calls: string[] = [];
    const { guard, backend } = setUp((inner) => ({
      create(of, operation) {
        calls.push('create');
        return inner.create(of, operation);
      },
      get(owner, ref, options) {
        calls.push('get');
        return calls.length <= 2
          ? Promise.reject(new ZoneletError('Unavailable', 'no'))
          : inner.get(owner, ref, options);
      },
    }));
    backend.setFaults({ loseReplies: 1 });
    const bound = guard.forTerm(fakeTerm().term, OWNER);
    await expect(bound.create(pod('a'))).rejects.toMatchObject({ code: 'Ambiguous' });
    expect(await bound.create(pod('a'), { attempt: 2 })).toMatchObject({ outcome: 'adopted' });
    expect(calls).toEqual(['create', 'get', 'get']);
  });

  it.each<[string, Partial<Provider>, RegExp]>([
    [
      'throws no error of ours',
      { create: () => Promise.reject(new TypeError('x is undefined')) },
      /failed in create: x is undefined/,
    ],
    [
      'throws instead of rejecting',
      {
        create: () => {
          throw new RangeError('far');
        },
      },
      /failed in create: far/,
    ],
    ['answers nothing', { create: async () => undefined as never }, /neither created nor adopted/],
    [
      'answers for another pod',
      { create: async () => ({ outcome: 'created', pod: backendPod('b') }) },
      /asked for pod a, got b/,
    ],
    [
      'answers nonsense',
      { create: async () => ({ outcome: 'created', pod: { ...backendPod('a'), observation: 3 } as never }) },
      /observation is of type number/,
    ],
  ])('are an Internal error when the provider %s', async (_, change, message) => {
    const { guard } = setUp(() => change);
    const call = guard.forTerm(fakeTerm().term, OWNER).create(pod('a'));
    await expect(call).rejects.toMatchObject({ code: 'Internal', message: expect.stringMatching(message) });
  });

  it('go on when claim is not offered by a backend that cannot fence, and fail when it says that it can', async () => {
    const clock = new VirtualClock();
    const whole = createSimulatedProvider(createSimulatedBackend({ zone: 'zone-a', clock }), clock);
    const without = Object.fromEntries(Object.entries(whole).filter(([key]) => key !== 'claim')) as unknown as Provider;
    const none = { ...without, capabilities: { ...without.capabilities, fence: 'none' as const } };
    await setUp(undefined, { provider: none }).guard.forTerm(fakeTerm().term, OWNER).claim();
    const broken = setUp(undefined, { provider: without }).guard.forTerm(fakeTerm().term, OWNER).claim();
    await expect(broken).rejects.toMatchObject({ code: 'Internal' });
  });
});

describe('guarded reads', () => {
  it('leave out what is not ours, and do not call a list complete that has something unreadable', async () => {
    const pods: unknown[] = [
      backendPod('a'),
      { ...backendPod('b'), owner: 'other/demo' },
      { ...backendPod('c'), zone: 'zone-b' },
    ];
    const { guard } = setUp(() => ({ list: async () => ({ pods: pods as never, complete: true }) }));
    expect(await guard.list(OWNER, NEVER)).toEqual({ pods: [backendPod('a')], complete: true });
    pods.push({ ref: { uid: 'd' } });
    expect(await guard.list(OWNER, NEVER)).toEqual({ pods: [backendPod('a')], complete: false });
  });

  it('drop dates that are none, and keep the rest', async () => {
    const odd = backendPod('a');
    const state = { terminated: { exitCode: 1, finishedAt: 'yesterday', startedAt: '2026-01-01T00:00:00Z' } };
    const containers = [{ name: 'main', restartCount: 0, state }];
    const given = { ...odd, observation: { ...odd.observation, startTime: '1', phase: 'Broken' as never, containers } };
    const { guard } = setUp(() => ({ get: async () => given }));
    expect((await guard.get(OWNER, odd.ref, NEVER))?.observation).toEqual({
      reachable: true,
      podIPs: [],
      containers: [
        { name: 'main', restartCount: 0, state: { terminated: { exitCode: 1, startedAt: '2026-01-01T00:00:00Z' } } },
      ],
    });
  });

  it('drop what is said to have happened and is no Event', async () => {
    const odd = backendPod('a');
    const good = { number: 1, type: 'Warning', reason: 'Unhealthy', message: 'no' } as const;
    let events: unknown = [good];
    const { guard } = setUp(() => ({
      get: async () => ({ ...odd, observation: { ...odd.observation, events: events as never } }),
    }));
    expect((await guard.get(OWNER, odd.ref, NEVER))?.observation.events).toEqual([good]);
    for (const bad of ['x', [{}], [good, { ...good, number: 'x' }], [{ ...good, reason: 'no such reason' }]]) {
      events = bad;
      expect((await guard.get(OWNER, odd.ref, NEVER))?.observation).not.toHaveProperty('events');
    }
  });

  it('are Unavailable, never absent, when the backend does not answer', async () => {
    const { guard, clock } = setUp(() => ({ get: () => new Promise<never>(() => undefined) }));
    const call = guard.get(OWNER, pod('a').ref, NEVER).catch((error: ZoneletError) => error.code);
    await clock.advance(11_000);
    expect(await call).toBe('Unavailable');
  });

  it('watch again when the provider ends or throws, and never end before the signal', async () => {
    let opened = 0;
    const { guard, clock } = setUp(() => ({
      async *watch() {
        opened++;
        yield { type: 'sync-start' as const };
        yield { type: 'pod' as const, pod: { nonsense: true } as never };
        yield { type: 'sync-end' as const, complete: true };
        if (opened === 2) throw new Error('torn');
      },
    }));
    const stop = new AbortController();
    const events: WatchEvent[] = [];
    const ended = (async () => {
      for await (const event of guard.watch(OWNER, stop.signal)) events.push(event);
    })();
    await clock.advance(1000);
    expect(opened).toBeGreaterThanOrEqual(3);
    expect(events.slice(0, 2)).toEqual([{ type: 'sync-start' }, { type: 'sync-end', complete: false }]);
    stop.abort();
    await ended;
  });

  it('end a watch at the signal also when the provider does not', async () => {
    const { guard } = setUp(() => ({
      async *watch() {
        yield await new Promise<WatchEvent>(() => undefined);
      },
    }));
    const stop = new AbortController();
    const ended = (async () => {
      for await (const _ of guard.watch(OWNER, stop.signal)) void _;
      return 'ended';
    })();
    await settle();
    stop.abort();
    expect(await ended).toBe('ended');
  });

  it('report Unknown for a provider that is silent or says nonsense, and show it in the metrics', async () => {
    const { guard, clock, metrics } = setUp(() => ({
      async *zoneReports() {
        yield { state: 'Up', capacity: { cpu: '4', memory: 'much', pods: '-1' }, evidence: 'asked' } as ZoneReport;
        yield { state: 'Fine', evidence: 'asked' } as unknown as ZoneReport;
        await new Promise(() => undefined);
      },
    }));
    const stop = new AbortController();
    const reports: ZoneReport[] = [];
    const ended = (async () => {
      for await (const report of guard.zoneReports(stop.signal)) reports.push(report);
    })();
    await clock.advance(31_000);
    stop.abort();
    await ended;
    expect(reports[0]).toEqual({ state: 'Up', capacity: { cpu: '4' }, evidence: 'asked' });
    expect(reports.slice(1).map(({ state }) => state)).toEqual(['Unknown', 'Unknown']);
    expect(reports[2]?.evidence).toContain('30 s');
    expect(await metrics.registry.metrics()).toContain(
      'zonelet_backend_state{zone="zone-a",state="Unknown",set="demo"} 1',
    );
  });

  it('tell usage without what is no figure, no time or no pod', async () => {
    const ref = { uid: 'a', namespace: 'default', name: 'a' };
    const time = '2026-01-01T00:00:00Z';
    const { guard } = setUp(() => ({
      stats: async () =>
        [
          null,
          { ref: { uid: 'b' }, containers: [] },
          { ref: { ...ref, uid: 'c' }, containers: 'none' },
          {
            ref,
            startTime: 'yesterday',
            containers: [
              { name: 'main', time, cpu: { usageNanoCores: -1, usageCoreNanoSeconds: 7.4 }, memory: { rssBytes: '1' } },
              { name: 'never', time: 'now' },
            ],
            network: { time, rxBytes: 5, txBytes: Number.NaN },
          },
          { ref, containers: [] },
        ] as never,
    }));
    expect(await guard.stats(OWNER, NEVER)).toEqual([
      {
        ref,
        containers: [{ name: 'main', time, cpu: { usageCoreNanoSeconds: 7 }, memory: {} }],
        network: { time, rxBytes: 5 },
      },
    ]);
  });

  it('say that there is no usage rather than none was used', async () => {
    const broken = setUp(() => ({ stats: async () => ({}) as never }));
    await expect(broken.guard.stats(OWNER, NEVER)).rejects.toMatchObject({ code: 'Internal' });
    const without = setUp((inner) => ({ capabilities: { ...inner.capabilities, stats: false } }));
    await expect(without.guard.stats(OWNER, NEVER)).rejects.toMatchObject({ code: 'Unsupported' });
    const silent = setUp(() => ({ stats: () => new Promise(() => undefined) }));
    const asked = silent.guard.stats(OWNER, NEVER);
    const failed = expect(asked).rejects.toMatchObject({ code: 'Unavailable' });
    await silent.clock.advance(31_000);
    await failed;
  });

  it('say Unsupported for the logs of a provider without', async () => {
    const { guard } = setUp((inner) => ({ capabilities: { ...inner.capabilities, logs: false } }));
    const options = { follow: false, previous: false, timestamps: false };
    await expect(guard.logs(OWNER, pod('a').ref, 'main', options, NEVER)).rejects.toMatchObject({
      code: 'Unsupported',
    });
  });
});

function backendPod(uid: string) {
  const ref = { uid, namespace: 'default', name: uid };
  const observation = { reachable: true, podIPs: [], containers: [] };
  return { ref, owner: OWNER, zone: 'zone-a', epoch: 1, hash: 'h', handle: uid, observation, deleting: false };
}
