import { describe, expect, test } from 'vitest';
import type { ContainerState, Pod } from '../../../src/kube/types.ts';
import { sameValue } from '../../../src/pods/equality.ts';
import { changedFields, podHash } from '../../../src/pods/hash.ts';
import { podStatus, statusPatch } from '../../../src/pods/status.ts';
import { unsupportedFields } from '../../../src/pods/support.ts';
import { isOlder, wasCreated } from '../../../src/pods/tracked-pod.ts';
import type { Capabilities, PodObservation } from '../../../src/provider/contract.ts';
import { kubernetesStateStore, RECORD_ANNOTATION } from '../../../src/state/kubernetes-store.ts';
import { testPod } from './stage.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const RUNNING: ContainerState = { running: { startedAt: '2026-01-01T11:00:00.123Z' } };
const WAITING: ContainerState = { waiting: { reason: 'ContainerCreating' } };
const CRASHING: ContainerState = { waiting: { reason: 'CrashLoopBackOff' } };
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode } });

function seen(...states: (ContainerState | [ContainerState, ContainerState])[]): PodObservation {
  return {
    reachable: true,
    podIPs: ['198.18.0.7'],
    containers: states.map((state, i) => {
      const [now, last] = Array.isArray(state) ? state : [state, undefined];
      return { name: `c${i}`, state: now, restartCount: 0, ...(last === undefined ? {} : { lastState: last }) };
    }),
  };
}

function podOf(count: number, restartPolicy: string, status: Pod['status'] = { phase: 'Pending' }): Pod {
  const containers = Array.from({ length: count }, (_, i) => ({ name: `c${i}`, image: 'x' }));
  return { ...testPod('a', { containers, restartPolicy }), status };
}

describe('phase, as a kubelet finds it', () => {
  test.each([
    ['Always', [RUNNING, RUNNING], false, 'Running'],
    ['Always', [RUNNING, WAITING], false, 'Pending'],
    ['Always', [RUNNING, [CRASHING, ended(1)]], false, 'Running'],
    ['Always', [ended(0), ended(0)], false, 'Running'],
    ['Always', [ended(0), ended(1)], true, 'Failed'],
    ['Always', [ended(0), ended(0)], true, 'Succeeded'],
    ['OnFailure', [ended(0), ended(0)], false, 'Succeeded'],
    ['OnFailure', [ended(0), ended(1)], false, 'Running'],
    ['OnFailure', [ended(0), RUNNING], false, 'Running'],
    ['Never', [ended(0), ended(1)], false, 'Failed'],
    ['Never', [ended(0), ended(0)], false, 'Succeeded'],
    ['Never', [ended(1), RUNNING], false, 'Running'],
    ['Never', [WAITING, WAITING], false, 'Pending'],
  ] as const)('%s with %j, ending %j: %s', (policy, states, ending, phase) => {
    const observation = seen(...(states as unknown as ContainerState[]));
    expect(podStatus({ pod: podOf(2, policy), observation, ending, now: NOW }).phase).toBe(phase);
  });

  test('terminal is final, whatever the backend says later; so is its reason', () => {
    const pod = podOf(1, 'Always', { phase: 'Failed', reason: 'Evicted', message: 'm' });
    const status = podStatus({ pod, observation: seen(RUNNING), now: NOW });
    expect(status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message: 'm' });
  });

  test('the backend may end the pod as a whole', () => {
    const observation: PodObservation = { ...seen(ended(1)), phase: 'Failed', reason: 'Evicted', message: 'no memory' };
    const status = podStatus({ pod: podOf(1, 'Always'), observation, now: NOW });
    expect(status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message: 'no memory' });
  });
});

