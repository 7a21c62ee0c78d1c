import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import type { ZoneletError } from '../../../src/errors.ts';
import { ApiError } from '../../../src/kube/client.ts';
import { createInformer, type Informer, type InformerOptions } from '../../../src/kube/informer.ts';
import { PODS } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { silentLogger } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import { seededRandom, settle, VirtualClock } from '../../support/virtual-clock.ts';
import { canonical, expired, ScriptedApi, unavailable } from './scripted-api.ts';

const SELECTOR = 'on=yes';

interface Stage extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly api: ScriptedApi;
  readonly informer: Informer<Pod>;
  readonly events: string[];
  readonly registry: Registry;
  start(): void;
  restarts(reason: string): Promise<number>;
}

function stage(overrides: Partial<InformerOptions<Pod>> = {}, seed = 1): Stage {
  const clock = new VirtualClock();
  const api = new ScriptedApi(clock);
  const registry = new Registry();
  const metrics = apiMetrics(registry);
  const informer = createInformer<Pod>({
    client: api.client,
    resource: PODS,
    selection: { labelSelector: SELECTOR },
    clock,
    random: seededRandom(seed),
    metrics,
    log: silentLogger,
    ...overrides,
  });
  const events: string[] = [];
  informer.subscribe({
    added: (pod) => void events.push(`+${pod.metadata?.name}`),
    updated: (_, pod) => void events.push(`~${pod.metadata?.name}`),
    deleted: (pod) => void events.push(`-${pod.metadata?.name}`),
  });
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  return {
    clock,
    api,
    informer,
    events,
    registry,
    start() {
      running = informer.run(stop.signal);
    },
    async restarts(reason) {
      const { values } = await metrics.watchRestarts.get();
      return values.find(({ labels }) => labels.reason === reason)?.value ?? Number.NaN;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

function names(informer: Informer<Pod>): string[] {
  return informer
    .list()
    .map((pod) => pod.metadata?.name ?? '')
    .sort();
}

describe('informer', () => {
  test('lists page by page, then follows every change, also in and out of the selection', async () => {
    await using s = stage();
    const { api, informer, events } = s;
    for (const name of ['a', 'b', 'c', 'd', 'e']) api.put(name);
    api.put('other', 'no');
    api.pageSize = 2;
    expect(informer.hasSynced).toBe(false);
    s.start();
    await informer.synced();
    expect(names(informer)).toEqual(['a', 'b', 'c', 'd', 'e']);
    await settle();
    api.put('f');
    api.put('a');
    api.remove('b');
    api.put('c', 'no');
    api.put('other');
    await settle();
    expect(names(informer)).toEqual(['a', 'd', 'e', 'f', 'other']);
    expect(informer.get('ns/f')?.metadata?.name).toBe('f');
    expect(informer.size).toBe(5);
    expect(events).toEqual(['+a', '+b', '+c', '+d', '+e', '+f', '~a', '-b', '-c', '+other']);
    expect(api.calls).toEqual(['list', 'list?continue', 'list?continue', 'watch@106']);
  });

  test('a watch that the server ends goes on where it was, without a list', async () => {
    await using s = stage();
    s.start();
    await settle();
    s.api.touch(50);
    await s.clock.advance(11 * 60_000);
    s.api.put('a');
    await settle();
    expect(names(s.informer)).toEqual(['a']);
    expect(s.api.calls.filter((call) => call.startsWith('list'))).toEqual(['list']);
    // The bookmark moved the position although nothing of the selection changed.
    expect(s.api.calls.at(-1)).toBe('watch@150');
    expect(await s.restarts('ended')).toBeGreaterThanOrEqual(1);
  });

  test('a connection that breaks is replaced; what happened meanwhile is not lost', async () => {
    await using s = stage();
    s.start();
    await settle();
    await s.clock.advance(60_000);
    s.api.watchErrors.push(unavailable(), unavailable());
    s.api.end('broken');
    s.api.put('a');
    await s.clock.advance(10_000);
    expect(names(s.informer)).toEqual(['a']);
    expect(await s.restarts('error')).toBe(3);
    // It made sure that the server knows the position, and did not list everything again.
    expect(s.api.calls.filter((call) => call === 'list')).toHaveLength(1);
  });

  test('a silent connection is given up after two bookmarks did not come', async () => {
    await using s = stage();
    s.start();
    await settle();
    await s.clock.advance(61_000);
    s.api.hang();
    s.api.put('a');
    await s.clock.advance(100_000);
    expect(names(s.informer)).toEqual([]);
    await s.clock.advance(60_000);
    expect(names(s.informer)).toEqual(['a']);
    expect(await s.restarts('stalled')).toBe(1);
  });

  test('a position that is too old, as an answer or inside the watch, means to list again; what vanished is told', async () => {
    await using s = stage();
    s.api.put('a');
    s.api.put('b');
    s.start();
    await settle();
    await s.clock.advance(61_000);
    s.events.length = 0;
    s.api.hang();
    s.api.remove('a');
    s.api.put('b');
    s.api.put('c');
    s.api.compact();
    s.api.end('closed');
    await settle();
    expect(names(s.informer)).toEqual(['b', 'c']);
    // Whatever the order: the deletion, the change and the new one.
    expect(s.events.toSorted()).toEqual(['+c', '-a', '~b']);
    expect(await s.restarts('expired')).toBe(1);
  });

  test('a server that is back after an outage and has forgotten our position costs no further pause', async () => {
    await using s = stage();
    s.api.put('a');
    s.start();
    await settle();
    for (let i = 0; i < 8; i++) s.api.listErrors.push(unavailable());
    s.api.end('broken');
    await s.clock.advance(20_000);
    s.api.listErrors.length = 0;
    s.api.put('b');
    s.api.compact();
    await s.clock.advance(5_000);
    expect(names(s.informer)).toEqual(['a', 'b']);
    expect(await s.restarts('expired')).toBe(1);
  });

  test('a server that says "too old" again and again is not asked ever faster', async () => {
    await using s = stage();
    for (let i = 0; i < 1_000; i++) s.api.watchErrors.push(expired());
    s.start();
    await s.clock.advance(10 * 60_000);
    const lists = s.api.calls.filter((call) => call === 'list').length;
    expect(lists).toBeGreaterThan(10);
    expect(lists).toBeLessThan(50);
    s.api.watchErrors.length = 0;
    s.api.put('a');
    await s.clock.advance(31_000);
    expect(names(s.informer)).toEqual(['a']);
  });

  test('a watch that ends at once again and again does not spin', async () => {
    await using s = stage();
    s.start();
    for (let i = 0; i < 600; i++) {
      await s.clock.advance(500);
      s.api.end('closed');
    }
    expect(s.api.calls.filter((call) => call.startsWith('watch')).length).toBeLessThan(40);
  });

  test('a list whose pages are too old is read in one', async () => {
    await using s = stage();
    for (let i = 0; i < 10; i++) s.api.put(`pod-${i}`);
    s.api.pageSize = 3;
    let page = 0;
    s.api.beforePage = async () => {
      if (++page !== 2) return;
      s.api.put('late');
      s.api.compact();
    };
    s.start();
    await settle();
    expect(s.api.calls.slice(0, 4)).toEqual(['list', 'list?continue', 'list?continue', 'list?all']);
    expect(s.informer.size).toBe(11);
  });

  test('an API server that is away is asked again and again, and is noticed within seconds of its return', async () => {
    await using s = stage();
    const away = (): ZoneletError => unavailable();
    for (let i = 0; i < 10_000; i++) s.api.listErrors.push(away());
    s.start();
    await s.clock.advance(3_600_000);
    expect(s.informer.hasSynced).toBe(false);
    const asked = s.api.calls.length;
    expect(asked).toBeGreaterThan(600);
    expect(asked).toBeLessThan(1_500);
    s.api.listErrors.length = 0;
    s.api.put('a');
    await s.clock.advance(5_000);
    expect(names(s.informer)).toEqual(['a']);
  });

  test('a refusal is asked about at most every 15 to 30 seconds in the end; advice on when to come back is heeded', async () => {
    await using s = stage();
    for (let i = 0; i < 100; i++) s.api.listErrors.push(new ApiError('Forbidden', 403, { reason: 'Forbidden' }));
    s.start();
    await s.clock.advance(600_000);
    expect(s.api.calls.length).toBeGreaterThan(20);
    expect(s.api.calls.length).toBeLessThan(50);
    const before = s.api.calls.length;
    s.api.listErrors.splice(0, 100, new ApiError('Throttled', 429, {}, { retryAfterMs: 120_000 }));
    await s.clock.advance(31_000);
    expect(s.api.calls.length).toBe(before + 1);
    await s.clock.advance(118_000);
    expect(s.informer.hasSynced).toBe(true);
  });

  test('a server restored from a backup is believed, once it says so twice', async () => {
    await using s = stage();
    s.api.put('kept');
    const restore = s.api.save();
    s.start();
    await settle();
    for (let i = 0; i < 20; i++) s.api.put('lost');
    s.api.put('kept');
    await s.clock.advance(61_000);
    expect(names(s.informer)).toEqual(['kept', 'lost']);
    restore();
    await s.clock.advance(5_000);
    expect(names(s.informer)).toEqual(['kept']);
    expect(await s.restarts('regressed')).toBe(1);
    // Its further history is followed although its versions are lower than those seen before.
    s.api.put('new');
    await settle();
    expect(names(s.informer)).toEqual(['kept', 'new']);
  });

  test('a restored server behind a connection that did not break is noticed by its silence', async () => {
    await using s = stage();
    const restore = s.api.save();
    s.start();
    await settle();
    s.api.put('lost');
    s.api.touch(1_000);
    await s.clock.advance(61_000);
    restore();
    // The proxy in between keeps the position: the next watch is accepted, and says nothing.
    s.api.put('new');
    await s.clock.advance(400_000);
    expect(names(s.informer)).toEqual(['new']);
  });

  describe('refresh', () => {
    test('makes the cache as fresh as a read begun now, while the watch lags', async () => {
      await using s = stage();
      s.api.put('a');
      s.start();
      await settle();
      s.api.hang();
      s.api.put('b');
      s.api.remove('a');
      await settle();
      expect(names(s.informer)).toEqual(['a']);
      await s.informer.refresh();
      expect(names(s.informer)).toEqual(['b']);
    });

    test('loses nothing that the watch brought while the list was on its way', async () => {
      await using s = stage();
      s.api.put('a');
      s.start();
      await settle();
      const gate = Promise.withResolvers<void>();
      s.api.beforePage = () => gate.promise;
      const refreshed = s.informer.refresh();
      await settle();
      // After the list was taken, before it arrives.
      s.api.remove('a');
      s.api.put('b');
      await settle();
      expect(names(s.informer)).toEqual(['b']);
      s.events.length = 0;
      gate.resolve();
      await refreshed;
      await settle();
      expect(names(s.informer)).toEqual(['b']);
      expect(s.events).toEqual([]);
      s.api.put('c');
      await settle();
      expect(names(s.informer)).toEqual(['b', 'c']);
    });

    test('fails as the read fails, and changes nothing', async () => {
      await using s = stage();
      s.api.put('a');
      s.start();
      await settle();
      s.api.listErrors.push(unavailable());
      await expect(s.informer.refresh()).rejects.toMatchObject({ code: 'Unavailable' });
      expect(names(s.informer)).toEqual(['a']);
      const stop = new AbortController();
      stop.abort();
      await expect(s.informer.refresh(stop.signal)).rejects.toMatchObject({ code: 'Aborted' });
    });
  });

  test('waiting for the first list can be given up', async () => {
    await using s = stage();
    s.api.listErrors.push(unavailable());
    s.start();
    const stop = new AbortController();
    const waiting = s.informer.synced(stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'Aborted' });
    await s.clock.advance(1_000);
    await s.informer.synced(new AbortController().signal);
  });

  test('returns when told to, from a watch and from a pause, and leaves no timer behind', async () => {
    for (const failing of [false, true]) {
      const s = stage();
      if (failing) s.api.listErrors.push(unavailable());
      s.start();
      await settle();
      await s[Symbol.asyncDispose]();
      await settle();
      expect(s.clock.pending).toBe(0);
      expect(s.api.watches).toBe(0);
    }
  });

  test('what is kept can be changed on arrival, with what was kept before at hand', async () => {
    const seen: (string | undefined)[] = [];
    await using s = stage({
      transform(pod, before) {
        seen.push(before?.metadata?.uid);
        if (pod.metadata?.name === 'odd') throw new TypeError('a defect');
        return before?.spec === undefined ? pod : { ...pod, spec: before.spec };
      },
    });
    const spec = { containers: [{ name: 'main' }] };
    s.api.put('a', 'yes', { spec });
    s.start();
    await settle();
    const before = s.informer.get('ns/a')?.spec;
    s.api.put('a', 'yes', { spec });
    s.api.put('odd');
    await settle();
    expect(s.informer.get('ns/a')?.spec).toBe(before);
    expect(seen).toEqual([undefined, 'uid-1', undefined]);
    // A defect of the transform costs its saving, not the object.
    expect(names(s.informer)).toEqual(['a', 'odd']);
  });

  test('whatever happens to server and connections: the cache is always some moment of the server, never an earlier one again, and in the end the last', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('put' as const), name, on: fc.constantFrom('yes', 'no') }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), name }) },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom(
            'settle',
            'broken',
            'closed',
            'hang',
            'compact',
            'touch',
            'refresh',
            'listFails',
            'watchFails',
            'slow',
            'fast',
          ),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer(), async (steps, seed) => {
        await using s = stage({}, seed);
        const { api, informer, clock } = s;
        api.pageSize = 2;
        let last = 0;
        const refreshes: Promise<unknown>[] = [];
        const check = (): void => {
          if (!informer.hasSynced) return;
          const text = canonical(informer.list());
          const found = api.states.findIndex((state, i) => i >= last && state.text === text);
          expect(found, `not a moment of the server at or after ${last}:\n${text}`).toBeGreaterThanOrEqual(0);
          last = found;
        };
        s.start();
        for (const one of steps) {
          if (one.kind === 'put') api.put(one.name, one.on);
          else if (one.kind === 'remove') api.remove(one.name);
          else if (one.kind === 'advance') await clock.advance(one.ms);
          else if (one.kind === 'settle') await settle();
          else if (one.kind === 'broken' || one.kind === 'closed') api.end(one.kind);
          else if (one.kind === 'hang') api.hang();
          else if (one.kind === 'compact') api.compact();
          else if (one.kind === 'touch') api.touch(3);
          else if (one.kind === 'refresh') refreshes.push(informer.refresh().catch(() => {}));
          else if (one.kind === 'listFails') api.listErrors.push(unavailable());
          else if (one.kind === 'watchFails') api.watchErrors.push(expired());
          else if (one.kind === 'slow') {
            api.beforePage = () => new Promise((resolve) => clock.setTimer(20_000, resolve));
          } else api.beforePage = async () => {};
          check();
        }
        api.beforePage = async () => {};
        await clock.advance(15 * 60_000);
        check();
        expect(canonical(informer.list())).toBe(api.text());
        const asked = api.calls.length;
        await clock.advance(30 * 60_000);
        // Quiet again: nothing but a watch every 5 to 10 minutes.
        expect(api.calls.length - asked).toBeLessThanOrEqual(7);
        await Promise.all(refreshes);
      }),
      { numRuns: 60 },
    );
  });
});
