import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { ZoneletError } from '../../../src/errors.ts';
import { createWorkQueue, type WorkQueue } from '../../../src/kube/work-queue.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { queueMetrics } from '../../../src/metrics/queue.ts';
import { seededRandom, settle, VirtualClock } from '../../support/virtual-clock.ts';

interface Stage {
  readonly clock: VirtualClock;
  readonly queue: WorkQueue;
  readonly registry: Registry;
  readonly stop: AbortController;
}

function stage(log: Logger = silentLogger, seed = 1): Stage {
  const clock = new VirtualClock();
  const registry = new Registry();
  const queue = createWorkQueue({ name: 'q', clock, random: seededRandom(seed), metrics: queueMetrics(registry), log });
  return { clock, queue, registry, stop: new AbortController() };
}

/** A handler whose every call waits until it is let go. */
function held(): {
  readonly begun: string[];
  readonly active: Map<string, () => void>;
  readonly handle: (key: string) => Promise<void>;
} {
  const begun: string[] = [];
  const active = new Map<string, () => void>();
  return {
    begun,
    active,
    handle(key) {
      begun.push(key);
      expect(active.has(key), `${key} is worked on twice at once`).toBe(false);
      return new Promise((resolve) =>
        active.set(key, () => {
          active.delete(key);
          resolve();
        }),
      );
    },
  };
}