describe('status', () => {
  test('the same observation twice is no news, also when the API server wrote it out in its own way', () => {
    const pod = podOf(1, 'Never');
    const status = podStatus({ pod, observation: seen(ended(0)), hostIP: '10.0.0.1', now: NOW });
    const stored = JSON.parse(JSON.stringify(status)) as typeof status;
    for (const condition of stored.conditions ?? []) Object.assign(condition, { lastProbeTime: null });
    Object.assign(stored.containerStatuses?.[0]?.state?.terminated ?? {}, { startedAt: null, finishedAt: null });
    const again = podStatus({ pod: { ...pod, status: stored }, observation: seen(ended(0)), now: NOW + 60_000 });
    expect(statusPatch(stored, again, { ending: false })).toBeUndefined();
  });

  test('a transition time changes with the status only', () => {
    const pod = podOf(1, 'Always');
    const first = podStatus({ pod, observation: seen(RUNNING), now: NOW });
    const observation: PodObservation = { ...seen(RUNNING), reachable: false };
    const second = podStatus({ pod: { ...pod, status: first }, observation, now: NOW + 60_000 });
    const time = (status: typeof first, type: string) =>
      status.conditions?.find((condition) => condition.type === type)?.lastTransitionTime;
    expect(time(second, 'Ready')).toBe('2026-01-01T12:01:00Z');
    expect(time(second, 'ContainersReady')).toBe('2026-01-01T12:00:00Z');
  });

  test('restart counts never fall, times are whole seconds, containers that the backend omits keep their state', () => {
    const pod = podOf(2, 'Always');
    const observation = seen(RUNNING, RUNNING);
    const first = podStatus({ pod, observation, now: NOW });
    const counted = (first.containerStatuses ?? []).map((status) => ({ ...status, restartCount: 4 }));
    const second = podStatus({
      pod: { ...pod, status: { ...first, containerStatuses: counted } },
      observation: { ...observation, containers: observation.containers.slice(0, 1) },
      now: NOW,
    });
    expect(second.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([4, 4]);
    expect(second.containerStatuses?.map(({ state }) => state?.running?.startedAt)).toEqual([
      '2026-01-01T11:00:00Z',
      '2026-01-01T11:00:00Z',
    ]);
  });

  test('the host of a predecessor stays: a change of leader writes no statuses', () => {
    const pod = podOf(1, 'Always');
    const first = podStatus({ pod, observation: seen(RUNNING), hostIP: '10.0.0.1', now: NOW });
    const second = podStatus({
      pod: { ...pod, status: first },
      observation: seen(RUNNING),
      hostIP: '10.0.0.2',
      now: NOW + 1_000,
    });
    expect(second.hostIP).toBe('10.0.0.1');
    expect(statusPatch(first, second, { ending: false })).toBeUndefined();
  });

  test('a deletion alone is not written, though it raises the generation', () => {
    const pod = podOf(1, 'Always');
    const status = podStatus({ pod, observation: seen(RUNNING), now: NOW });
    const ending = { ...pod, metadata: { ...pod.metadata, generation: 2 }, status };
    const after = podStatus({ pod: ending, observation: seen(RUNNING), now: NOW });
    expect(after.observedGeneration).toBe(2);
    expect(statusPatch(status, after, { ending: true })).toBeUndefined();
    expect(statusPatch(status, after, { ending: false })).toBeDefined();
  });

  test('an init container is ready once it has ended well, and the pod is then Initialized', () => {
    const pod = testPod('a', {
      initContainers: [{ name: 'i', image: 'x' }],
      containers: [{ name: 'c0', image: 'x' }],
    });
    const init = (state: ContainerState): PodObservation => ({
      ...seen(WAITING),
      containers: [{ name: 'i', state, restartCount: 0 }, ...seen(WAITING).containers],
    });
    const done = podStatus({ pod, observation: init(ended(0)), now: NOW });
    expect(done.initContainerStatuses).toMatchObject([{ name: 'i', ready: true, started: false }]);
    expect(done.conditions?.find(({ type }) => type === 'Initialized')).toMatchObject({ status: 'True' });
    const runs = podStatus({ pod, observation: init(RUNNING), now: NOW });
    expect(runs.initContainerStatuses).toMatchObject([{ ready: false, started: true }]);
    expect(runs.conditions?.find(({ type }) => type === 'Initialized')).toMatchObject({ status: 'False' });
  });

  test('a container that has not started is not ready, whatever else is said', () => {
    const container = { name: 'c0', state: RUNNING, restartCount: 0, started: false, ready: true };
    const status = podStatus({
      pod: podOf(1, 'Always'),
      observation: { ...seen(RUNNING), containers: [container] },
      now: NOW,
    });
    expect(status.containerStatuses).toMatchObject([{ started: false, ready: false }]);
    expect(status.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [c0]',
    });
  });

  test('ephemeral containers have statuses of their own and no part in the phase', () => {
    const pod = testPod('a', {
      containers: [{ name: 'c0', image: 'x' }],
      ephemeralContainers: [{ name: 'debug', image: 'x' }],
    });
    const waiting = podStatus({ pod, observation: seen(RUNNING), now: NOW });
    expect(waiting).toMatchObject({
      phase: 'Running',
      ephemeralContainerStatuses: [{ name: 'debug', state: { waiting: { reason: 'ContainerCreating' } } }],
    });
    const observation = {
      ...seen(RUNNING),
      containers: [...seen(RUNNING).containers, { name: 'debug', state: ended(1), restartCount: 0 }],
    };
    expect(podStatus({ pod, observation, now: NOW })).toMatchObject({
      phase: 'Running',
      ephemeralContainerStatuses: [{ name: 'debug', ready: false, state: { terminated: { exitCode: 1 } } }],
    });
  });

  test('init containers hold the pod in Pending until they are through', () => {
    const pod = testPod('a', {
      initContainers: [{ name: 'init', image: 'x' }],
      containers: [{ name: 'c0', image: 'x' }],
    });
    const status = podStatus({ pod, observation: undefined, now: NOW });
    expect(status).toMatchObject({
      phase: 'Pending',
      initContainerStatuses: [{ name: 'init', state: { waiting: { reason: 'PodInitializing' } } }],
    });
    expect(status.conditions?.find(({ type }) => type === 'Initialized')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [init]',
    });
  });
});

