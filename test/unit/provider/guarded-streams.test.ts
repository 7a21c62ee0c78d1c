import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import type { Term } from '../../../src/election/term.ts';
import { ZoneletError } from '../../../src/errors.ts';
import { silentLogger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import type { Provider } from '../../../src/provider/contract.ts';
import { createGuard } from '../../../src/provider/guard.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const OWNER = 'cluster/demo';
const NEVER = new AbortController().signal;
const ref = { uid: 'uid-1', namespace: 'default', name: 'web' };
const COMMAND = { command: ['x'], tty: false };

function setUp(change: Partial<Provider> = {}) {
  const clock = new VirtualClock();
  const inner = createSimulatedProvider(createSimulatedBackend({ zone: 'zone-a', clock }), clock);
  const metrics = createMetrics({ set: 'demo', version: '0', runtime: false });
  const guard = createGuard({
    provider: { ...inner, ...change },
    clock,
    metrics: metrics.provider,
    log: silentLogger,
  });
  const life = new AbortController();
  const term: Term = {
    zone: 'zone-a',
    epoch: 1,
    holder: 'replica-0',
    since: 0,
    leaderlessMs: undefined,
    cause: 'first',
    signal: life.signal,
    ending: NEVER,
    mayAct: () => !life.signal.aborted,
    remainingMs: () => 5000,
    handOver() {},
    stay() {},
    lose() {},
  };
  return { clock, guard, metrics, win: () => void guard.forTerm(term, OWNER), lose: () => life.abort() };
}

describe("a guarded provider's streams", () => {
  it('are for the leader alone', async () => {
    const { guard, win, lose } = setUp({
      exec: async () => ({ exitCode: 0 }),
      attach: async () => {},
      portForward: async () => new PassThrough(),
    });
    const all = async () =>
      await Promise.allSettled([
        guard.exec(OWNER, ref, 'main', COMMAND, {}, NEVER),
        guard.attach(OWNER, ref, 'main', {}, NEVER),
        guard.portForward(OWNER, ref, 80, NEVER),
      ]);
    const fenced = { status: 'rejected', reason: expect.objectContaining({ code: 'Fenced' }) };
    expect(await all()).toEqual([fenced, fenced, fenced]);
    win();
    expect((await all()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    lose();
    expect(await all()).toEqual([fenced, fenced, fenced]);
  });

  it('end with the term, also when the provider never settles', async () => {
    const { guard, clock, win, lose } = setUp({
      exec: () => new Promise(() => undefined),
      portForward: async () => new PassThrough(),
    });
    win();
    const running = guard.exec(OWNER, ref, 'main', COMMAND, {}, NEVER);
    running.catch(() => undefined);
    const connection = await guard.portForward(OWNER, ref, 80, NEVER);
    const broken = once(connection, 'error');
    // A command has no deadline.
    await clock.advance(24 * 3_600_000);
    lose();
    expect(await broken).toEqual([expect.objectContaining({ code: 'Fenced' })]);
    await clock.advance(100);
    await expect(running).rejects.toMatchObject({ code: 'Fenced', message: expect.stringContaining('try again') });
  });

  it('are let go when the client is gone', async () => {
    let told: AbortSignal | undefined;
    const { guard, clock, win } = setUp({
      exec(_owner, _ref, _container, _options, _streams, signal) {
        told = signal;
        return new Promise(() => undefined);
      },
    });
    win();
    const gone = new AbortController();
    const running = guard.exec(OWNER, ref, 'main', COMMAND, {}, gone.signal);
    running.catch(() => undefined);
    await settle();
    gone.abort();
    await clock.advance(100);
    await expect(running).rejects.toMatchObject({ code: 'Aborted' });
    expect(told?.aborted).toBe(true);
  });

  it('must open within the deadline of a call', async () => {
    const { guard, clock, win, metrics } = setUp({ portForward: () => new Promise(() => undefined) });
    win();
    const opening = guard.portForward(OWNER, ref, 80, NEVER);
    opening.catch(() => undefined);
    await clock.advance(10_100);
    await expect(opening).rejects.toMatchObject({ code: 'Unavailable' });
    expect(await metrics.registry.metrics()).toMatch(/operation_type="portForward".*code="Unavailable"/);
  });

  it.each([
    ['no exit code', async () => ({}) as never],
    ['a fraction', async () => ({ exitCode: 0.5 })],
    ['nothing', async () => undefined as never],
  ])('take %s for a broken answer', async (_what, exec) => {
    const { guard, win } = setUp({ exec });
    win();
    await expect(guard.exec(OWNER, ref, 'main', COMMAND, {}, NEVER)).rejects.toMatchObject({ code: 'Internal' });
  });

  it('are Unsupported where the provider says so, and its errors pass', async () => {
    const { guard, win } = setUp({
      attach: () => Promise.reject(new ZoneletError('Conflict', 'not running')),
      capabilities: {
        ...createSimulatedProvider(createSimulatedBackend({ zone: 'a', clock: new VirtualClock() }), new VirtualClock())
          .capabilities,
        exec: false,
      },
    });
    win();
    await expect(guard.exec(OWNER, ref, 'main', COMMAND, {}, NEVER)).rejects.toMatchObject({ code: 'Unsupported' });
    await expect(guard.attach(OWNER, ref, 'main', {}, NEVER)).rejects.toMatchObject({ code: 'Conflict' });
  });
});
