import { describe, expect, it } from 'vitest';
import { aborted, type Group, type Part, runLifecycle } from '../../src/lifecycle.ts';
import { silentLogger } from '../../src/log.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

function scene() {
  const events: string[] = [];
  const clock = new VirtualClock();
  const stop = new AbortController();
  const halt = new AbortController();
  const part = (name: string, windDown?: (clock: VirtualClock) => Promise<void>): Part => ({
    name,
    async run(signal, ready) {
      events.push(`${name} starts`);
      ready();
      await aborted(signal);
      await windDown?.(clock);
      events.push(`${name} stopped`);
    },
  });
  const run = (...groups: Group[]) =>
    runLifecycle({ groups, stop: stop.signal, halt: halt.signal, clock, log: silentLogger });
  return { events, clock, stop, halt, part, run };
}

const never = (): Promise<void> => new Promise(() => {});

describe('the lifecycle of a process', () => {
  it('starts groups in order and stops them in reverse', async () => {
    const { events, stop, part, run } = scene();
    const result = run(
      { name: 'servers', parts: [part('http')] },
      { name: 'caches', parts: [part('pods'), part('nodes')] },
      { name: 'leaders', parts: [part('zone-a')] },
    );
    await settle();
    expect(events).toEqual(['http starts', 'pods starts', 'nodes starts', 'zone-a starts']);
    events.length = 0;
    stop.abort();
    expect(await result).toEqual({ abandoned: [] });
    expect(events).toEqual(['zone-a stopped', 'pods stopped', 'nodes stopped', 'http stopped']);
  });

  it('does not start a group before the one before it is ready', async () => {
    const { events, stop, part, run } = scene();
    let ready = (): void => {};
    const slow: Part = {
      name: 'cache',
      run: (signal, onReady) => {
        ready = onReady;
        return aborted(signal);
      },
    };
    const result = run({ name: 'caches', parts: [slow] }, { name: 'leaders', parts: [part('zone-a')] });
    await settle();
    expect(events).toEqual([]);
    ready();
    await settle();
    expect(events).toEqual(['zone-a starts']);
    stop.abort();
    await result;
  });

  it('stops what has started when it is stopped while starting', async () => {
    const { events, stop, part, run } = scene();
    const stuck: Part = { name: 'cache', run: (signal) => aborted(signal) };
    const result = run(
      { name: 'servers', parts: [part('http')] },
      { name: 'caches', parts: [stuck] },
      { name: 'leaders', parts: [part('zone-a')] },
    );
    await settle();
    stop.abort();
    expect(await result).toEqual({ abandoned: [] });
    expect(events).toEqual(['http starts', 'http stopped']);
  });

  it('leaves a part behind that does not stop in the time of its group, and goes on', async () => {
    const { events, clock, stop, part, run } = scene();
    const result = run(
      { name: 'servers', parts: [part('http')] },
      { name: 'leaders', parts: [part('zone-a', never)], stopTimeoutMs: 2000 },
    );
    await settle();
    stop.abort();
    await clock.advance(1999);
    expect(events).not.toContain('http stopped');
    await clock.advance(1);
    expect(await result).toEqual({ abandoned: ['zone-a'] });
    expect(events).toContain('http stopped');
    expect(clock.pending).toBe(0);
  });

  it('waits for nothing after a second signal', async () => {
    const { stop, halt, part, run } = scene();
    const result = run({ name: 'leaders', parts: [part('zone-a', never), part('zone-b')] });
    await settle();
    stop.abort();
    await settle();
    halt.abort();
    expect(await result).toEqual({ abandoned: ['zone-a'] });
  });

  it('stops everything when a part fails, and says which', async () => {
    const { events, part, run } = scene();
    const boom = new Error('the port is taken');
    const broken: Part = { name: 'kubelet', run: () => Promise.reject(boom) };
    const result = await run({ name: 'servers', parts: [part('http')] }, { name: 'more', parts: [broken] });
    expect(result).toEqual({ failure: { part: 'kubelet', error: boom }, abandoned: [] });
    expect(events).toEqual(['http starts', 'http stopped']);
  });

  it('takes a part that ends by itself for a failure', async () => {
    const { run } = scene();
    const result = await run({ name: 'servers', parts: [{ name: 'http', run: async () => {} }] });
    expect(result.failure?.part).toBe('http');
  });
});