describe('what is told apart', () => {
  test('values as the API server keeps them', () => {
    expect(sameValue({ a: 1, b: null, c: {}, d: '' }, { a: 1 })).toBe(true);
    expect(sameValue([{ a: 1 }], [{ a: 1 }, { a: 2 }])).toBe(false);
    expect(sameValue({ a: 0 }, {})).toBe(false);
    expect(sameValue({ a: false }, {})).toBe(false);
  });

  test('an overtaken observation, and a crash loop, which is none', () => {
    expect(isOlder(seen(RUNNING), seen(WAITING))).toBe(true);
    expect(isOlder(seen(ended(1)), seen([CRASHING, ended(1)]))).toBe(false);
    expect(isOlder(seen(WAITING), seen(RUNNING))).toBe(false);
  });

  test('a UID that was created once', () => {
    expect(wasCreated(podOf(1, 'Always'), false)).toBe(false);
    expect(wasCreated(podOf(1, 'Always'), true)).toBe(true);
    expect(wasCreated(podOf(1, 'Always', { phase: 'Running' }), false)).toBe(true);
  });

  test('what may change in place, by name; labels, annotations and resolved values are not part of it', () => {
    const pod = podOf(1, 'Always');
    const relabelled = { ...pod, metadata: { ...pod.metadata, labels: { a: 'b' }, annotations: { c: 'd' } } };
    expect(podHash(relabelled)).toBe(podHash(pod));
    const other = podOf(1, 'Always');
    other.spec!.containers[0]!.image = 'y';
    other.spec!.ephemeralContainers = [{ name: 'debug', image: 'x' }];
    expect(changedFields(podHash(pod), podHash(other))).toEqual(['containers[*].image', 'ephemeralContainers']);
    expect(changedFields('somebody else', podHash(pod))).toContain('containers[*].image');
  });
});