describe('work queue', () => {
  test('a key that comes up many times while it waits is worked on once', async () => {
    const { queue, stop } = stage();
    for (let i = 0; i < 5; i++) queue.add('a');
    queue.add('b');
    expect(queue.depth).toBe(2);
    const done: string[] = [];
    const running = queue.run(1, async (key) => void done.push(key), stop.signal);
    await settle();
    expect(done).toEqual(['a', 'b']);
    expect(queue.depth).toBe(0);
    stop.abort();
    await running;
  });

  test('a key that comes up while it is worked on runs once more afterwards, never beside itself', async () => {
    const { queue, stop } = stage();
    const work = held();
    const running = queue.run(4, work.handle, stop.signal);
    queue.add('a');
    await settle();
    queue.add('a');
    queue.add('a');
    await settle();
    expect(work.begun).toEqual(['a']);
    work.active.get('a')?.();
    await settle();
    expect(work.begun).toEqual(['a', 'a']);
    work.active.get('a')?.();
    await settle();
    expect(work.begun).toEqual(['a', 'a']);
    stop.abort();
    await running;
  });

  test('no more than the given number of keys at a time, also when handlers add keys at once', async () => {
    const { queue, stop } = stage();
    const work = held();
    let next = 0;
    const running = queue.run(
      3,
      (key) => {
        if (next < 10) queue.add(`more-${next++}`);
        return work.handle(key);
      },
      stop.signal,
    );
    queue.add('a');
    queue.add('b');
    await settle();
    expect(work.active.size).toBe(3);
    while (work.active.size > 0) {
      expect(work.active.size).toBeLessThanOrEqual(3);
      for (const release of [...work.active.values()]) release();
      await settle();
    }
    expect(work.begun).toHaveLength(12);
    stop.abort();
    await running;
  });

  test('failed work is tried again after 5 ms doubling to 5 minutes, with jitter, for ever', async () => {
    const { clock, queue, stop } = stage();
    const at: number[] = [];
    const running = queue.run(
      1,
      async () => {
        at.push(clock.monotonic());
        throw new ZoneletError('Unavailable', 'no');
      },
      stop.signal,
    );
    queue.add('a');
    await clock.advance(2 * 3_600_000);
    const gaps = at.slice(1).map((t, i) => t - (at[i] ?? 0));
    gaps.forEach((gap, i) => {
      const back = Math.min(5 * 2 ** i, 300_000);
      expect(gap).toBeGreaterThanOrEqual(back / 2);
      expect(gap).toBeLessThanOrEqual(back);
    });
    // 17 doublings take less than 11 minutes; the rest comes at least every 5.
    expect(gaps.length).toBeGreaterThan(17 + 20);
    stop.abort();
    await running;
    expect(clock.pending).toBe(0);
  });

  test('what forgets its failures starts again at 5 ms', async () => {
    const { clock, queue, stop } = stage();
    const at: number[] = [];
    const running = queue.run(
      1,
      async (key) => {
        at.push(clock.monotonic());
        if (at.length === 8) queue.forget(key);
        throw new ZoneletError('Unavailable', 'no');
      },
      stop.signal,
    );
    queue.add('a');
    await clock.advance(1_000);
    expect((at[7] ?? 0) - (at[6] ?? 0)).toBeGreaterThanOrEqual(160);
    expect((at[8] ?? 0) - (at[7] ?? 0)).toBeLessThanOrEqual(5);
    stop.abort();
    await running;
  });

  test('an error that says when to come back is heeded', async () => {
    const { clock, queue, stop } = stage();
    const at: number[] = [];
    const running = queue.run(
      1,
      async () => {
        at.push(clock.monotonic());
        if (at.length === 1) throw new ZoneletError('Throttled', 'slow down', { retryAfterMs: 7_000 });
      },
      stop.signal,
    );
    queue.add('a');
    await clock.advance(6_999);
    expect(at).toHaveLength(1);
    await clock.advance(1_000);
    expect(at).toHaveLength(2);
    stop.abort();
    await running;
  });

  test('fresh work goes before retries, and does not starve them', async () => {
    const { clock, queue, stop } = stage();
    const done: string[] = [];
    const gate = held();
    let failing = true;
    const running = queue.run(
      1,
      async (key) => {
        if (key === 'gate') return gate.handle(key);
        done.push(key);
        if (failing && key.startsWith('bad')) throw new ZoneletError('Unavailable', 'no');
      },
      stop.signal,
    );
    for (let i = 0; i < 3; i++) queue.add(`bad-${i}`);
    await settle();
    queue.add('gate');
    await settle();
    await clock.advance(10);
    failing = false;
    done.length = 0;
    for (let i = 0; i < 40; i++) queue.add(`new-${i}`);
    expect(queue.depth).toBe(43);
    gate.active.get('gate')?.();
    await settle();
    expect(done).toHaveLength(43);
    expect(done.slice(0, 10).every((key) => key.startsWith('new'))).toBe(true);
    const retries = done.flatMap((key, i) => (key.startsWith('bad') ? [i] : []));
    expect(retries).toHaveLength(3);
    expect(retries[0]).toBeLessThan(20);
    stop.abort();
    await running;
  });

  test('news of a key that waits for its retry is worked on at once, and the retry is spared', async () => {
    const { clock, queue, stop } = stage();
    let tries = 0;
    const running = queue.run(
      1,
      async () => {
        if (tries++ < 10) throw new ZoneletError('Unavailable', 'no');
      },
      stop.signal,
    );
    queue.add('a');
    while (tries < 10) await clock.advance(50);
    queue.add('a');
    await settle();
    expect(tries).toBe(11);
    await clock.advance(600_000);
    expect(tries).toBe(11);
    stop.abort();
    await running;
  });

  test('of two times for the same key the earlier counts', async () => {
    const { clock, queue, stop } = stage();
    const at: number[] = [];
    const running = queue.run(1, async () => void at.push(clock.monotonic()), stop.signal);
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 300);
    expect(queue.depth).toBe(0);
    await clock.advance(1_000);
    expect(at).toEqual([100]);
    stop.abort();
    await running;
  });

  test('at its end it waits for what is under way, begins nothing, and calls no stopped term a fault', async () => {
    const warnings: string[] = [];
    const note = (_: object, message: string): void => void warnings.push(message);
    const { clock, queue, stop } = stage({ ...silentLogger, warn: note, error: note });
    const begun: string[] = [];
    const release = Promise.withResolvers<void>();
    let over = false;
    const running = queue
      .run(
        2,
        async (key, signal) => {
          begun.push(key);
          await release.promise;
          expect(signal.aborted).toBe(true);
          throw new ZoneletError(key === 'a' ? 'Fenced' : 'Aborted', 'the term is over');
        },
        stop.signal,
      )
      .then(() => {
        over = true;
      });
    for (const key of ['a', 'b', 'c']) queue.add(key);
    queue.addAfter('d', 1_000);
    await settle();
    stop.abort();
    await settle();
    expect(over).toBe(false);
    release.resolve();
    await running;
    queue.add('e');
    await clock.advance(10_000);
    expect(begun).toEqual(['a', 'b']);
    expect(warnings).toEqual([]);
    expect(queue.depth).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('a defect in a handler is told with its stack and tried again; others go on', async () => {
    const errors: object[] = [];
    const { clock, queue, stop } = stage({ ...silentLogger, error: (fields) => void errors.push(fields) });
    const done: string[] = [];
    const running = queue.run(
      1,
      (key) => {
        if (key === 'bad' && errors.length === 0) throw new TypeError('undefined is not a function');
        done.push(key);
        return Promise.resolve();
      },
      stop.signal,
    );
    queue.add('bad');
    queue.add('good');
    await clock.advance(10);
    expect(done).toEqual(['good', 'bad']);
    expect(errors).toMatchObject([{ key: 'bad', error: 'undefined is not a function', stack: expect.any(String) }]);
    stop.abort();
    await running;
  });

  test('work that never waits leaves the event loop free for others', async () => {
    const stop = new AbortController();
    const own = createWorkQueue({
      name: 'q',
      clock: systemClock,
      random: seededRandom(1),
      metrics: queueMetrics(new Registry()),
      log: silentLogger,
    });
    for (let i = 0; i < 100; i++) own.add(String(i));
    let done = 0;
    const running = own.run(
      1,
      async () => {
        const until = performance.now() + 1;
        while (performance.now() < until);
        done++;
      },
      stop.signal,
    );
    let doneAtFirstTurn = 0;
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        doneAtFirstTurn = done;
        resolve();
      }),
    );
    expect(doneAtFirstTurn).toBeLessThan(100);
    while (done < 100) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await running;
  });

  test('metrics say what waits, what came and what is tried again', async () => {
    const { clock, queue, registry, stop } = stage();
    expect(await registry.metrics()).toContain('workqueue_retries_total{name="q"} 0');
    const running = queue.run(
      1,
      async () => {
        throw new ZoneletError('Unavailable', 'no');
      },
      stop.signal,
    );
    queue.add('a');
    await clock.advance(5);
    const text = await registry.metrics();
    expect(text).toContain('workqueue_depth{name="q"} 0');
    expect(text).toContain('workqueue_adds_total{name="q"} 2');
    expect(text).toContain('workqueue_retries_total{name="q"} 2');
    expect(text).toContain('workqueue_queue_duration_seconds_count{name="q"} 2');
    stop.abort();
    await running;
  });

  test('whatever comes in whatever order: one at a time per key, nothing lost', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), key: fc.integer({ min: 0, max: 4 }) }),
      fc.record({
        kind: fc.constant('after' as const),
        key: fc.integer({ min: 0, max: 4 }),
        ms: fc.integer({ min: 0, max: 50 }),
      }),
      fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 40 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.integer(), async (steps, seed) => {
        const { clock, queue, stop } = stage(silentLogger, seed);
        const random = seededRandom(seed + 1);
        const active = new Set<string>();
        const wanted = new Map<string, number>();
        const lastGood = new Map<string, number>();
        const running = queue.run(
          2,
          async (key) => {
            expect(active.has(key)).toBe(false);
            active.add(key);
            const begun = clock.monotonic();
            await new Promise<void>((resolve) => clock.setTimer(Math.floor(random.next() * 10), resolve));
            active.delete(key);
            if (random.next() < 0.3) throw new ZoneletError('Unavailable', 'no');
            queue.forget(key);
            lastGood.set(key, begun);
          },
          stop.signal,
        );
        for (const s of steps) {
          if (s.kind === 'advance') await clock.advance(s.ms);
          else {
            const key = String(s.key);
            if (s.kind === 'add') queue.add(key);
            else queue.addAfter(key, s.ms);
            wanted.set(key, clock.monotonic());
          }
        }
        await clock.advance(3_600_000);
        // The last successful work on each key began no earlier than the last request for it.
        for (const [key, at] of wanted) expect(lastGood.get(key) ?? -1).toBeGreaterThanOrEqual(at);
        expect(queue.depth).toBe(0);
        stop.abort();
        await running;
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});
