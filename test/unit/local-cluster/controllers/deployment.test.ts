import { expect, test } from 'vitest';
import { DEPLOYMENTS, PODS, REPLICA_SETS } from '../../../../src/kube/resources.ts';
import type { Deployment, ReplicaSet } from '../../../../src/kube/types.ts';
import { deployment, isReady, type Stage, startStage, template } from './stage.ts';

const at = { namespace: 'default', name: 'web' };
const REVISION = 'deployment.kubernetes.io/revision';

async function startRollout(replicas: number, spec: Partial<NonNullable<Deployment['spec']>> = {}): Promise<Stage> {
  const stage = startStage();
  await stage.addNode('a');
  await stage.client.create(DEPLOYMENTS, deployment('web', replicas, spec));
  await stage.until('available', async () => (await stage.deployment('web')).status?.availableReplicas === replicas);
  await stage.run(2_000);
  return stage;
}

async function setImage(stage: Stage, image: string): Promise<void> {
  const body = { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } };
  await stage.client.patch(DEPLOYMENTS, at, { type: 'strategic', body });
}

function imageOf({ spec }: ReplicaSet): string | undefined {
  return spec?.template?.spec?.containers[0]?.image;
}

function condition({ status }: Deployment, type: string): string {
  const found = status?.conditions?.find((one) => one.type === type);
  return found === undefined ? 'none' : `${found.status} ${found.reason}`;
}

test('it makes a ReplicaSet named after its template, and says how far it is', async () => {
  await using stage = await startRollout(3);
  const [only, ...others] = await stage.replicaSets();
  expect(others).toEqual([]);
  const hash = only?.metadata?.labels?.['pod-template-hash'] ?? '';
  expect(hash).toMatch(/^[b-z0-9]{1,10}$/);
  expect(only?.metadata?.name).toBe(`web-${hash}`);
  expect(only?.spec?.selector.matchLabels).toEqual({ app: 'web', 'pod-template-hash': hash });
  expect(only?.metadata?.annotations?.[REVISION]).toBe('1');
  for (const pod of await stage.pods()) expect(pod.metadata?.labels?.['pod-template-hash']).toBe(hash);
  const one = await stage.deployment('web');
  expect(one.metadata?.annotations?.[REVISION]).toBe('1');
  expect(one.status).toMatchObject({ replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 });
  expect(condition(one, 'Available')).toBe('True MinimumReplicasAvailable');
  expect(condition(one, 'Progressing')).toBe('True NewReplicaSetAvailable');
  expect(await stage.events('web')).toContain(
    `ScalingReplicaSet: Scaled up replica set ${only?.metadata?.name} from 0 to 3`,
  );
});