describe('what is refused', () => {
  const none: Capabilities = {
    fence: 'epoch',
    restarts: 'backend',
    logs: false,
    exec: false,
    attach: false,
    portForward: false,
    stats: false,
    initContainers: false,
    probes: false,
    lifecycleHooks: false,
    volumes: ['emptyDir'],
    update: [],
  };
  const paths = (spec: Parameters<typeof testPod>[1], capabilities = none) =>
    unsupportedFields(testPod('a', spec), { capabilities, validate: () => [] }).map(({ path }) => path);

  test('an ordinary pod is not', () => {
    expect(
      paths({
        volumes: [
          { name: 'kube-api-access-abcde', projected: { sources: [] } },
          { name: 'tmp', emptyDir: {} },
        ],
      }),
    ).toEqual([]);
  });

  test('each field that nobody would honour is named', () => {
    expect(
      paths({
        ephemeralContainers: [{ name: 'debug', image: 'x' }],
        initContainers: [{ name: 'i', image: 'x' }],
        volumes: [
          { name: 'v', configMap: { name: 'c' } },
          { name: 'w', persistentVolumeClaim: { claimName: 'p' } },
        ],
        containers: [
          {
            name: 'app',
            image: 'x',
            livenessProbe: {},
            lifecycle: { preStop: { sleep: { seconds: 1 } } },
            env: [
              { name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
              { name: 'C', valueFrom: { resourceFieldRef: { resource: 'limits.gold' } } },
              { name: 'D', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } },
            ],
          },
        ],
      }),
    ).toEqual([
      'spec.ephemeralContainers',
      'spec.initContainers',
      'spec.volumes[0].configMap',
      'spec.volumes[1].persistentVolumeClaim',
      'spec.containers[0].livenessProbe',
      'spec.containers[0].lifecycle',
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath',
      'spec.containers[0].env[2].valueFrom.resourceFieldRef.resource',
      'spec.containers[0].env[3].valueFrom.fieldRef.fieldPath',
    ]);
  });

  test('its own addresses: only where the backend can put them in before it starts anything', () => {
    const env = [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }];
    const spec = { containers: [{ name: 'app', image: 'x', env }] };
    const found = unsupportedFields(testPod('a', spec), { capabilities: none, validate: () => [] });
    expect(found).toEqual([
      {
        path: 'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath',
        reason: 'status.podIP is not known before this backend has made the pod',
      },
    ]);
    expect(paths(spec, { ...none, podIPsInEnvironment: true })).toEqual([]);
  });

  test('volumes: what nobody can fill is named with the reason, down to the source', () => {
    const projected = {
      sources: [
        { clusterTrustBundle: { path: 'ca', name: 'x' } },
        { podCertificate: { keyType: 'ED25519', signerName: 'x/y' } },
        { downwardAPI: { items: [{ path: 'ip', fieldRef: { fieldPath: 'status.podIP' } }] } },
      ],
    };
    const spec = {
      volumes: [
        { name: 'a', projected },
        { name: 'b', persistentVolumeClaim: { claimName: 'p' } },
        { name: 'c', iscsi: { iqn: 'i', lun: 0, targetPortal: 't' } },
      ],
    };
    const capabilities = { ...none, volumes: ['projected'] };
    expect(unsupportedFields(testPod('a', spec), { capabilities, validate: () => [] })).toEqual([
      { path: 'spec.volumes[0].projected.sources[0].clusterTrustBundle', reason: 'not supported yet' },
      { path: 'spec.volumes[0].projected.sources[1].podCertificate', reason: 'not supported yet' },
      {
        path: 'spec.volumes[0].projected.sources[2].downwardAPI.items[0].fieldRef.fieldPath',
        reason: 'no file can have status.podIP',
      },
      {
        path: 'spec.volumes[1].persistentVolumeClaim',
        reason: 'persistent volumes are not offered by this backend',
      },
      { path: 'spec.volumes[2].iscsi', reason: 'not offered by this backend' },
    ]);
  });

  test('restarts that nobody would do', () => {
    expect(paths({ restartPolicy: 'Always' }, { ...none, restarts: 'none' })).toEqual(['spec.restartPolicy']);
    expect(paths({ restartPolicy: 'Never' }, { ...none, restarts: 'none' })).toEqual([]);
  });

  test('the provider has its say, and no field is named twice', () => {
    const found = unsupportedFields(testPod('a', { activeDeadlineSeconds: 5 }), {
      capabilities: none,
      validate: () => [
        { path: 'spec.activeDeadlineSeconds', reason: 'no' },
        { path: 'spec.hostNetwork', reason: 'no host' },
      ],
    });
    expect(found.map(({ path }) => path)).toEqual(['spec.activeDeadlineSeconds', 'spec.hostNetwork']);
  });
});

describe('the record on a pod', () => {
  const record = { handle: 'h1', applied: 'x', epoch: 3 };

  test('is read back; another epoch alone is not written', () => {
    const pod = testPod('a');
    const ride = kubernetesStateStore.keep(pod, record);
    const stored: Pod = { ...pod, metadata: { ...pod.metadata, annotations: { ...ride?.annotations } } };
    expect(kubernetesStateStore.read(stored)).toEqual(record);
    expect(kubernetesStateStore.keep(stored, { ...record, epoch: 4 })).toBeUndefined();
    expect(kubernetesStateStore.keep(stored, { ...record, applied: 'y' })).toBeDefined();
  });

  test.each(['{', '[]', '"x"', '{"h":1}', '{"e":"1"}', 'null'])(
    'edited by hand to %s it is as good as not there',
    (text) => {
      const pod = testPod('a');
      const stored: Pod = { ...pod, metadata: { ...pod.metadata, annotations: { [RECORD_ANNOTATION]: text } } };
      expect(kubernetesStateStore.read(stored)).toBeUndefined();
    },
  );
});
