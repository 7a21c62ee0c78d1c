/** Volumes from a pod's start to its end: what is missing, what changes, what is renewed, and after a change of leader. */
import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import type { Pod } from '../../../src/kube/types.ts';
import type { Provider, ResolvedPod, VolumeContent } from '../../../src/provider/contract.ts';
import { settle } from '../../support/virtual-clock.ts';
import { stage, testPod } from './stage.ts';

type Spec = NonNullable<Pod['spec']>;
type Volumes = NonNullable<Spec['volumes']>;

/** A backend that keeps what it is given; `kept.volumes` is what a container would see. */
function keeping() {
  const created: ResolvedPod[] = [];
  const volumes = new Map<string, Record<string, VolumeContent>>();
  const refreshes: { uid: string; names: string[] }[] = [];
  const kept = { created, volumes, refreshes, fail: undefined as ZoneletError | undefined };
  const wrap = (provider: Provider): Provider => ({
    ...provider,
    capabilities: { ...provider.capabilities, serviceAccountTokens: true },
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
    create: async (pod, operation) => {
      created.push(pod);
      const result = await provider.create(pod, operation);
      if (result.outcome === 'created') volumes.set(pod.ref.uid, { ...pod.volumes });
      return result;
    },
    refreshVolumes: async (ref, fresh) => {
      if (kept.fail !== undefined) throw kept.fail;
      refreshes.push({ uid: ref.uid, names: Object.keys(fresh) });
      volumes.set(ref.uid, { ...volumes.get(ref.uid), ...fresh });
    },
  });
  const file = (uid: string, volume: string, path: string): string | undefined => {
    const found = volumes.get(uid)?.[volume]?.files.find((one) => one.path === path);
    return found === undefined ? undefined : Buffer.from(found.content).toString();
  };
  return { ...kept, kept, wrap, file };
}

function mounting(name: string, volumes: Volumes, mounts: readonly object[] = []): Pod {
  const volumeMounts = volumes.map((volume) => ({ name: volume.name, mountPath: `/${volume.name}`, ...mounts[0] }));
  return testPod(name, { volumes, containers: [{ name: 'app', image: 'app:1', volumeMounts }] });
}

const config = (data: Record<string, string>, more: object = {}) => ({
  kind: 'ConfigMap',
  metadata: { name: 'settings', namespace: 'default' },
  data,
  ...more,
});
const SETTINGS: Volumes = [{ name: 'cfg', configMap: { name: 'settings' } }];
const ACCESS: Volumes = [
  {
    name: 'kube-api-access-x7k2p',
    projected: {
      defaultMode: 420,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  },
];
const ROOT_CA = {
  kind: 'ConfigMap',
  metadata: { name: 'kube-root-ca.crt', namespace: 'default' },
  data: { 'ca.crt': 'CA' },
};

function tokenRequests(api: ReturnType<typeof stage>['api']) {
  return api.requests.filter(({ kind }) => kind === 'TokenRequest');
}

describe('a volume that cannot be mounted yet', () => {
  test('FailedMount once, ContainerCreating without a message; it runs within 5 s of the appearing', async () => {
    const { wrap, file } = keeping();
    const { api, lead, events, clock } = stage({ wrap });
    const leader = await lead();
    api.put(mounting('a', SETTINGS));
    await clock.advance(60_000);
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'ContainerCreating' } });
    expect(events).toEqual([
      {
        type: 'Warning',
        reason: 'FailedMount',
        message: 'MountVolume.SetUp failed for volume "cfg" : configmap "settings" not found',
        uid: 'uid-a',
      },
    ]);
    api.put(config({ colour: 'red' }));
    await clock.advance(5_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(file('uid-a', 'cfg', 'colour')).toBe('red');
    await leader.kill();
  });

  test('a token that is refused: told, asked for again with pauses, and then it runs', async () => {
    const { wrap } = keeping();
    const { api, lead, events, clock } = stage({ wrap });
    api.put(ROOT_CA);
    api.refuseTokens = new ZoneletError('Forbidden', 'no, says RBAC');
    const leader = await lead();
    api.put(mounting('a', ACCESS));
    await clock.advance(300_000);
    expect(events).toMatchObject([
      { reason: 'FailedMount', message: expect.stringContaining('failed to fetch token: no, says RBAC') },
    ]);
    expect(tokenRequests(api).length).toBeLessThan(25);
    api.refuseTokens = undefined;
    await clock.advance(300_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });
});

