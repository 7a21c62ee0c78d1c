import { expect, test } from 'vitest';
import { withPodIPs } from '../../../src/provider/pod-addresses.ts';
import type { ResolvedPod } from '../../../src/provider/resolved-pod.ts';

const RESOLVED: ResolvedPod = {
  ref: { uid: 'u', namespace: 'n', name: 'a' },
  pod: {
    spec: {
      containers: [{ name: 'app', command: ['run', 'at=<ip>'], args: ['<ips>'] }],
      initContainers: [{ name: 'first', volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'of-<ip>' }] }],
    },
  },
  env: { app: [{ name: 'URL', value: 'http://<ip>:80 of <ips>' }], first: [] },
  podIPMarkers: { podIP: '<ip>', podIPs: '<ips>' },
  volumes: {},
  pullSecrets: [],
  hash: 'h',
};

test('the addresses are put wherever the pod asked for them, and it stays as it was', () => {
  const before = structuredClone(RESOLVED);
  const found = withPodIPs(RESOLVED, ['198.18.0.7', 'fd00::7']);
  expect(found.podIPMarkers).toBeUndefined();
  expect(found.env.app).toEqual([{ name: 'URL', value: 'http://198.18.0.7:80 of 198.18.0.7,fd00::7' }]);
  expect(found.pod.spec?.containers[0]).toMatchObject({
    command: ['run', 'at=198.18.0.7'],
    args: ['198.18.0.7,fd00::7'],
  });
  expect(found.pod.spec?.initContainers?.[0]?.volumeMounts?.[0]?.subPath).toBe('of-198.18.0.7');
  expect(RESOLVED).toEqual(before);
});

test('a pod that asks for none is itself', () => {
  const { podIPMarkers: _none, ...plain } = RESOLVED;
  expect(withPodIPs(plain, ['198.18.0.7'])).toBe(plain);
});
