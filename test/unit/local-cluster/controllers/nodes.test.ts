import { expect, test } from 'vitest';
import { NODES, PODS, REPLICA_SETS } from '../../../../src/kube/resources.ts';
import type { Node, Pod } from '../../../../src/kube/types.ts';
import { pod } from '../cluster.ts';
import { isReady, replicaSet, startStage } from './stage.ts';

function taintsOf({ spec }: Node): string[] {
  return (spec?.taints ?? [])
    .map(({ key, effect }) => `${key.replace('node.kubernetes.io/', '')}:${effect}`)
    .sort((a, b) => (a < b ? -1 : 1));
}

function readyOf({ status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready === undefined ? 'none' : `${ready.status} ${ready.reason ?? ''}`.trim();
}

function disruptionOf({ status }: Pod): string | undefined {
  return status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason;
}

test('a node that says nothing becomes Unknown after its grace, is tainted, and loses its pods after their tolerations', async () => {
  await using stage = startStage();
  await stage.addNode('a', { zone: 'a' });
  await stage.addNode('b', { zone: 'b' });
  await stage.client.create(REPLICA_SETS, replicaSet('web', 4));
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 4);
  await stage.run(20_000);
  expect(taintsOf(await stage.node('a'))).toEqual([]);
  const lost = (await stage.pods()).filter(({ spec }) => spec?.nodeName === 'a').map(({ metadata }) => metadata?.uid);
  expect(lost).toHaveLength(2);

  stage.silence('a');
  await stage.run(45_000);
  expect(readyOf(await stage.node('a'))).toBe('True');
  await stage.run(15_000);
  expect(readyOf(await stage.node('a'))).toBe('Unknown NodeStatusUnknown');
  expect(taintsOf(await stage.node('a'))).toEqual(['unreachable:NoExecute', 'unreachable:NoSchedule']);
  for (const one of await stage.pods()) expect(isReady(one)).toBe(one.spec?.nodeName === 'b');
  expect(await stage.events('a')).toContain('NodeNotReady: Node a status is now: NodeNotReady');
  expect(readyOf(await stage.node('b'))).toBe('True');

  // Five minutes of toleration, which admission gave them.
  await stage.run(280_000);
  expect((await stage.pods()).filter(({ metadata }) => metadata?.deletionTimestamp !== undefined)).toEqual([]);
  await stage.run(30_000);
  const ending = (await stage.pods()).filter(({ metadata }) => metadata?.deletionTimestamp !== undefined);
  expect(new Set(ending.map(({ metadata }) => metadata?.uid))).toEqual(new Set(lost));
  for (const one of ending) expect(disruptionOf(one)).toBe('DeletionByTaintManager');
  await stage.until(
    'replaced on the other node',
    async () => (await stage.pods()).filter((one) => one.spec?.nodeName === 'b' && isReady(one)).length === 4,
  );
  // Its kubelet has not said that they ended.
  expect((await stage.pods()).filter(({ spec }) => spec?.nodeName === 'a')).toHaveLength(2);
});

test('a node that speaks again within the tolerations keeps its pods', async () => {
  await using stage = startStage();
  await stage.addNode('a', { zone: 'a' });
  await stage.addNode('b', { zone: 'b' });
  await stage.client.create(REPLICA_SETS, replicaSet('web', 4));
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 4);
  const before = new Set((await stage.pods()).map(({ metadata }) => metadata?.uid));
  stage.silence('a');
  await stage.run(200_000);
  expect(taintsOf(await stage.node('a'))).toEqual(['unreachable:NoExecute', 'unreachable:NoSchedule']);
  stage.wake('a');
  const now = `${new Date(stage.clock.now()).toISOString().slice(0, -5)}Z`;
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: now };
  const patch = { type: 'strategic', body: { status: { conditions: [ready] } } } as const;
  await stage.client.patch(NODES, { name: 'a' }, patch, { subresource: 'status' });
  await stage.run(400_000);
  expect(taintsOf(await stage.node('a'))).toEqual([]);
  expect(new Set((await stage.pods()).map(({ metadata }) => metadata?.uid))).toEqual(before);
});

test('when no node at all is heard of, nothing is evicted: it may well be the listener who is cut off', async () => {
  await using stage = startStage();
  await stage.addNode('a', { zone: 'a' });
  await stage.addNode('b', { zone: 'b' });
  await stage.client.create(REPLICA_SETS, replicaSet('web', 4));
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 4);
  for (const name of ['a', 'b']) stage.silence(name);
  await stage.run(600_000);
  for (const name of ['a', 'b']) expect(taintsOf(await stage.node(name))).toEqual(['unreachable:NoSchedule']);
  expect((await stage.pods()).filter(({ metadata }) => metadata?.deletionTimestamp !== undefined)).toEqual([]);
});

