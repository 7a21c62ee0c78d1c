import { describe, expect, test } from 'vitest';
import type { Pod } from '../../../src/kube/types.ts';
import { forbiddenOfHost, type HostPolicy, NOTHING_OF_THE_HOST } from '../../../src/pods/host-policy.ts';
import { settle } from '../../support/virtual-clock.ts';
import { stage, testPod } from './stage.ts';

/** What a DaemonSet of the cluster's own brings, kube-proxy say: it tolerates everything and wants the whole host. */
const GREEDY: Partial<NonNullable<Pod['spec']>> = {
  hostNetwork: true,
  hostPID: true,
  hostIPC: true,
  tolerations: [{ operator: 'Exists' }],
  initContainers: [{ name: 'prepare', image: 'i', securityContext: { privileged: true } }],
  containers: [
    {
      name: 'main',
      image: 'i',
      securityContext: { privileged: true, windowsOptions: { hostProcess: true } },
    },
  ],
  volumes: [
    { name: 'modules', hostPath: { path: '/lib/modules' } },
    { name: 'scratch', emptyDir: {} },
  ],
};
const WANTED = [
  'spec.hostNetwork',
  'spec.hostPID',
  'spec.hostIPC',
  'spec.initContainers[0].securityContext.privileged',
  'spec.containers[0].securityContext.privileged',
  'spec.containers[0].securityContext.windowsOptions.hostProcess',
  'spec.volumes[0].hostPath',
];

function paths(spec: Partial<NonNullable<Pod['spec']>>, change: Partial<HostPolicy> = {}): string[] {
  return [...forbiddenOfHost(testPod('a', spec), { ...NOTHING_OF_THE_HOST, ...change })].map(({ path }) => path);
}

describe('what a pod may have of the host', () => {
  test('is nothing by default; each field is named with the key that would allow it', () => {
    expect(paths(GREEDY)).toEqual(WANTED);
    const [first] = forbiddenOfHost(testPod('a', GREEDY), NOTHING_OF_THE_HOST);
    expect(first?.reason).toBe('not allowed in this zone (zones[].allow.hostNetwork)');
    expect(paths({})).toEqual([]);
  });

  test.each([
    ['hostNetwork', ['spec.hostNetwork']],
    ['hostPID', ['spec.hostPID']],
    ['hostIPC', ['spec.hostIPC']],
    ['privileged', WANTED.slice(3, 6)],
  ])('%s is allowed by itself', (key, allowed) => {
    expect(paths(GREEDY, { [key]: true })).toEqual(WANTED.filter((path) => !allowed.includes(path)));
  });

  test('ports of the host are allowed by themselves', () => {
    const ports = [{ containerPort: 80 }, { containerPort: 81, hostPort: 8081 }];
    const spec = { containers: [{ name: 'main', image: 'i', ports }] };
    expect(paths(spec)).toEqual(['spec.containers[0].ports[1].hostPort']);
    expect(paths(spec, { hostPorts: true })).toEqual([]);
  });

  test.each([
    ['/var/log', true],
    ['/var/log/pods/', true],
    ['/var/logs', false],
    ['/var', false],
    ['/', false],
    ['/var/log/../../etc', false],
    ['//var//log/x', true],
    ['var/log', false],
  ])('of /var/log, %s may be mounted: %s', (path, may) => {
    const spec = { volumes: [{ name: 'v', hostPath: { path } }] };
    expect(paths(spec, { hostPaths: ['/var/log'] })).toEqual(may ? [] : ['spec.volumes[0].hostPath']);
  });

  test('holds for a DaemonSet that tolerates everything: it stays Pending and says why, and nothing is created', async () => {
    const { api, lead, calls, events, clock } = stage();
    const leader = await lead();
    api.put(testPod('proxy', GREEDY));
    await settle();
    await clock.advance(60_000);
    const { status } = api.pod('proxy') ?? {};
    expect(status?.phase).toBe('Pending');
    const waiting = status?.containerStatuses?.[0]?.state?.waiting;
    expect(waiting?.reason).toBe('UnsupportedPodSpec');
    for (const path of WANTED) expect(waiting?.message).toContain(`${path}: not allowed in this zone`);
    expect(events.filter(({ reason }) => reason === 'UnsupportedPodSpec')).toHaveLength(1);
    expect(calls.some(({ op }) => op === 'create')).toBe(false);
    await leader.kill();
  });

  test('still has to be offered by the backend', async () => {
    const { api, lead } = stage({ hostPolicy: { ...NOTHING_OF_THE_HOST, hostNetwork: true } });
    const leader = await lead();
    api.put(testPod('a', { hostNetwork: true }));
    await settle();
    expect(api.pod('a')?.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe(
      'spec.hostNetwork: there is no host',
    );
    await leader.kill();
  });
});
