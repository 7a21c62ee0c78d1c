import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import { ApiError, type KubeClient, type ObjectName, type Patch } from '../../../src/kube/client.ts';
import { createEventRecorder, type EventWriter } from '../../../src/kube/event-recorder.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { Event, KubeObject, Pod } from '../../../src/kube/types.ts';
import { silentLogger } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import { seededRandom, settle, VirtualClock } from '../../support/virtual-clock.ts';

const POD: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1', namespace: 'shop', uid: 'uid-1', resourceVersion: '7', labels: { big: 'x' } },
  spec: { containers: [{ name: 'main' }] },
};

/** Keeps Events as an API server does. */
class EventApi {
  readonly events = new Map<string, Event>();
  readonly writes: string[] = [];
  /** What comes before each write, by its number from 0. */
  before: (write: number) => Promise<void> = async () => {};
  active = 0;
  most = 0;

  readonly client = {
    create: async (_: Resource<Event>, event: Event, { signal }: { signal?: AbortSignal } = {}) => {
      const key = `${event.metadata.namespace}/${event.metadata.name}`;
      await this.#write(`create ${event.reason} x${event.count}`, signal);
      if (this.events.has(key)) throw new ApiError('Conflict', 409, { reason: 'AlreadyExists' });
      this.events.set(key, structuredClone(event));
      return event;
    },
    patch: async (_: Resource<Event>, at: ObjectName, { body }: Patch, { signal }: { signal?: AbortSignal } = {}) => {
      const key = `${at.namespace}/${at.name}`;
      await this.#write(`patch x${(body as Event).count}`, signal);
      const event = this.events.get(key);
      if (event === undefined) throw new ApiError('NotFound', 404, { reason: 'NotFound' });
      Object.assign(event, body);
      return event;
    },
  } as unknown as KubeClient;

  async #write(what: string, signal: AbortSignal | undefined): Promise<void> {
    const number = this.writes.push(what) - 1;
    this.active++;
    this.most = Math.max(this.most, this.active);
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(new ZoneletError('Aborted', 'aborted'));
    signal?.addEventListener('abort', onAbort);
    try {
      await Promise.race([this.before(number), aborted.promise]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.active--;
    }
  }

  all(): Event[] {
    return [...this.events.values()];
  }
}

interface Stage {
  readonly clock: VirtualClock;
  readonly api: EventApi;
  readonly recorder: EventWriter;
  dropped(): Promise<number>;
  stop(): Promise<void>;
  readonly ended: Promise<void>;
}

function stage(): Stage {
  const clock = new VirtualClock();
  const api = new EventApi();
  const metrics = apiMetrics(new Registry());
  const recorder = createEventRecorder({
    client: api.client,
    clock,
    random: seededRandom(1),
    source: { component: 'zonelet', host: 'replica-0' },
    metrics,
    log: silentLogger,
  });
  const controller = new AbortController();
  const ended = recorder.run(controller.signal);
  return {
    clock,
    api,
    recorder,
    ended,
    dropped: async () => (await metrics.eventsDropped.get()).values[0]?.value ?? 0,
    async stop() {
      controller.abort();
      await ended;
    },
  };
}

function pod(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop', uid: `uid-${name}` } };
}

