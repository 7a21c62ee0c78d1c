import { describe, expect, test } from 'vitest';
import type { Node } from '../../../src/kube/types.ts';
import { settle } from '../../support/virtual-clock.ts';
import { stage, testPod } from './stage.ts';

const node: Node = {
  metadata: { name: 'demo-zone-a', labels: { 'topology.kubernetes.io/zone': 'zone-a', tier: '3' } },
  status: { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } },
};

describe('a pod that no scheduler has fitted in', () => {
  test('is Failed as a kubelet would have it when its requests do not fit, and what runs goes on', async () => {
    const { api, lead, calls, events } = stage({ node });
    const leader = await lead();
    api.put(testPod('a'));
    api.put(testPod('b'));
    await settle();
    api.put(testPod('c'));
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(api.pod('b')?.status?.phase).toBe('Running');
    expect(api.pod('c')?.status).toMatchObject({
      phase: 'Failed',
      reason: 'OutOfcpu',
      message: "Node didn't have enough resource: cpu, requested: 500, used: 1000, capacity: 1000",
    });
    expect(api.pod('c')?.status?.containerStatuses).toBeUndefined();
    expect(events.filter(({ uid }) => uid === 'uid-c').map(({ reason }) => reason)).toEqual(['OutOfcpu']);
    expect(calls.filter(({ op }) => op === 'create').map(({ uid }) => uid)).toEqual(['uid-a', 'uid-b']);
    await leader.kill();
  });

  test('gets the room of one that has gone', async () => {
    const { api, lead, clock } = stage({ node });
    const leader = await lead();
    for (const name of ['a', 'b']) api.put(testPod(name));
    await settle();
    api.deletePod('a', 0);
    await clock.advance(2_000);
    expect(api.pod('a')).toBeUndefined();
    api.put(testPod('c'));
    await settle();
    expect(api.pod('c')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('a new leader counts what runs before it admits anything, and throws nothing out', async () => {
    const full: Node = { ...node, status: { allocatable: { cpu: '1', memory: '1Gi', pods: '2' } } };
    const { api, lead } = stage({ node: full });
    const first = await lead();
    for (const name of ['a', 'b']) api.put(testPod(name));
    await settle();
    await first.kill();
    api.put(testPod('c'));
    full.status = { allocatable: { cpu: '1', memory: '1Gi', pods: '1' } };
    const second = await lead();
    await settle();
    expect(['a', 'b'].map((name) => api.pod(name)?.status?.phase)).toEqual(['Running', 'Running']);
    expect(api.pod('c')?.status).toMatchObject({ phase: 'Failed', reason: 'OutOfpods' });
    await second.kill();
  });

  test.each([
    ['a node selector', { nodeSelector: { 'topology.kubernetes.io/zone': 'zone-b' } }, 'Failed'],
    ['a node selector that fits', { nodeSelector: { 'topology.kubernetes.io/zone': 'zone-a' } }, 'Running'],
    ['an affinity to other nodes', affinity('tier', 'Gt', ['3']), 'Failed'],
    ['an affinity that fits', affinity('tier', 'Gt', ['2']), 'Running'],
  ])('%s', async (_, spec, phase) => {
    const { api, lead } = stage({ node });
    const leader = await lead();
    api.put(testPod('a', spec));
    await settle();
    expect(api.pod('a')?.status?.phase).toBe(phase);
    if (phase === 'Failed') expect(api.pod('a')?.status?.reason).toBe('NodeAffinity');
    await leader.kill();
  });
});

function affinity(key: string, operator: string, values: string[]) {
  const nodeSelectorTerms = [{ matchExpressions: [{ key, operator, values }] }];
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
}