test('a node is tainted as long as it is not ready or cordoned', async () => {
  await using stage = startStage();
  await stage.client.create(NODES, { metadata: { name: 'new' } });
  expect(taintsOf(await stage.node('new'))).toEqual(['not-ready:NoSchedule']);
  await stage.addNode('a');
  await stage.until('accepted', async () => taintsOf(await stage.node('a')).length === 0);
  const cordon = (unschedulable: boolean) => ({ type: 'merge', body: { spec: { unschedulable } } }) as const;
  await stage.client.patch(NODES, { name: 'a' }, cordon(true));
  await stage.until('cordoned', async () => taintsOf(await stage.node('a')).includes('unschedulable:NoSchedule'));
  await stage.client.patch(NODES, { name: 'a' }, cordon(false));
  await stage.until('open', async () => taintsOf(await stage.node('a')).length === 0);
  const pressure = { type: 'MemoryPressure', status: 'True' };
  const patch = { type: 'strategic', body: { status: { conditions: [pressure] } } } as const;
  await stage.client.patch(NODES, { name: 'a' }, patch, { subresource: 'status' });
  await stage.until('pressed', async () => taintsOf(await stage.node('a')).includes('memory-pressure:NoSchedule'));
});

test('a taint that evicts: at once without a toleration, after its seconds with one, never with one for ever', async () => {
  await using stage = startStage();
  await stage.addNode('a');
  const tolerating = (seconds?: number): Partial<NonNullable<Pod['spec']>> => ({
    tolerations: [
      {
        key: 'broken',
        operator: 'Exists',
        effect: 'NoExecute',
        ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
      },
    ],
  });
  await stage.client.create(PODS, pod('none'));
  await stage.client.create(PODS, pod('for-a-while', tolerating(60)));
  await stage.client.create(PODS, pod('for-ever', tolerating()));
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 3);
  const taint = { type: 'merge', body: { spec: { taints: [{ key: 'broken', effect: 'NoExecute' }] } } } as const;
  await stage.client.patch(NODES, { name: 'a' }, taint);
  // In the order of the list: by name.
  const names = async (): Promise<(string | undefined)[]> => (await stage.pods()).map(({ metadata }) => metadata?.name);
  await stage.run(5_000);
  expect(await names()).toEqual(['for-a-while', 'for-ever']);
  await stage.run(50_000);
  expect(await names()).toEqual(['for-a-while', 'for-ever']);
  await stage.run(10_000);
  expect(await names()).toEqual(['for-ever']);
});

test('pods of a node that is gone are deleted after a quarantine, those of one that came back are not', async () => {
  await using stage = startStage();
  await stage.addNode('a');
  await stage.client.create(PODS, pod('web'));
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 1);
  stage.silence('a');
  const { metadata, spec, status } = await stage.node('a');
  await stage.client.delete(NODES, { name: 'a' });
  await stage.run(30_000);
  expect(await stage.pods()).toHaveLength(1);
  const again = { metadata: { name: 'a', labels: metadata?.labels ?? {} }, spec: spec ?? {} };
  await stage.client.create(NODES, again);
  const conditions = { type: 'strategic', body: { status } } as const;
  await stage.client.patch(NODES, { name: 'a' }, conditions, { subresource: 'status' });
  await stage.run(40_000);
  expect(await stage.pods()).toHaveLength(1);
  await stage.client.delete(NODES, { name: 'a' });
  await stage.run(35_000);
  expect(await stage.pods()).toHaveLength(1);
  await stage.until('collected', async () => (await stage.pods()).length === 0, 60_000);
});

test('a pod that is deleted before it has a node needs no kubelet to end', async () => {
  await using stage = startStage();
  const finalizers = ['example.com/look'];
  await stage.client.create(PODS, { ...pod('held'), metadata: { name: 'held', namespace: 'default', finalizers } });
  const at = { namespace: 'default', name: 'held' };
  await stage.client.delete(PODS, at);
  await stage.run(30_000);
  expect((await stage.pod('held'))?.metadata?.deletionTimestamp).toBeDefined();
  await stage.client.patch(PODS, at, { type: 'merge', body: { metadata: { finalizers: null } } });
  await stage.until('gone', async () => (await stage.pods()).length === 0, 60_000);
});
