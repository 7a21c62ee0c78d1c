import { describe, expect, it } from 'vitest';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { resourceMetrics } from '../../../src/kubelet/resource-metrics.ts';
import { createUsage, onlyCpuAndMemory } from '../../../src/kubelet/summary.ts';
import type { PodStats } from '../../../src/provider/contract.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const OWNER = 'cluster/demo';
const NEVER = new AbortController().signal;

function newPod(name: string, spec: Partial<NonNullable<Pod['spec']>> = {}): Pod & { metadata: { uid: string } } {
  return {
    metadata: { uid: `uid-${name}`, namespace: 'default', name },
    spec: { containers: [{ name: 'main', image: 'i' }], ...spec },
  };
}

function setUp() {
  const clock = new VirtualClock();
  const backend = createSimulatedBackend({ zone: 'zone-a', clock });
  const provider = createSimulatedProvider(backend, clock);
  const bound: Pod[] = [];
  let asked = 0;
  const usage = createUsage({
    nodeName: 'demo-zone-a',
    pods: () => bound,
    stats: () => {
      asked++;
      return provider.stats!(OWNER, { signal: NEVER, timeoutMs: 1000 });
    },
    clock,
  });
  const operation = { owner: OWNER, zone: 'zone-a', epoch: 1, holder: 'r', signal: NEVER, timeoutMs: 1000, attempt: 1 };
  const refOf = (pod: Pod) => ({ uid: pod.metadata?.uid ?? '', namespace: 'default', name: pod.metadata?.name ?? '' });
  const create = async (pod: Pod, owner = OWNER) => {
    const resolved = { ref: refOf(pod), pod, env: {}, volumes: {}, pullSecrets: [], hash: 'h' };
    await provider.create(resolved, { ...operation, owner });
    bound.push(pod);
  };
  const remove = (pod: Pod) => provider.delete(refOf(pod), { gracePeriodSeconds: 0 }, operation);
  return { clock, backend, bound, usage, create, remove, asked: () => asked };
}

const WITH_REQUESTS = {
  initContainers: [
    { name: 'prepare', image: 'i', resources: { requests: { cpu: '8' } } },
    { name: 'proxy', image: 'i', restartPolicy: 'Always', resources: { requests: { cpu: '100m', memory: '64Mi' } } },
  ],
  containers: [
    { name: 'main', image: 'i', resources: { requests: { cpu: '500m', memory: '1Gi' } } },
    { name: 'limited', image: 'i', resources: { limits: { cpu: '250m', memory: '128Mi' } } },
    { name: 'idle', image: 'i' },
  ],
};

