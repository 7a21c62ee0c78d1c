import { expect, test } from 'vitest';
import { ZoneletError } from '../../../../src/errors.ts';
import type { KubeClient } from '../../../../src/kube/client.ts';
import { PODS, REPLICA_SETS } from '../../../../src/kube/resources.ts';
import { pod } from '../cluster.ts';
import { isReady, replicaSet, startStage } from './stage.ts';

const at = { namespace: 'default', name: 'web' };
const scaleTo = (replicas: number) => ({ type: 'merge', body: { spec: { replicas } } }) as const;

test('there are as many pods as asked for, and the status counts them', async () => {
  await using stage = startStage();
  await stage.addNode('a');
  await stage.client.create(REPLICA_SETS, replicaSet('web', 5));
  await stage.until('ready', async () => (await stage.client.get(REPLICA_SETS, at)).status?.availableReplicas === 5);
  const { status, metadata } = await stage.client.get(REPLICA_SETS, at);
  expect(status).toMatchObject({ replicas: 5, readyReplicas: 5, fullyLabeledReplicas: 5, observedGeneration: 1 });
  const pods = await stage.pods();
  expect(pods).toHaveLength(5);
  for (const one of pods) {
    const { uid } = metadata ?? {};
    expect(one.metadata?.ownerReferences).toMatchObject([{ kind: 'ReplicaSet', name: 'web', uid, controller: true }]);
  }
  await stage.client.patch(REPLICA_SETS, at, scaleTo(2));
  await stage.until('scaled down', async () => (await stage.pods()).length === 2);
  await stage.run(2_000);
  const reasons = (await stage.events('web')).map((text) => text.replace(/:.*/, ''));
  expect(reasons.filter((reason) => reason === 'SuccessfulCreate')).toHaveLength(5);
  expect(reasons.filter((reason) => reason === 'SuccessfulDelete')).toHaveLength(3);
});

test('a deleted pod is replaced at once, before the old one is gone', async () => {
  await using stage = startStage();
  await stage.addNode('a');
  await stage.client.create(REPLICA_SETS, replicaSet('web', 2));
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 2);
  stage.silence('a');
  const [first] = await stage.pods();
  await stage.client.delete(PODS, { namespace: 'default', name: first?.metadata?.name ?? '' });
  await stage.until('replaced', async () => (await stage.pods()).length === 3, 5_000);
  await stage.run(5_000);
  expect(await stage.pods()).toHaveLength(3);
});

test('scaled down, what does not run yet goes before what is ready', async () => {
  await using stage = startStage();
  await stage.addNode('a', { pods: '2' });
  await stage.client.create(REPLICA_SETS, replicaSet('web', 4));
  await stage.until('two run', async () => (await stage.pods()).filter(isReady).length === 2);
  const ready = (await stage.pods()).filter(isReady).map(({ metadata }) => metadata?.name);
  await stage.client.patch(REPLICA_SETS, at, scaleTo(2));
  await stage.until('scaled down', async () => (await stage.pods()).length === 2);
  expect((await stage.pods()).map(({ metadata }) => metadata?.name)).toEqual(ready);
});

test('a pod that it selects and nobody has is adopted; one that it no longer selects is let go', async () => {
  await using stage = startStage();
  await stage.client.create(PODS, pod('stray'));
  const label = { type: 'merge', body: { metadata: { labels: { app: 'web' } } } } as const;
  await stage.client.patch(PODS, { namespace: 'default', name: 'stray' }, label);
  await stage.run(2_000);
  await stage.client.create(REPLICA_SETS, replicaSet('web', 2));
  await stage.run(2_000);
  expect(await stage.pods()).toHaveLength(2);
  expect((await stage.pod('stray'))?.metadata?.ownerReferences).toMatchObject([{ name: 'web', controller: true }]);
  const relabel = { type: 'merge', body: { metadata: { labels: { app: 'free' } } } } as const;
  await stage.client.patch(PODS, { namespace: 'default', name: 'stray' }, relabel);
  await stage.until('replaced', async () => (await stage.pods()).length === 3);
  await stage.until('released', async () => ((await stage.pod('stray'))?.metadata?.ownerReferences ?? []).length === 0);
});

/** Counts what is asked of the API server, and holds back what watches tell while `lag.on`. */
function slowWatches(client: KubeClient, lag: { on: boolean; readonly held: (() => void)[] }, created: string[]) {
  const slow: KubeClient = {
    ...client,
    async create(of, object, options) {
      if (of.plural === 'pods' && options?.subresource === undefined) created.push('pod');
      return await client.create(of, object, options);
    },
    async *watch(of, options) {
      for await (const event of client.watch(of, options)) {
        if (lag.on && of.plural === 'pods') await new Promise<void>((resolve) => lag.held.push(resolve));
        yield event;
      }
    },
  };
  return slow;
}

test('with a cache that is behind it creates nothing twice', async () => {
  const lag = { on: true, held: [] as (() => void)[] };
  const created: string[] = [];
  await using stage = startStage({ between: (client) => slowWatches(client, lag, created) });
  await stage.run(1_000);
  await stage.client.create(REPLICA_SETS, replicaSet('web', 10));
  await stage.run(5_000);
  // Any change makes it look again, with a cache that shows none of its pods.
  for (const color of ['red', 'green', 'blue']) {
    const body = { metadata: { annotations: { color } } };
    await stage.client.patch(REPLICA_SETS, at, { type: 'merge', body });
    await stage.run(20_000);
  }
  expect(created).toHaveLength(10);
  lag.on = false;
  for (const go of lag.held.splice(0)) go();
  await stage.run(10_000);
  expect(created).toHaveLength(10);
  expect(await stage.pods()).toHaveLength(10);
});

test('a failure is shown as a condition, and made good when it is over', async () => {
  const fault = { on: true };
  await using stage = startStage({
    between: (client) => ({
      ...client,
      async create(of, object, options) {
        if (fault.on && of.plural === 'pods' && options?.subresource === undefined) {
          throw new ZoneletError('Unavailable', 'no pods today');
        }
        return await client.create(of, object, options);
      },
    }),
  });
  await stage.client.create(REPLICA_SETS, replicaSet('web', 3));
  await stage.run(10_000);
  expect((await stage.client.get(REPLICA_SETS, at)).status?.conditions).toMatchObject([
    { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'no pods today' },
  ]);
  fault.on = false;
  await stage.until('three pods', async () => (await stage.pods()).length === 3, 360_000);
  await stage.run(10_000);
  expect(await stage.pods()).toHaveLength(3);
  expect((await stage.client.get(REPLICA_SETS, at)).status?.conditions ?? []).toEqual([]);
});
