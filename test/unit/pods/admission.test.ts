import { describe, expect, test } from 'vitest';
import type { Node } from '../../../src/kube/types.ts';
import { NOTHING_OF_THE_HOST } from '../../../src/pods/host-policy.ts';
import { settle } from '../../support/virtual-clock.ts';
import { stage, testPod } from './stage.ts';

const node: Node = {
  metadata: {
    name: 'demo-zone-a',
    labels: {
      'topology.kubernetes.io/zone': 'zone-a',
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'arm64',
      tier: '3',
    },
  },
  status: { capacity: { cpu: '1', memory: '1Gi', pods: '10' } },
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
      message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 500, used: 1000, capacity: 1000",
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
    const full: Node = { ...node, status: { capacity: { cpu: '1', memory: '1Gi', pods: '2' } } };
    const { api, lead } = stage({ node: full });
    const first = await lead();
    for (const name of ['a', 'b']) api.put(testPod(name));
    await settle();
    await first.kill();
    api.put(testPod('c'));
    full.status = { capacity: { cpu: '1', memory: '1Gi', pods: '1' } };
    const second = await lead();
    await settle();
    expect(['a', 'b'].map((name) => api.pod(name)?.status?.phase)).toEqual(['Running', 'Running']);
    expect(api.pod('c')?.status).toMatchObject({ phase: 'Failed', reason: 'OutOfpods' });
    await second.kill();
  });

  test('has the room of the capacity, also while the node offers less to schedulers', async () => {
    const shrunk = { ...node, status: { ...node.status, allocatable: { cpu: '0', memory: '0', pods: '0' } } };
    const { api, lead } = stage({ node: shrunk });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('is admitted while nothing is known of the capacity', async () => {
    const { api, lead } = stage({ node: { ...node, status: {} } });
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  const asking = (requests: Record<string, string>) => ({
    containers: [{ name: 'main', image: 'i', resources: { requests } }],
  });
  test.each([
    [
      'more memory than there is',
      asking({ memory: '2Gi' }),
      'OutOfmemory',
      /memory, requested: 2147483648, used: 0, capacity: 1073741824$/,
    ],
    [
      'too much of everything: CPU is told first',
      asking({ 'ephemeral-storage': '1Gi', memory: '2Gi', cpu: '3' }),
      'OutOfcpu',
      /cpu, requested: 3000,/,
    ],
    [
      'disk that the node does not have',
      asking({ 'ephemeral-storage': '1Gi' }),
      'OutOfephemeral-storage',
      /capacity: 0$/,
    ],
    ['huge pages', asking({ 'hugepages-2Mi': '2Mi' }), 'OutOfhugepages-2Mi', /capacity: 0$/],
    [
      'another operating system',
      { os: { name: 'windows' } },
      'PodOSNotSupported',
      /^Pod was rejected: Failed to admit pod as the OS field doesn't match node OS$/,
    ],
    [
      'another architecture',
      { nodeSelector: { 'kubernetes.io/arch': 'amd64' } },
      'NodeAffinity',
      /^Pod was rejected: Predicate NodeAffinity failed: node\(s\) didn't match Pod's node affinity\/selector$/,
    ],
    [
      'strict groups',
      { securityContext: { supplementalGroupsPolicy: 'Strict' } },
      'SupplementalGroupsPolicyNotSupported',
      /SupplementalGroupsPolicy=Strict is not supported in this node$/,
    ],
  ])('with %s is refused in the words of a kubelet', async (_, spec, reason, message) => {
    const { api, lead, calls } = stage({ node });
    const leader = await lead();
    api.put(testPod('a', spec));
    await settle();
    expect(api.pod('a')?.status).toMatchObject({ phase: 'Failed', reason, message: expect.stringMatching(message) });
    expect(calls.some(({ op }) => op === 'create')).toBe(false);
    await leader.kill();
  });

  test('may ask for what the cluster knows and the node does not', async () => {
    const { api, lead } = stage({ node });
    const leader = await lead();
    api.put(testPod('a', asking({ 'example.com/licence': '1' })));
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('by its label for another operating system is refused', async () => {
    const { api, lead } = stage({ node });
    const leader = await lead();
    const pod = testPod('a');
    api.put({ ...pod, metadata: { ...pod.metadata, labels: { 'kubernetes.io/os': 'windows' } } });
    await settle();
    expect(api.pod('a')?.status?.reason).toBe('PodOSSelectorNodeLabelDoesNotMatch');
    await leader.kill();
  });

  test('does not stay where it does not tolerate to be', async () => {
    const taints = [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }];
    const { api, lead } = stage({ node: { ...node, spec: { taints } } });
    const leader = await lead();
    api.put(testPod('a'));
    api.put(testPod('b', { tolerations: [{ operator: 'Exists' }] }));
    await settle();
    expect(api.pod('a')?.status).toMatchObject({
      phase: 'Failed',
      reason: 'TaintToleration',
      message: "Pod was rejected: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
    });
    expect(api.pod('b')?.status?.phase).toBe('Running');
    await leader.kill();
  });

  test('does not get a port of the host that another one has, until that one is gone', async () => {
    const hostPolicy = { ...NOTHING_OF_THE_HOST, hostPorts: true };
    const { api, lead, clock } = stage({ node, hostPolicy });
    const leader = await lead();
    const on = (hostPort: number, more: { hostIP?: string; protocol?: string } = {}) => ({
      containers: [{ name: 'main', image: 'i', ports: [{ containerPort: 80, hostPort, ...more }] }],
    });
    api.put(testPod('a', on(8080)));
    await settle();
    api.put(testPod('same', on(8080, { hostIP: '127.0.0.1' })));
    api.put(testPod('udp', on(8080, { protocol: 'UDP' })));
    await settle();
    expect(api.pod('same')?.status).toMatchObject({
      phase: 'Failed',
      reason: 'NodePorts',
      message: expect.stringContaining("didn't have free ports for the requested pod ports"),
    });
    expect(api.pod('udp')?.status?.phase).toBe('Running');
    api.deletePod('a', 0);
    await clock.advance(2_000);
    api.put(testPod('later', on(8080)));
    await settle();
    expect(api.pod('later')?.status?.phase).toBe('Running');
    await leader.kill();
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
