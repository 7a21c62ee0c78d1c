import { expect, test } from 'vitest';
import { WORKLOAD } from '../../src/commands/demo/workload.ts';
import { formatMicroTime } from '../../src/kube/micro-time.ts';
import { DEPLOYMENTS, LEASES, NODES, PODS, type Resource } from '../../src/kube/resources.ts';
import type { KubeObject, Node, Pod } from '../../src/kube/types.ts';
import { CLUSTER } from './support/cluster.ts';
import { openScenario, type Play } from './support/play.ts';
import { node, restarts, uids, workloadPods } from './support/pods.ts';

const STATEFUL_SETS: Resource<KubeObject & { readonly spec: object }> = {
  group: 'apps',
  version: 'v1',
  plural: 'statefulsets',
  kind: 'StatefulSet',
  namespaced: true,
};
const AFTER_MS = 15_000;
const TOLERATION_SECONDS = 2;

function condition(of: Node | Pod | undefined, type: string) {
  return (of?.status?.conditions as { type: string; status: string; reason?: string }[] | undefined)?.find(
    (each) => each.type === type,
  );
}

function taints(of: Node | undefined): string[] {
  return (of?.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
}

const isReady = (pod: Pod): boolean => condition(pod, 'Ready')?.status === 'True';
const podsOf = (play: Play, app: string): Pod[] =>
  play.history.currentPods().filter(({ metadata }) => metadata?.labels?.app === app);
const staying = ({ metadata }: Pod): boolean => metadata?.deletionTimestamp === undefined;
const nodeNameOf = (play: Play, zone: string): string =>
  play.stage.zones.find(({ name }) => name === zone)?.nodeName ?? '';

async function killBackend(play: Play, zone: string): Promise<void> {
  play.stage.part(`backend-${zone}`).kill('SIGKILL');
  await play.stage.part(`backend-${zone}`).exited;
}

/** Pods that leave a node which is not Ready after two seconds. */
function template(play: Play, app: string): object {
  return {
    metadata: { labels: { app } },
    spec: {
      nodeSelector: { 'zonelet.dev/set': play.stage.set },
      tolerations: [
        { key: 'virtual-kubelet.io/provider', operator: 'Exists', effect: 'NoSchedule' },
        ...['not-ready', 'unreachable'].map((key) => ({
          key: `node.kubernetes.io/${key}`,
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: TOLERATION_SECONDS,
        })),
      ],
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'topology.kubernetes.io/zone',
          whenUnsatisfiable: 'ScheduleAnyway',
          labelSelector: { matchLabels: { app } },
        },
      ],
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'app', image: 'registry.example/app:1' }],
    },
  };
}

async function deploy(play: Play, app: string, replicas: number): Promise<void> {
  const spec = { replicas, selector: { matchLabels: { app } }, template: template(play, app) };
  const metadata = { name: app, namespace: play.stage.namespace };
  await play.client.create(DEPLOYMENTS, { metadata, spec } as Parameters<typeof play.client.create>[1]);
  await play.until(`${replicas} pods of ${app}`, () => podsOf(play, app).filter(isReady).length === replicas);
}

test('hold: the backend of a zone down for all: nothing new goes there, its pods stay, other zones are untouched', async () => {
  await using play = await openScenario({ pods: 9 });
  const [, , { name: zone } = { name: '' }] = play.stage.zones;
  const before = uids(workloadPods(play));
  const ready = workloadPods(play).filter(isReady).length;
  const epochs = play.stage.zones.map(({ name }) => play.epochOf(name));
  await killBackend(play, zone);
  await play.until(
    'the node to say that its backend is down',
    () => condition(node(play, zone), 'zonelet.dev/BackendReady')?.reason === 'BackendDown',
  );
  await play.until('its taint', () => taints(node(play, zone)).includes('zonelet.dev/backend-down:NoSchedule'));
  await deploy(play, 'more', 4);
  expect(podsOf(play, 'more').map(({ spec }) => spec?.nodeName)).not.toContain(nodeNameOf(play, zone));
  expect(uids(workloadPods(play))).toEqual(before);
  expect(workloadPods(play).filter(isReady)).toHaveLength(ready);

  expect(condition(node(play, zone), 'Ready')?.status).toBe('True');
  expect(restarts(workloadPods(play))).toBe(0);
  // Nobody reached it: nobody was a better leader.
  expect(play.stage.zones.map(({ name }) => play.epochOf(name))).toEqual(epochs);
  await play.checkInvariants();
});