describe('the volume of every ordinary pod', () => {
  test('has a token bound to the pod, the CA and the namespace', async () => {
    const { wrap, file } = keeping();
    const { api, lead } = stage({ wrap });
    api.put(ROOT_CA);
    const leader = await lead();
    api.put(mounting('a', ACCESS));
    await settle();
    const name = ACCESS[0]?.name ?? '';
    expect(file('uid-a', name, 'token')).toBe('token-1');
    expect(file('uid-a', name, 'ca.crt')).toBe('CA');
    expect(file('uid-a', name, 'namespace')).toBe('default');
    expect(tokenRequests(api)).toMatchObject([
      {
        name: 'default',
        body: {
          spec: {
            audiences: [],
            expirationSeconds: 3607,
            boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'uid-a' },
          },
        },
      },
    ]);
    await leader.kill();
  });

  test('a backend that mounts no tokens costs the API server nothing for it', async () => {
    const { api, lead, clock } = stage();
    const leader = await lead();
    api.put(mounting('a', ACCESS));
    await clock.advance(7_200_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(api.requests.map(({ kind }) => kind)).toEqual(['Pod']);
    await leader.kill();
  });

  test('a pod whose create fails for long asks for one token', async () => {
    const { wrap } = keeping();
    let fail = true;
    const failing = (provider: Provider): Provider => {
      const kept = wrap(provider);
      return {
        ...kept,
        [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
        create: async (pod, operation) => {
          if (fail) throw new ZoneletError('Unavailable', 'away');
          return await kept.create(pod, operation);
        },
      };
    };
    const { api, lead, clock } = stage({ wrap: failing });
    api.put(ROOT_CA);
    const leader = await lead();
    api.put(mounting('a', ACCESS));
    await clock.advance(600_000);
    fail = false;
    await clock.advance(600_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(tokenRequests(api)).toHaveLength(1);
    await leader.kill();
  });
});

describe('while a pod runs', () => {
  test('an edited ConfigMap is in its volume within about a minute, and nothing else is sent', async () => {
    const { wrap, file, refreshes } = keeping();
    const { api, lead, clock } = stage({ wrap });
    api.put(config({ colour: 'red' }));
    const leader = await lead();
    api.put(mounting('a', SETTINGS));
    api.put(mounting('b', SETTINGS));
    await clock.advance(300_000);
    expect(refreshes).toEqual([]);
    const reads = api.requests.filter(({ kind }) => kind === 'ConfigMap').length;
    api.put(config({ colour: 'blue' }));
    await clock.advance(70_000);
    expect(file('uid-a', 'cfg', 'colour')).toBe('blue');
    expect(file('uid-b', 'cfg', 'colour')).toBe('blue');
    expect(refreshes).toHaveLength(2);
    // One reader for both, once a minute.
    await clock.advance(600_000);
    expect(refreshes).toHaveLength(2);
    expect(api.requests.filter(({ kind }) => kind === 'ConfigMap').length - reads).toBeLessThanOrEqual(14);
    expect(api.writes().filter(({ kind }) => kind === 'Pod')).toHaveLength(2);
    await leader.kill();
  });

  test('nobody follows what is immutable, what is mounted by subPath alone, and what belongs to pods that are gone', async () => {
    const { wrap, refreshes } = keeping();
    const { api, lead, clock } = stage({ wrap });
    const leader = await lead();
    api.put(config({ colour: 'red' }, { immutable: true }));
    api.put(mounting('fixed', SETTINGS));
    await clock.advance(5_000);
    api.put(config({ colour: 'red' }));
    api.put(mounting('part', SETTINGS, [{ subPath: 'colour' }]));
    await clock.advance(5_000);
    const asked = (): number => api.requests.filter(({ kind }) => kind === 'ConfigMap').length;
    const before = asked();
    await clock.advance(600_000);
    expect(asked()).toBe(before);
    api.put(mounting('whole', SETTINGS));
    await clock.advance(300_000);
    expect(asked()).toBeGreaterThan(before);
    api.deletePod('whole');
    await clock.advance(120_000);
    const after = asked();
    await clock.advance(600_000);
    expect(asked()).toBe(after);
    expect(refreshes).toEqual([]);
    await leader.kill();
  });

  test('a ConfigMap that is deleted leaves the volume as it is, which is told once; it comes back by itself', async () => {
    const { wrap, file } = keeping();
    const { api, lead, clock, events } = stage({ wrap });
    api.put(config({ colour: 'red' }));
    const leader = await lead();
    api.put(mounting('a', SETTINGS));
    await clock.advance(5_000);
    events.length = 0;
    api.remove('ConfigMap', 'settings');
    await clock.advance(300_000);
    expect(file('uid-a', 'cfg', 'colour')).toBe('red');
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(events).toMatchObject([{ reason: 'FailedMount', message: expect.stringContaining('"settings" not found') }]);
    api.put(config({ colour: 'green' }));
    await clock.advance(130_000);
    expect(file('uid-a', 'cfg', 'colour')).toBe('green');
    await leader.kill();
  });

  test('a token is renewed when 80 % of its life are over', async () => {
    const { wrap, file } = keeping();
    const { api, lead, clock } = stage({ wrap });
    api.put(ROOT_CA);
    const leader = await lead();
    api.put(mounting('a', ACCESS));
    const name = ACCESS[0]?.name ?? '';
    await clock.advance(0.8 * 3_607_000 - 11_000);
    expect(file('uid-a', name, 'token')).toBe('token-1');
    await clock.advance(20_000);
    expect(file('uid-a', name, 'token')).toBe('token-2');
    expect(file('uid-a', name, 'ca.crt')).toBe('CA');
    await clock.advance(2 * 3_607_000);
    expect(tokenRequests(api)).toHaveLength(4);
    await leader.kill();
  });

  test('a token that lives for long is renewed every day', async () => {
    const { wrap } = keeping();
    const { api, lead, clock } = stage({ wrap });
    api.put(ROOT_CA);
    api.tokenSeconds = 10 * 86_400;
    const leader = await lead();
    api.put(mounting('a', ACCESS));
    await clock.advance(24 * 3_600_000 - 11_000);
    expect(tokenRequests(api)).toHaveLength(1);
    await clock.advance(20_000);
    expect(tokenRequests(api)).toHaveLength(2);
    await leader.kill();
  });

  test('labels and annotations are in their files soon after they changed', async () => {
    const { wrap, file } = keeping();
    const { api, lead, clock } = stage({ wrap });
    const leader = await lead();
    const items = [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }];
    api.put(mounting('a', [{ name: 'info', downwardAPI: { items } }]));
    await clock.advance(5_000);
    expect(file('uid-a', 'info', 'labels')).toBe('');
    const pod = api.pod('a');
    api.put({ ...pod, kind: 'Pod', metadata: { ...pod?.metadata, labels: { app: 'web' } } });
    await clock.advance(1_000);
    expect(file('uid-a', 'info', 'labels')).toBe('app="web"');
    await leader.kill();
  });

  test('a refresh that fails is tried again, and the pod hears nothing of it', async () => {
    const { wrap, file, kept, refreshes } = keeping();
    const { api, lead, clock, events } = stage({ wrap });
    api.put(config({ colour: 'red' }));
    const leader = await lead();
    api.put(mounting('a', SETTINGS));
    await clock.advance(5_000);
    events.length = 0;
    kept.fail = new ZoneletError('Unavailable', 'away');
    api.put(config({ colour: 'blue' }));
    await clock.advance(120_000);
    expect(file('uid-a', 'cfg', 'colour')).toBe('red');
    kept.fail = undefined;
    await clock.advance(15_000);
    expect(file('uid-a', 'cfg', 'colour')).toBe('blue');
    expect(refreshes).toHaveLength(1);
    expect(events).toEqual([]);
    await leader.kill();
  });
});

describe('a change of leader', () => {
  test('what changed while nobody led is sent again by the next one, tokens included, a few pods at a time', async () => {
    const { wrap, file, refreshes } = keeping();
    const { api, lead, clock } = stage({ wrap });
    api.put(ROOT_CA);
    api.put(config({ colour: 'red' }));
    const first = await lead();
    const volumes = [...SETTINGS, ...ACCESS];
    for (let i = 0; i < 250; i++) api.put(mounting(`p${i}`, volumes));
    await clock.advance(10_000);
    await first.kill();
    api.put(config({ colour: 'blue' }));
    const second = await lead();
    await clock.advance(6_000);
    expect(refreshes).toHaveLength(100);
    await clock.advance(10_000);
    expect(refreshes).toHaveLength(250);
    for (const name of ['p0', 'p249']) {
      expect(file(`uid-${name}`, 'cfg', 'colour')).toBe('blue');
      expect(file(`uid-${name}`, ACCESS[0]?.name ?? '', 'token')).toMatch(/^token-(2[5-9]\d|[34]\d\d|500)$/);
    }
    await clock.advance(600_000);
    expect(refreshes).toHaveLength(250);
    expect(tokenRequests(api)).toHaveLength(500);
    await second.kill();
  });
});

describe('what else a pod is resolved with', () => {
  test('markers for its own addresses, where it asks for them', async () => {
    const { wrap, created } = keeping();
    const { api, lead } = stage({ wrap });
    const leader = await lead();
    const env = [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }];
    api.put(testPod('a', { containers: [{ name: 'app', image: 'x', env, args: ['--ip=$(IP)'] }] }));
    api.put(testPod('b'));
    await settle();
    const [a, b] = created;
    expect(a?.env.app).toContainEqual({ name: 'IP', value: a?.podIPMarkers?.podIP });
    expect(a?.pod.spec?.containers[0]?.args).toEqual([`--ip=${a?.podIPMarkers?.podIP}`]);
    expect(b?.podIPMarkers).toBeUndefined();
    await leader.kill();
  });

  test('Services that have not been read yet: nothing is told for a moment, then why; it starts when they are', async () => {
    const { wrap } = keeping();
    const services = { ready: false, variables: () => new Map([['KUBERNETES_SERVICE_HOST', '10.0.0.1']]) };
    const { api, lead, clock, events } = stage({ wrap, services });
    const leader = await lead();
    api.put(testPod('a'));
    await clock.advance(2_500);
    expect(events).toEqual([]);
    await clock.advance(5_000);
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.state?.waiting).toMatchObject({
      reason: 'CreateContainerConfigError',
      message: 'services have not yet been read at least once, cannot construct envvars',
    });
    services.ready = true;
    await clock.advance(1_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    await leader.kill();
  });
});