describe('usage of the pods of a node', () => {
  it('is told for each running container, each pod and the node', async () => {
    const { clock, create, usage } = setUp();
    await create(newPod('web', WITH_REQUESTS));
    await clock.advance(10_000);
    const { node, pods } = await usage.summary();
    expect(pods).toHaveLength(1);
    const [pod] = pods;
    expect(pod?.podRef).toEqual({ name: 'web', namespace: 'default', uid: 'uid-web' });
    expect(pod?.containers.map(({ name }) => name)).toEqual(['proxy', 'main', 'limited', 'idle']);
    expect(pod?.containers[1]).toMatchObject({
      startTime: '2026-01-01T00:00:00Z',
      cpu: { time: '2026-01-01T00:00:10.000Z', usageNanoCores: 500_000_000, usageCoreNanoSeconds: 5_000_000_000 },
      memory: { workingSetBytes: 1024 ** 3 },
    });
    // 100m + 500m + 250m + 1m for ten seconds
    expect(pod?.cpu).toMatchObject({ usageNanoCores: 851_000_000, usageCoreNanoSeconds: 8_510_000_000 });
    expect(pod?.memory?.workingSetBytes).toBe((64 + 1024 + 128 + 1) * 1024 ** 2);
    expect(node).toMatchObject({
      nodeName: 'demo-zone-a',
      cpu: { usageNanoCores: 851_000_000, usageCoreNanoSeconds: 8_510_000_000 },
      memory: { workingSetBytes: (64 + 1024 + 128 + 1) * 1024 ** 2 },
    });
  });

  it('leaves out pods of others, pods that are not bound here any more, and pods that do not run', async () => {
    const { create, usage, bound, backend } = setUp();
    await create(newPod('other'), 'cluster/other');
    await create(newPod('gone'));
    bound.pop();
    await create(newPod('done', { restartPolicy: 'Never' }));
    backend.exit(OWNER, 'uid-done', 'main', 0);
    await create(newPod('web'));
    expect((await usage.summary()).pods.map(({ podRef }) => podRef.name)).toEqual(['web']);
  });

  it('counts the CPU time of the node up when pods go and when containers start again', async () => {
    const { clock, create, remove, usage, backend } = setUp();
    const cpu = async () => (await usage.summary()).node.cpu?.usageCoreNanoSeconds;
    const spec = { containers: [{ name: 'main', image: 'i', resources: { requests: { cpu: '1' } } }] };
    const [first, second] = [newPod('first', spec), newPod('second', spec)];
    await create(first);
    await create(second);
    await clock.advance(10_000);
    expect(await cpu()).toBe(20e9);
    await remove(first);
    await clock.advance(10_000);
    expect(await cpu()).toBe(30e9);
    backend.exit(OWNER, 'uid-second', 'main', 1);
    await clock.advance(10_000);
    expect(await cpu()).toBe(40e9);
  });

  it('does not count a pod twice that the backend had lost sight of', async () => {
    const clock = new VirtualClock();
    const pod = newPod('web');
    let answer: PodStats[] = [];
    const usage = createUsage({ nodeName: 'n', pods: () => [pod], stats: async () => answer, clock });
    const at = (usageCoreNanoSeconds: number): PodStats[] => [
      {
        ref: { uid: 'uid-web', namespace: 'default', name: 'web' },
        containers: [
          {
            name: 'main',
            time: new Date(clock.now()).toISOString(),
            startTime: '2025-12-31T00:00:00Z',
            cpu: { usageCoreNanoSeconds },
          },
        ],
      },
    ];
    const cpu = async () => {
      await clock.advance(5000);
      return (await usage.summary()).node.cpu?.usageCoreNanoSeconds;
    };
    answer = at(100);
    expect(await cpu()).toBe(100);
    answer = [];
    expect(await cpu()).toBe(100);
    answer = at(150);
    expect(await cpu()).toBe(100);
    answer = at(170);
    expect(await cpu()).toBe(120);
  });

  it('asks the backend once for all who ask at the same time, and again for whoever comes later', async () => {
    const { create, usage, backend, asked } = setUp();
    await create(newPod('web'));
    await Promise.all([usage.summary(), usage.summary(), usage.summary()]);
    expect(asked()).toBe(1);
    await create(newPod('later'));
    expect((await usage.summary()).pods).toHaveLength(2);
    backend.setFaults({ unreachable: true });
    await expect(usage.summary()).rejects.toThrow(ZoneletError);
    backend.setFaults({ unreachable: false });
    expect((await usage.summary()).pods).toHaveLength(2);
    expect(asked()).toBe(4);
  });

  it('has nothing but CPU and memory when asked for that', () => {
    const time = '2026-01-01T00:00:00Z';
    const summary = onlyCpuAndMemory({
      node: { nodeName: 'n', startTime: time },
      pods: [
        {
          podRef: { name: 'web', namespace: 'default', uid: 'u' },
          startTime: time,
          network: { time, rxBytes: 1 },
          containers: [
            { name: 'main', startTime: time, cpu: { time, usageNanoCores: 1 }, rootfs: { time, usedBytes: 5 } },
          ],
        },
      ],
    });
    expect(JSON.stringify(summary)).not.toMatch(/rootfs|network/);
    expect(summary.pods[0]?.containers[0]?.cpu?.usageNanoCores).toBe(1);
  });
});

describe('resource metrics', () => {
  it('are what a kubelet writes', async () => {
    const { clock, create, usage } = setUp();
    await create(
      newPod('web', {
        containers: [{ name: 'main', image: 'i', resources: { requests: { cpu: '500m', memory: '1Mi' } } }],
      }),
    );
    await clock.advance(3000);
    const at = clock.now();
    expect(resourceMetrics(await usage.summary())).toBe(
      `# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the container in core-seconds
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="main",pod="web",namespace="default"} 1.5 ${at}
# HELP container_memory_working_set_bytes [STABLE] Current working set of the container in bytes
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{container="main",pod="web",namespace="default"} 1048576 ${at}
# HELP container_start_time_seconds [STABLE] Start time of the container since unix epoch in seconds
# TYPE container_start_time_seconds gauge
container_start_time_seconds{container="main",pod="web",namespace="default"} ${(at - 3000) / 1000}
# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node in core-seconds
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 1.5 ${at}
# HELP node_memory_working_set_bytes [STABLE] Current working set of the node in bytes
# TYPE node_memory_working_set_bytes gauge
node_memory_working_set_bytes 1048576 ${at}
# HELP pod_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the pod in core-seconds
# TYPE pod_cpu_usage_seconds_total counter
pod_cpu_usage_seconds_total{namespace="default",pod="web"} 1.5 ${at}
# HELP pod_memory_working_set_bytes [STABLE] Current working set of the pod in bytes
# TYPE pod_memory_working_set_bytes gauge
pod_memory_working_set_bytes{namespace="default",pod="web"} 1048576 ${at}
# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise
# TYPE resource_scrape_error gauge
resource_scrape_error 0
`,
    );
  });

  it('say that they could not be had', () => {
    expect(resourceMetrics(undefined)).toMatch(/^[^\n]+\n[^\n]+\nresource_scrape_error 1\n$/);
  });
});