test('a new template rolls out within surge and unavailability, and the old ReplicaSet stays for a way back', async () => {
  const strategy = { type: 'RollingUpdate' as const, rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } };
  await using stage = await startRollout(4, { strategy });
  await setImage(stage, 'registry.example/app:2');
  const seen = { most: 0, fewestReady: Infinity };
  await stage.until('rolled out', async () => {
    const pods = await stage.pods();
    const active = pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    seen.most = Math.max(seen.most, active.length);
    seen.fewestReady = Math.min(seen.fewestReady, active.filter(isReady).length);
    const { status, metadata } = await stage.deployment('web');
    if (status?.observedGeneration !== metadata?.generation) return false;
    return status?.updatedReplicas === 4 && status.availableReplicas === 4 && status.replicas === 4;
  });
  expect(seen.most).toBeLessThanOrEqual(5);
  expect(seen.fewestReady).toBeGreaterThanOrEqual(3);
  const sizes = (await stage.replicaSets()).map((one) => [imageOf(one), one.spec?.replicas]);
  expect(Object.fromEntries(sizes)).toEqual({ 'registry.example/app:1': 0, 'registry.example/app:2': 4 });
  expect((await stage.deployment('web')).metadata?.annotations?.[REVISION]).toBe('2');

  await setImage(stage, 'registry.example/app:1');
  await stage.until('rolled back', async () => {
    const back = (await stage.replicaSets()).find((one) => imageOf(one) === 'registry.example/app:1');
    return back?.status?.availableReplicas === 4;
  });
  await stage.run(5_000);
  expect(await stage.replicaSets()).toHaveLength(2);
  const back = (await stage.replicaSets()).find((one) => imageOf(one) === 'registry.example/app:1');
  expect(back?.metadata?.annotations).toMatchObject({
    [REVISION]: '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
});

test('a rollout whose pods do not become ready stops at what may be unavailable, and is called stuck', async () => {
  const strategy = { type: 'RollingUpdate' as const, rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  await using stage = await startRollout(3, { strategy, progressDeadlineSeconds: 60 });
  stage.silence('a');
  await setImage(stage, 'registry.example/app:2');
  await stage.run(30_000);
  const sizes = (await stage.replicaSets()).map((one) => [imageOf(one), one.spec?.replicas]);
  expect(Object.fromEntries(sizes)).toEqual({ 'registry.example/app:1': 3, 'registry.example/app:2': 1 });
  expect(condition(await stage.deployment('web'), 'Progressing')).toBe('True ReplicaSetUpdated');
  stage.wake('a');
  // Its kubelet lives, but the new pod cannot run: nothing runs a pod that nobody starts.
  stage.silence('a');
  await stage.until(
    'stuck',
    async () => condition(await stage.deployment('web'), 'Progressing') === 'False ProgressDeadlineExceeded',
  );
});

test('one that re-creates has no new pod before the last old one is gone', async () => {
  await using stage = await startRollout(3, { strategy: { type: 'Recreate' } });
  stage.silence('a');
  await setImage(stage, 'registry.example/app:2');
  await stage.run(10_000);
  const pods = await stage.pods();
  expect(pods).toHaveLength(3);
  expect(pods.every(({ metadata }) => metadata?.deletionTimestamp !== undefined)).toBe(true);
  stage.wake('a');
  await stage.until('re-created', async () => {
    const ready = (await stage.pods()).filter(isReady);
    return ready.length === 3 && ready.every(({ spec }) => spec?.containers[0]?.image === 'registry.example/app:2');
  });
});

test('while it is paused a new template changes nothing, and scaling works', async () => {
  await using stage = await startRollout(2);
  await stage.client.patch(DEPLOYMENTS, at, { type: 'merge', body: { spec: { paused: true } } });
  await setImage(stage, 'registry.example/app:2');
  await stage.client.patch(DEPLOYMENTS, at, { type: 'merge', body: { spec: { replicas: 4 } } });
  await stage.until('scaled', async () => (await stage.pods()).filter(isReady).length === 4);
  await stage.run(5_000);
  expect((await stage.replicaSets()).map(imageOf)).toEqual(['registry.example/app:1']);
  expect(condition(await stage.deployment('web'), 'Progressing')).toBe('Unknown DeploymentPaused');
  await stage.client.patch(DEPLOYMENTS, at, { type: 'merge', body: { spec: { paused: false } } });
  await stage.until('rolled out', async () => {
    const pods = await stage.pods();
    return (
      pods.length === 4 &&
      pods.every((pod) => isReady(pod) && pod.spec?.containers[0]?.image === 'registry.example/app:2')
    );
  });
});

test('no more old ReplicaSets are kept than asked for', async () => {
  await using stage = await startRollout(1, { revisionHistoryLimit: 1 });
  for (const version of [2, 3, 4]) {
    const image = `registry.example/app:${version}`;
    await setImage(stage, image);
    await stage.until('rolled out', async () => {
      const newest = (await stage.replicaSets()).find((one) => imageOf(one) === image);
      return newest?.status?.availableReplicas === 1 && (await stage.pods()).length === 1;
    });
    await stage.run(5_000);
  }
  const images = (await stage.replicaSets()).map(imageOf);
  expect(new Set(images)).toEqual(new Set(['registry.example/app:3', 'registry.example/app:4']));
});

test('a deleted ReplicaSet comes back, and pods of a deleted Deployment go', async () => {
  await using stage = await startRollout(2);
  const [first] = await stage.replicaSets();
  const name = first?.metadata?.name ?? '';
  await stage.client.delete(REPLICA_SETS, { namespace: 'default', name });
  await stage.until('back', async () => {
    const [again] = await stage.replicaSets();
    return again?.metadata?.uid !== first?.metadata?.uid && again?.status?.availableReplicas === 2;
  });
  await stage.client.delete(DEPLOYMENTS, at);
  await stage.until(
    'all gone',
    async () => (await stage.pods()).length === 0 && (await stage.replicaSets()).length === 0,
  );
});

test('a pod by hand with labels of the Deployment is not counted among its pods', async () => {
  await using stage = await startRollout(1);
  await stage.client.create(PODS, {
    metadata: { name: 'by-hand', namespace: 'default', labels: { app: 'web' } },
    ...{ spec: template({}).spec },
  });
  await stage.run(10_000);
  expect((await stage.pod('by-hand'))?.metadata?.ownerReferences).toBeUndefined();
  expect((await stage.deployment('web')).status?.replicas).toBe(1);
});