describe('event recorder', () => {
  test('writes an Event as kubectl describe reads it, with a reference and nothing more of the object', async () => {
    const s = stage();
    s.recorder.record(POD, 'Normal', 'Started', 'Started main');
    await settle();
    expect(s.api.all()).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: expect.stringMatching(/^web-1\.[0-9a-f]{16}$/), namespace: 'shop' },
        involvedObject: {
          apiVersion: 'v1',
          kind: 'Pod',
          name: 'web-1',
          namespace: 'shop',
          uid: 'uid-1',
          resourceVersion: '7',
        },
        type: 'Normal',
        reason: 'Started',
        message: 'Started main',
        count: 1,
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:00Z',
        source: { component: 'zonelet', host: 'replica-0' },
        reportingComponent: 'zonelet',
        reportingInstance: 'replica-0',
      },
    ]);
    await s.stop();
  });

  test('about what has no namespace goes to "default"; names and messages are cut to what the API takes', async () => {
    const s = stage();
    const name = 'n'.repeat(253);
    s.recorder.record(
      { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: 'u' } },
      'Warning',
      'Long',
      `x${'ä'.repeat(600)}`,
    );
    await settle();
    const [event] = s.api.all();
    expect(event?.metadata.namespace).toBe('default');
    expect(event?.involvedObject).toEqual({ apiVersion: 'v1', kind: 'Node', name, uid: 'u' });
    expect(event?.metadata.name?.length).toBeLessThanOrEqual(253);
    // 1 + 511 * 2 bytes: half a character is not kept.
    expect(event?.message).toBe(`x${'ä'.repeat(511)}`);
    await s.stop();
  });

  test('the same again within ten minutes raises the count; later it is a new Event', async () => {
    const s = stage();
    const record = (): void =>
      s.recorder.record(POD, 'Warning', 'BackOff', 'Back-off restarting failed container main');
    record();
    await s.clock.advance(9 * 60_000);
    record();
    record();
    await settle();
    expect(s.api.all()).toMatchObject([
      { count: 3, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:09:00Z' },
    ]);
    await s.clock.advance(11 * 60_000);
    record();
    await settle();
    expect(s.api.all().map(({ count }) => count)).toEqual([3, 1]);
    await s.stop();
  });

  test('what comes up many times while it waits costs one write', async () => {
    const s = stage();
    const gate = Promise.withResolvers<void>();
    s.api.before = () => gate.promise;
    for (let i = 0; i < 20; i++) {
      s.recorder.record(POD, 'Warning', 'BackOff', 'again');
      await settle();
    }
    gate.resolve();
    await settle();
    expect(s.api.writes).toEqual(['create BackOff x1', 'patch x20']);
    expect(s.api.all()).toMatchObject([{ count: 20 }]);
    await s.stop();
  });

  test('many messages under one reason become one Event after ten', async () => {
    const s = stage();
    for (let i = 0; i < 20; i++) {
      s.recorder.record(POD, 'Warning', 'Failed', `no luck with ${i}`);
      await settle();
    }
    const events = s.api.all();
    expect(events).toHaveLength(11);
    expect(events.at(-1)).toMatchObject({
      count: 10,
      message: '(combined from similar events): no luck with 19',
    });
    await s.stop();
  });

  test('one object has 25 at once, then one every five minutes; others are not affected', async () => {
    const s = stage();
    const write = async (about: KubeObject, n: number): Promise<void> => {
      for (let i = 0; i < n; i++) s.recorder.record(about, 'Normal', `Reason${i}`, 'text');
      await settle();
      await s.clock.advance(10_000);
    };
    await write(pod('noisy'), 40);
    await write(pod('quiet'), 2);
    const of = (name: string): number =>
      s.api.all().filter(({ involvedObject }) => involvedObject.name === name).length;
    expect([of('noisy'), of('quiet'), await s.dropped()]).toEqual([25, 2, 15]);
    await s.clock.advance(10 * 60_000);
    await write(pod('noisy'), 40);
    expect(of('noisy')).toBe(27);
    await s.stop();
  });

  test('a storm is written at 50 a second and two at a time; what is too much is dropped and counted', async () => {
    const s = stage();
    s.api.before = () => new Promise((resolve) => s.clock.setTimer(1, resolve));
    for (let i = 0; i < 3_000; i++) s.recorder.record(pod(`pod-${i}`), 'Normal', 'Started', 'text');
    expect(await s.dropped()).toBe(2_000);
    await s.clock.advance(5_000);
    expect(s.api.most).toBe(2);
    expect(s.api.events.size).toBeGreaterThanOrEqual(300);
    expect(s.api.events.size).toBeLessThanOrEqual(352);
    await s.clock.advance(20_000);
    expect(s.api.events.size).toBe(1_000);
    await s.stop();
  });

  test('an API server that is away is tried with pauses, and gets the Events on its return', async () => {
    const s = stage();
    s.api.before = async () => {
      throw new ZoneletError('Unavailable', 'connect ECONNREFUSED');
    };
    for (let i = 0; i < 5; i++) s.recorder.record(pod(`pod-${i}`), 'Normal', 'Started', 'text');
    await s.clock.advance(60_000);
    expect(s.api.writes.length).toBeLessThan(20);
    s.api.before = async () => {};
    await s.clock.advance(30_000);
    expect(s.api.events.size).toBe(5);
    expect(await s.dropped()).toBe(0);
    await s.stop();
  });

  test('a lost answer makes no second Event, and no lost count', async () => {
    const s = stage();
    s.api.before = async (write) => {
      if (write !== 0) return;
      // Carried out, and the answer lost.
      const name = 'web-1';
      s.recorder.record(POD, 'Normal', 'Started', 'Started main');
      throw new ZoneletError('Ambiguous', `no answer about ${name}`);
    };
    const create = s.api.client.create.bind(s.api.client);
    let first = true;
    Object.assign(s.api.client, {
      async create(of: Resource<Event>, event: Event, options: object) {
        if (first) {
          first = false;
          s.api.events.set(`shop/${event.metadata.name}`, structuredClone(event));
        }
        return await create(of, event, options);
      },
    });
    s.recorder.record(POD, 'Normal', 'Started', 'Started main');
    await s.clock.advance(5_000);
    expect(s.api.all()).toMatchObject([{ count: 2 }]);
    await s.stop();
  });

  test('an Event that was deleted meanwhile is made anew', async () => {
    const s = stage();
    s.recorder.record(POD, 'Normal', 'Started', 'text');
    await settle();
    s.api.events.clear();
    s.recorder.record(POD, 'Normal', 'Started', 'text');
    await settle();
    expect(s.api.all()).toMatchObject([{ count: 2 }]);
    await s.stop();
  });

  test('a refusal is not repeated', async () => {
    const s = stage();
    s.api.before = async () => {
      throw new ApiError('Forbidden', 403, { message: 'namespace is being terminated' });
    };
    s.recorder.record(POD, 'Normal', 'Killing', 'text');
    await s.clock.advance(600_000);
    expect(s.api.writes).toHaveLength(1);
    expect(await s.dropped()).toBe(1);
    await s.stop();
  });

  test('at its end it writes what still waits, without a pause', async () => {
    const s = stage();
    const gate = Promise.withResolvers<void>();
    s.api.before = () => gate.promise;
    for (let i = 0; i < 300; i++) s.recorder.record(pod(`pod-${i}`), 'Normal', 'Started', 'text');
    await settle();
    gate.resolve();
    await s.stop();
    expect(s.api.events.size).toBe(300);
    s.recorder.record(POD, 'Normal', 'Late', 'text');
    expect(await s.dropped()).toBe(1);
    expect(s.clock.pending).toBe(0);
  });

  test('an API server that does not answer holds the end up for a second, no longer', async () => {
    const s = stage();
    s.api.before = () => new Promise(() => {});
    for (let i = 0; i < 10; i++) s.recorder.record(pod(`pod-${i}`), 'Normal', 'Started', 'text');
    await settle();
    let over = false;
    const stopped = s.stop().then(() => {
      over = true;
    });
    await s.clock.advance(999);
    expect(over).toBe(false);
    await s.clock.advance(1);
    await stopped;
    expect(await s.dropped()).toBe(10);
    expect(s.clock.pending).toBe(0);
  });

  test('of idle writers none is forgotten', async () => {
    const s = stage();
    for (let i = 0; i < 20; i++) {
      s.recorder.record(pod(`a-${i}`), 'Normal', 'Started', 'text');
      if (i % 3 === 0) s.recorder.record(pod(`b-${i}`), 'Normal', 'Started', 'text');
      await settle();
    }
    expect(s.api.events.size).toBe(27);
    await s.stop();
  });
});
