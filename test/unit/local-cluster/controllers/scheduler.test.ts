import { describe, expect, it } from 'vitest';
import { NODES, PODS, REPLICA_SETS } from '../../../../src/kube/resources.ts';
import type { Pod, PodCondition } from '../../../../src/kube/types.ts';
import { pod } from '../cluster.ts';
import { replicaSet, type Stage, startStage } from './stage.ts';

function labelled(name: string, spec: Partial<NonNullable<Pod['spec']>> = {}, labels = { app: name }): Pod {
  const one = pod(name, spec);
  return { ...one, metadata: { ...one.metadata, labels } };
}

function scheduled(one: Pod | undefined): PodCondition | undefined {
  return one?.status?.conditions?.find(({ type }) => type === 'PodScheduled');
}

async function nodesOf(stage: Stage): Promise<Record<string, string>> {
  const placed = (await stage.pods()).map((pod) => [pod.metadata?.name ?? '', pod.spec?.nodeName ?? ''] as const);
  return Object.fromEntries(placed);
}

function requests(cpu: string): Pick<NonNullable<Pod['spec']>, 'containers'> {
  return { containers: [{ name: 'main', image: 'registry.example/app:1', resources: { requests: { cpu } } }] };
}

describe('the scheduler', () => {
  it('binds a pod to a ready node and says so', async () => {
    await using stage = startStage();
    await stage.addNode('a');
    await stage.run(1_000);
    await stage.client.create(PODS, labelled('one'));
    await stage.run(1_000);
    const one = await stage.pod('one');
    expect(one?.spec?.nodeName).toBe('a');
    expect(scheduled(one)).toMatchObject({ status: 'True' });
    expect(await stage.events('one')).toEqual(['Scheduled: Successfully assigned default/one to a']);
  });

  it('places nothing on a node that is not ready, and places it as soon as it is', async () => {
    await using stage = startStage();
    await stage.addNode('a', { ready: 'False' });
    await stage.client.create(PODS, labelled('one'));
    await stage.run(5_000);
    expect((await stage.pod('one'))?.spec?.nodeName).toBeUndefined();
    expect(scheduled(await stage.pod('one'))).toMatchObject({
      status: 'False',
      reason: 'Unschedulable',
      message: '0/1 nodes are available: 1 node(s) had untolerated taint(s).',
    });
    const body = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
    await stage.client.patch(NODES, { name: 'a' }, { type: 'strategic', body }, { subresource: 'status' });
    await stage.run(15_000);
    expect((await stage.pod('one'))?.spec?.nodeName).toBe('a');
  });

  it('says for each reason how many nodes have it, and that there are none', async () => {
    await using stage = startStage();
    await stage.client.create(PODS, labelled('early'));
    await stage.run(1_000);
    expect((await stage.events('early'))[0]).toBe('FailedScheduling: no nodes available to schedule pods');
    await stage.addNode('full', { cpu: '1' });
    await stage.addNode('small', { cpu: '1', memory: '1Ki' });
    await stage.addNode('cordoned');
    await stage.client.patch(NODES, { name: 'cordoned' }, { type: 'merge', body: { spec: { unschedulable: true } } });
    await stage.addNode('tainted', { taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' }] });
    await stage.addNode('no-pods', { pods: '0' });
    await stage.run(1_000);
    const container = { name: 'main', image: 'i', resources: { requests: { cpu: '2', memory: '1Mi' } } };
    await stage.client.create(PODS, labelled('big', { containers: [container] }));
    await stage.run(1_000);
    const message =
      '0/5 nodes are available: 1 Insufficient memory, 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 2 Insufficient cpu.';
    expect(scheduled(await stage.pod('big'))?.message).toBe(message);
    expect(await stage.events('big')).toEqual([`FailedScheduling: ${message}`]);
  });

  it('never gives a node more than it has, however many pods come at once', async () => {
    await using stage = startStage();
    for (const name of ['a', 'b', 'c']) await stage.addNode(name, { cpu: '1' });
    await stage.run(1_000);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => stage.client.create(PODS, labelled(`p${i}`, requests('300m')))),
    );
    await stage.run(20_000);
    const placed = Object.values(await nodesOf(stage));
    for (const name of ['a', 'b', 'c']) expect(placed.filter((node) => node === name)).toHaveLength(3);
    expect(placed.filter((node) => node === '')).toHaveLength(31);
  });

  it('gives the room of a pod that ended to one that waits', async () => {
    await using stage = startStage();
    await stage.addNode('a', { cpu: '1' });
    await stage.run(1_000);
    await stage.client.create(PODS, labelled('first', requests('800m')));
    await stage.run(1_000);
    await stage.client.create(PODS, labelled('second', requests('800m')));
    await stage.run(3_000);
    expect(await nodesOf(stage)).toEqual({ first: 'a', second: '' });
    await stage.client.delete(PODS, { name: 'first', namespace: 'default' });
    await stage.run(12_000);
    expect(await nodesOf(stage)).toEqual({ second: 'a' });
  });

  it('leaves alone what is not its own, gated or on its way out', async () => {
    await using stage = startStage();
    await stage.addNode('a');
    await stage.run(1_000);
    await stage.client.create(PODS, labelled('other', { schedulerName: 'mine' }));
    await stage.client.create(PODS, labelled('gated', { schedulingGates: [{ name: 'example.com/wait' }] }));
    await stage.run(5_000);
    expect(await nodesOf(stage)).toEqual({ other: '', gated: '' });
    expect(scheduled(await stage.pod('gated'))?.reason).toBe('SchedulingGated');
    const body = [{ op: 'remove', path: '/spec/schedulingGates' }];
    await stage.client.patch(PODS, { name: 'gated', namespace: 'default' }, { type: 'json', body });
    await stage.run(1_000);
    expect((await nodesOf(stage)).gated).toBe('a');
  });

  it('honors selectors, affinities, tolerations and host ports', async () => {
    await using stage = startStage();
    await stage.addNode('a', { labels: { disk: 'ssd' } });
    await stage.addNode('b', { labels: { disk: 'hdd', size: '9' } });
    await stage.addNode('c', { taints: [{ key: 'dedicated', value: 'x', effect: 'NoExecute' }] });
    await stage.run(1_000);
    const port = [{ name: 'main', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }];
    const nodeAffinity = (operator: string, values: string[]): Partial<NonNullable<Pod['spec']>> => ({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'size', operator, values }] }],
          },
        },
      },
    });
    await stage.client.create(PODS, labelled('selector', { nodeSelector: { disk: 'ssd' } }));
    await stage.client.create(PODS, labelled('affinity', nodeAffinity('Gt', ['8'])));
    await stage.client.create(PODS, labelled('nowhere', nodeAffinity('Gt', ['9'])));
    await stage.client.create(
      PODS,
      labelled('tolerant', {
        nodeSelector: { 'kubernetes.io/hostname': 'c' },
        tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'x' }],
      }),
    );
    await stage.client.create(PODS, labelled('port', { containers: port, nodeSelector: { disk: 'ssd' } }));
    await stage.run(1_000);
    await stage.client.create(PODS, labelled('same-port', { containers: port, nodeSelector: { disk: 'ssd' } }));
    await stage.run(1_000);
    expect(await nodesOf(stage)).toEqual({
      selector: 'a',
      affinity: 'b',
      nowhere: '',
      tolerant: 'c',
      port: 'a',
      'same-port': '',
    });
    expect(scheduled(await stage.pod('same-port'))?.message).toBe(
      "0/3 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s).",
    );
  });

  it('keeps pods together and apart as they ask', async () => {
    await using stage = startStage();
    await stage.addNode('a1', { zone: 'a' });
    await stage.addNode('a2', { zone: 'a' });
    await stage.addNode('b1', { zone: 'b' });
    await stage.run(1_000);
    const term = (app: string, topologyKey: string) => ({ labelSelector: { matchLabels: { app } }, topologyKey });
    const required = (one: object) => ({ requiredDuringSchedulingIgnoredDuringExecution: [one as never] });
    const db = labelled('db', { nodeSelector: { 'kubernetes.io/hostname': 'b1' } });
    await stage.client.create(PODS, db);
    await stage.run(1_000);
    const apart = { podAntiAffinity: required(term('web', 'kubernetes.io/hostname')) };
    for (const name of ['w1', 'w2', 'w3', 'w4']) {
      await stage.client.create(PODS, labelled(name, { affinity: apart }, { app: 'web' }));
    }
    const near = { podAffinity: required(term('db', 'topology.kubernetes.io/zone')) };
    await stage.client.create(PODS, labelled('near', { affinity: near }));
    // The first of its kind may start anywhere.
    const own = { podAffinity: required(term('group', 'topology.kubernetes.io/zone')) };
    await stage.client.create(PODS, labelled('g1', { affinity: own }, { app: 'group' }));
    await stage.run(1_000);
    // Others' wish to be alone binds a newcomer that asks for nothing.
    await stage.client.create(PODS, labelled('plain', {}, { app: 'web' }));
    await stage.run(2_000);
    const placed = await nodesOf(stage);
    expect(new Set([placed.w1, placed.w2, placed.w3, placed.w4])).toEqual(new Set(['', 'a1', 'a2', 'b1']));
    expect(placed.near).toBe('b1');
    expect(placed.g1).not.toBe('');
    expect(placed.plain).toBe('');
    expect(scheduled(await stage.pod('plain'))?.message).toBe(
      "0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules.",
    );
  });

  it('keeps the skew between zones, whatever the order and sizes', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      await using stage = startStage({ seed });
      for (const [name, zone] of [
        ['a1', 'a'],
        ['a2', 'a'],
        ['a3', 'a'],
        ['b1', 'b'],
        ['c1', 'c'],
      ] as const) {
        await stage.addNode(name, { zone });
      }
      await stage.run(1_000);
      const spread = {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'web' } },
      };
      for (let i = 0; i < 20; i++) {
        await stage.client.create(PODS, labelled(`w${i}`, { topologySpreadConstraints: [spread] }, { app: 'web' }));
        await stage.clock.advance(0);
        const counts = { a: 0, b: 0, c: 0 };
        for (const node of Object.values(await nodesOf(stage))) counts[node[0] as 'a']++;
        expect(Math.max(...Object.values(counts)) - Math.min(...Object.values(counts))).toBeLessThanOrEqual(1);
        expect(counts.a + counts.b + counts.c).toBe(i + 1);
      }
    }
  });

  it('would rather leave a pod waiting than break a spread that is demanded', async () => {
    await using stage = startStage();
    await stage.addNode('a', { zone: 'a' });
    await stage.addNode('b', { zone: 'b', pods: '0' });
    await stage.addNode('nowhere');
    await stage.run(1_000);
    const constraint = {
      maxSkew: 1,
      topologyKey: 'topology.kubernetes.io/zone',
      labelSelector: { matchLabels: { app: 'web' } },
    };
    const hard = { topologySpreadConstraints: [{ ...constraint, whenUnsatisfiable: 'DoNotSchedule' }] };
    const soft = { topologySpreadConstraints: [{ ...constraint, whenUnsatisfiable: 'ScheduleAnyway' }] };
    await stage.client.create(PODS, labelled('w1', hard, { app: 'web' }));
    await stage.run(1_000);
    await stage.client.create(PODS, labelled('w2', hard, { app: 'web' }));
    await stage.client.create(PODS, labelled('w3', soft, { app: 'web' }));
    await stage.run(1_000);
    const placed = await nodesOf(stage);
    expect(placed.w1).toBe('a');
    expect(placed.w2).toBe('');
    expect(placed.w3).not.toBe('');
    expect(scheduled(await stage.pod('w2'))?.message).toBe(
      "0/3 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints, 1 node(s) didn't match pod topology spread constraints (missing required label).",
    );
  });

  it('spreads the pods of a set over nodes and zones without being asked', async () => {
    await using stage = startStage();
    // The empty node with more room draws less than the number of pods elsewhere pushes.
    for (const name of ['a', 'b', 'c']) {
      await stage.addNode(name, { zone: name, cpu: name === 'a' ? '256' : '64', pods: '500' });
    }
    await stage.run(1_000);
    await stage.client.create(REPLICA_SETS, replicaSet('web', 60));
    await stage.run(3_000);
    const placed = Object.values(await nodesOf(stage));
    expect(placed).toHaveLength(60);
    for (const name of ['a', 'b', 'c']) {
      const count = placed.filter((node) => node === name).length;
      expect(count).toBeGreaterThanOrEqual(15);
      expect(count).toBeLessThanOrEqual(25);
    }
  });

  it('waits for a volume that nobody provides instead of running without it', async () => {
    await using stage = startStage();
    await stage.addNode('a');
    await stage.run(1_000);
    await stage.client.create(
      PODS,
      labelled('claimer', { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'disk' } }] }),
    );
    await stage.run(1_000);
    expect(scheduled(await stage.pod('claimer'))?.message).toBe(
      '0/1 nodes are available: persistentvolumeclaim "disk" not found.',
    );
  });
});