test('evict: pods of a zone whose backend is down move to the others, none runs twice, and the zone comes back clean', async () => {
  await using play = await openScenario({
    pods: 3,
    settings: () => ({ onZoneDown: { policy: 'evict', after: `${AFTER_MS}ms` } }),
    // More than twice what the virtual nodes need; what beats stop is noticed soon.
    controllerManagerFlags: ['--node-monitor-grace-period=25s', '--node-monitor-period=2s'],
  });
  const { client, stage } = play;
  const [, , { name: zone } = { name: '' }] = stage.zones;
  const nodeName = nodeNameOf(play, zone);
  await deploy(play, 'moving', 6);
  if (CLUSTER === 'real') {
    const spec = {
      replicas: 3,
      serviceName: 'steady',
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: 'steady' } },
      template: template(play, 'steady'),
    };
    await client.create(STATEFUL_SETS, { metadata: { name: 'steady', namespace: stage.namespace }, spec });
    await play.until('three pods of the StatefulSet', () => podsOf(play, 'steady').filter(isReady).length === 3);
  }
  await using real = CLUSTER === 'real' ? await realNodes(play, zone) : undefined;
  const there = (app: string): Pod[] => podsOf(play, app).filter(({ spec }) => spec?.nodeName === nodeName);
  const moving = uids(there('moving'));
  const steady = there('steady');
  expect(moving.length).toBeGreaterThan(0);

  await killBackend(play, zone);
  const killedAt = Date.now();
  real?.silence('real-1');
  await play.until('the zone to be given up', () => condition(node(play, zone), 'Ready')?.status === 'False');
  expect(condition(node(play, zone), 'Ready')?.reason).toBe('ZoneBackendDown');
  await play.until(
    'six pods elsewhere',
    () => podsOf(play, 'moving').filter((pod) => isReady(pod) && pod.spec?.nodeName !== nodeName).length === 6,
  );
  const movedMs = Date.now() - killedAt;
  // Those that stay are not ready, and nobody but the virtual node says so.
  await play.until('the pods there to be not ready', () => there(WORKLOAD).every((pod) => !isReady(pod)));
  expect(there(WORKLOAD).map((pod) => condition(pod, 'Ready')?.reason)).toEqual(['ZoneBackendDown']);
  expect(there('moving').filter(staying)).toEqual([]);
  expect(uids(there('moving'))).toEqual(moving);
  if (real !== undefined) {
    await play.until('the pod of the dead real node to be told to go', () => real.isLeaving('on-real-1'), 120_000);
    expect(real.isLeaving('on-real-2')).toBe(false);
    // The virtual zone stayed as it is, and the StatefulSet made no second pod of the same name.
    expect(condition(node(play, zone), 'Ready')?.status).toBe('False');
    expect(uids(there('steady'))).toEqual(uids(steady));
    expect(there('steady').filter(staying)).toEqual([]);
  }
  // Somebody gives pods up that nobody can confirm to have ended: they may still run over there.
  const forced = [...there('moving').slice(0, 1), ...there('steady')];
  for (const { metadata } of forced) {
    await client.delete(PODS, { namespace: stage.namespace, name: metadata?.name ?? '' }, { gracePeriodSeconds: 0 });
  }
  if (steady.length > 0) {
    await play.until('the StatefulSet to be whole', () => podsOf(play, 'steady').filter(isReady).length === 3);
  }

  stage.restart(`backend-${zone}`);
  await play.until('the zone to be back', () => condition(node(play, zone), 'Ready')?.status === 'True');
  const seen = play.history.nodes.filter(({ object }) => object.metadata?.name === nodeName);
  const backAt = seen[seen.findLastIndex(({ object }) => condition(object, 'Ready')?.status === 'False') + 1]?.t;
  const journal = (await play.journals()).get(zone) ?? [];
  for (const uid of [...moving, ...uids(steady)]) {
    const ended = journal.find((entry) => entry.op === 'delete' && entry.uid === uid && entry.outcome === 'accepted');
    expect(ended, `${uid} to have left the backend`).toBeDefined();
    expect(ended?.t).toBeLessThan(backAt ?? 0);
  }
  await play.until('the pods that stayed to be ready', () => there(WORKLOAD).every(isReady));
  expect(restarts(workloadPods(play))).toBe(0);
  console.log(
    `moved ${Math.round(movedMs / 100) / 10} s after the backend was killed, with after: ${AFTER_MS / 1000}s`,
  );
  await play.checkInvariants({ givenUp: [nodeName] });
});

interface RealNodes extends AsyncDisposable {
  /** Its kubelet says nothing any more. */
  silence(name: string): void;
  isLeaving(pod: string): boolean;
}

/** Two nodes in the zone as a kubelet would keep them, each with a pod. */
async function realNodes(play: Play, zone: string): Promise<RealNodes> {
  const { client, stage } = play;
  const beating = new Set(['real-1', 'real-2']);
  const namespace = 'kube-node-lease';
  for (const name of beating) {
    const labels = {
      'kubernetes.io/hostname': name,
      'topology.kubernetes.io/zone': zone,
      'topology.kubernetes.io/region': 'local',
    };
    await client.create(NODES, { metadata: { name, labels } });
    const room = { cpu: '4', memory: '8Gi', pods: '10' };
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'posting ready status' };
    const status = { capacity: room, allocatable: room, conditions: [ready] };
    await client.patch(NODES, { name }, { type: 'strategic', body: { status } }, { subresource: 'status' });
    const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: formatMicroTime(Date.now()) };
    await client.create(LEASES, { metadata: { name, namespace }, spec });
    const tolerations = ['not-ready', 'unreachable'].map((key) => ({
      key: `node.kubernetes.io/${key}`,
      operator: 'Exists' as const,
      effect: 'NoExecute' as const,
      tolerationSeconds: TOLERATION_SECONDS,
    }));
    await client.create(PODS, {
      metadata: { name: `on-${name}`, namespace: stage.namespace },
      spec: { nodeName: name, tolerations, containers: [{ name: 'app', image: 'registry.example/app:1' }] },
    });
  }
  const timer = setInterval(() => {
    for (const name of beating) {
      const body = { spec: { renewTime: formatMicroTime(Date.now()) } };
      client.patch(LEASES, { namespace, name }, { type: 'merge', body }).catch(() => {});
    }
  }, 5_000);
  return {
    silence: (name) => beating.delete(name),
    isLeaving: (pod) =>
      play.history
        .currentPods()
        .some(({ metadata }) => metadata?.name === pod && metadata.deletionTimestamp !== undefined),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
    },
  };
}
