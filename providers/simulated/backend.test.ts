import { describe, expect, it } from 'vitest';
import type { ResolvedPod } from '../../src/provider/contract.ts';
import { settle, VirtualClock } from '../../test/support/virtual-clock.ts';
import { createAddressPool } from './address-pool.ts';
import type { PodBehaviour } from './behaviour.ts';
import { createSimulatedBackend, createSimulatedProvider } from './provider.ts';

const OWNER = 'cluster/demo';
const FENCE = { owner: OWNER, zone: 'zone-a', epoch: 1, holder: 'replica-0' };

function setUp(behaviour: PodBehaviour = {}, podCIDR?: string) {
  const clock = new VirtualClock();
  const backend = createSimulatedBackend({
    zone: 'zone-a',
    clock,
    behave: () => behaviour,
    ...(podCIDR === undefined ? {} : { podCIDR }),
  });
  const main = (uid: string) => backend.get(OWNER, uid)?.observation.containers[0];
  return { clock, backend, main };
}

function pod(uid: string, restartPolicy = 'Always', image = 'i:1'): ResolvedPod {
  const ref = { uid, namespace: 'default', name: uid };
  const spec = { restartPolicy, containers: [{ name: 'main', image }] };
  return { ref, pod: { metadata: ref, spec }, env: {}, volumes: {}, pullSecrets: [], hash: image };
}

describe('a create that was long on its way', () => {
  it('does not bring back a pod that was deleted', () => {
    const { backend } = setUp();
    backend.create(pod('a'), FENCE);
    backend.delete(pod('a').ref, 0, FENCE);
    expect(() => backend.create(pod('a'), FENCE)).toThrow('was deleted');
    expect(backend.size).toBe(0);
  });

  it('does not create what was deleted before it came', () => {
    const { backend } = setUp();
    expect(backend.delete(pod('a').ref, 0, FENCE)).toEqual({ state: 'gone' });
    expect(() => backend.create(pod('a'), FENCE)).toThrow('was deleted');
  });
});

describe('simulated pods', () => {
  it('run at once, each with an address of its own', () => {
    const { backend } = setUp();
    const addresses = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const { observation } = backend.create(pod(`p${i}`), FENCE).pod;
      expect(observation.containers[0]?.state.running).toBeDefined();
      expect(observation.podIPs[0]).toMatch(/^198\.1[89]\.\d+\.\d+$/);
      addresses.add(observation.podIPs[0] ?? '');
    }
    expect(addresses.size).toBe(2000);
  });

  it('start after their delay', async () => {
    const { backend, clock, main } = setUp({ startDelayMs: 500 });
    expect(backend.create(pod('a'), FENCE).pod.observation.containers[0]?.state).toEqual({
      waiting: { reason: 'ContainerCreating' },
    });
    await clock.advance(499);
    expect(main('a')?.state.running).toBeUndefined();
    await clock.advance(1);
    expect(main('a')?.state.running).toBeDefined();
  });

  it.each([
    ['Never', 0, 0],
    ['Never', 1, 0],
    ['OnFailure', 0, 0],
    ['OnFailure', 1, 1],
    ['Always', 0, 1],
  ])('with restartPolicy %s and exit code %i are restarted %i times', (policy, code, restarts) => {
    const { backend, main } = setUp();
    backend.create(pod('a', policy), FENCE);
    backend.exit(OWNER, 'a', 'main', code);
    expect(main('a')).toMatchObject({ restartCount: restarts });
    const ended = restarts === 0 ? main('a')?.state : main('a')?.lastState;
    expect(ended?.terminated?.exitCode).toBe(code);
  });

  it('that crash again and again wait longer each time', async () => {
    const { backend, clock, main } = setUp({ exit: { afterMs: 100, code: 1 } });
    backend.create(pod('a'), FENCE);
    await clock.advance(200);
    expect(main('a')?.state.waiting?.reason).toBe('CrashLoopBackOff');
    expect(main('a')?.lastState?.terminated?.exitCode).toBe(1);
    await clock.advance(10_000);
    expect(main('a')?.restartCount).toBe(2);
    await clock.advance(19_000);
    expect(main('a')?.restartCount).toBe(2);
    await clock.advance(1100);
    expect(main('a')?.restartCount).toBe(3);
  });

  it('leave no timer behind when they are deleted', async () => {
    const { backend, clock } = setUp({ startDelayMs: 500, exit: { afterMs: 100, code: 1 } });
    backend.create(pod('a'), FENCE);
    backend.delete(pod('a').ref, 30, FENCE);
    const waiting = clock.pending;
    expect({ waiting, size: backend.size }).toEqual({ waiting: 0, size: 0 });
  });

  it('get a freed address only when there is no new one', () => {
    const pool = createAddressPool('10.0.0.0/30', 0);
    const first = pool.take();
    pool.release(first);
    expect(pool.take()).not.toBe(first);
    expect(pool.take()).toBe(first);
    expect(() => pool.take()).toThrow(/every address of 10\.0\.0\.0\/30 is taken/);
  });
});

describe('a simulated watch', () => {
  it('keeps no more for a slow reader than there are pods', async () => {
    const { backend, clock } = setUp();
    const provider = createSimulatedProvider(backend, clock);
    const stop = new AbortController();
    const events = provider.watch(OWNER, stop.signal)[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ type: 'sync-start' });
    expect((await events.next()).value).toEqual({ type: 'sync-end', complete: true });
    backend.create(pod('a'), FENCE);
    for (let i = 0; i < 100; i++) backend.update(pod('a', 'Always', `i:${i}`), FENCE);
    const rest: unknown[] = [];
    const reading = (async () => {
      for (let step = await events.next(); step.done !== true; step = await events.next()) rest.push(step.value);
    })();
    await settle();
    stop.abort();
    await reading;
    expect(rest).toHaveLength(1);
    expect(rest[0]).toMatchObject({ pod: { hash: 'i:99' } });
  });
});
