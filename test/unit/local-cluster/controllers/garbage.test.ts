import { expect, test } from 'vitest';
import { CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS } from '../../../../src/kube/resources.ts';
import type { ConfigMap } from '../../../../src/kube/types.ts';
import { deployment, isReady, replicaSet, type Stage, startStage } from './stage.ts';

const at = { namespace: 'default', name: 'web' };

async function startWeb(): Promise<Stage> {
  const stage = startStage();
  await stage.addNode('a');
  await stage.client.create(DEPLOYMENTS, deployment('web', 2));
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 2);
  return stage;
}

async function names(stage: Stage, of: typeof CONFIG_MAPS, namespace = 'default'): Promise<string[]> {
  const { items } = await stage.client.list(of, { namespace });
  return items.map(({ metadata }) => metadata?.name ?? '').filter((name) => name !== 'kube-root-ca.crt');
}

test('in the background the owner goes first, and what it left after it', async () => {
  await using stage = await startWeb();
  stage.silence('a');
  await stage.client.delete(DEPLOYMENTS, at, { propagationPolicy: 'Background' });
  expect((await stage.client.list(DEPLOYMENTS)).items).toEqual([]);
  await stage.until('ReplicaSets gone', async () => (await stage.replicaSets()).length === 0, 10_000);
  await stage.run(5_000);
  const pods = await stage.pods();
  expect(pods).toHaveLength(2);
  expect(pods.every(({ metadata }) => metadata?.deletionTimestamp !== undefined)).toBe(true);
  stage.wake('a');
  await stage.until('pods gone', async () => (await stage.pods()).length === 0);
});

test('in the foreground the owner waits for the last of its own', async () => {
  await using stage = await startWeb();
  stage.silence('a');
  await stage.client.delete(DEPLOYMENTS, at, { propagationPolicy: 'Foreground' });
  await stage.run(10_000);
  expect((await stage.deployment('web')).metadata?.deletionTimestamp).toBeDefined();
  expect(await stage.replicaSets()).toHaveLength(1);
  const pods = await stage.pods();
  expect(pods).toHaveLength(2);
  expect(pods.every(({ metadata }) => metadata?.deletionTimestamp !== undefined)).toBe(true);
  stage.wake('a');
  await stage.until('all gone', async () => {
    const left = [...(await stage.pods()), ...(await stage.replicaSets())];
    return left.length === 0 && (await stage.client.list(DEPLOYMENTS)).items.length === 0;
  });
});

test('orphans stay, without an owner', async () => {
  await using stage = await startWeb();
  await stage.client.delete(DEPLOYMENTS, at, { propagationPolicy: 'Orphan' });
  await stage.until('owner gone', async () => (await stage.client.list(DEPLOYMENTS)).items.length === 0);
  await stage.run(20_000);
  const [left] = await stage.replicaSets();
  expect(left?.metadata?.ownerReferences ?? []).toEqual([]);
  expect((await stage.pods()).filter(isReady)).toHaveLength(2);
  await stage.client.delete(
    REPLICA_SETS,
    { namespace: 'default', name: left?.metadata?.name ?? '' },
    { propagationPolicy: 'Orphan' },
  );
  await stage.until('ReplicaSet gone', async () => (await stage.replicaSets()).length === 0);
  await stage.run(20_000);
  const pods = await stage.pods();
  expect(pods.filter(isReady)).toHaveLength(2);
  for (const { metadata } of pods) expect(metadata?.ownerReferences ?? []).toEqual([]);
});

test('what has another owner stays; what names an owner that never was goes; what names a kind that nobody knows stays', async () => {
  await using stage = startStage();
  const owner = await stage.client.create(CONFIG_MAPS, { metadata: { name: 'owner', namespace: 'default' } });
  const other = await stage.client.create(CONFIG_MAPS, { metadata: { name: 'other', namespace: 'default' } });
  const reference = (name: string, uid: string, kind = 'ConfigMap') => ({
    apiVersion: kind === 'ConfigMap' ? 'v1' : 'example.com/v1',
    kind,
    name,
    uid,
  });
  const owned = (name: string, ownerReferences: NonNullable<ConfigMap['metadata']>['ownerReferences']): ConfigMap => ({
    metadata: { name, namespace: 'default', ...(ownerReferences === undefined ? {} : { ownerReferences }) },
  });
  const ownerReference = reference('owner', owner.metadata?.uid ?? '');
  await stage.client.create(CONFIG_MAPS, owned('of-one', [ownerReference]));
  await stage.client.create(
    CONFIG_MAPS,
    owned('of-two', [ownerReference, reference('other', other.metadata?.uid ?? '')]),
  );
  await stage.client.create(CONFIG_MAPS, owned('of-nobody', [reference('owner', 'another-uid')]));
  await stage.client.create(CONFIG_MAPS, owned('of-unknown', [reference('thing', 'thing-uid', 'Thing')]));
  await stage.run(10_000);
  expect(await names(stage, CONFIG_MAPS)).toEqual(['of-one', 'of-two', 'of-unknown', 'other', 'owner']);
  await stage.client.delete(CONFIG_MAPS, { namespace: 'default', name: 'owner' });
  await stage.run(10_000);
  expect(await names(stage, CONFIG_MAPS)).toEqual(['of-two', 'of-unknown', 'other']);
  const { metadata } = await stage.client.get(CONFIG_MAPS, { namespace: 'default', name: 'of-two' });
  expect(metadata?.ownerReferences).toMatchObject([{ name: 'other' }]);
});

test('a namespace ends with everything in it, once its pods have ended', async () => {
  await using stage = startStage();
  await stage.addNode('a');
  await stage.client.create(NAMESPACES, { metadata: { name: 'shop' } });
  const web = replicaSet('web', 3);
  await stage.client.create(REPLICA_SETS, { ...web, metadata: { name: 'web', namespace: 'shop' } });
  await stage.client.create(CONFIG_MAPS, { metadata: { name: 'settings', namespace: 'shop' } });
  await stage.until('ready', async () => (await stage.pods()).filter(isReady).length === 3);
  stage.silence('a');
  await stage.client.delete(NAMESPACES, { name: 'shop' });
  await stage.run(10_000);
  expect((await stage.client.get(NAMESPACES, { name: 'shop' })).status?.phase).toBe('Terminating');
  const pods = (await stage.client.list(PODS, { namespace: 'shop' })).items;
  expect(pods).toHaveLength(3);
  expect(pods.every(({ metadata }) => metadata?.deletionTimestamp !== undefined)).toBe(true);
  stage.wake('a');
  await stage.until(
    'gone',
    async () => !(await stage.client.list(NAMESPACES)).items.some(({ metadata }) => metadata?.name === 'shop'),
  );
  expect((await stage.client.list(PODS, { namespace: 'shop' })).items).toEqual([]);
  expect(await names(stage, CONFIG_MAPS, 'shop')).toEqual([]);
});
