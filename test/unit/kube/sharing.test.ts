import { describe, expect, it } from 'vitest';
import { createPodSharing } from '../../../src/kube/sharing.ts';
import type { Pod } from '../../../src/kube/types.ts';

/** A pod as a Deployment makes it and the ServiceAccount admission completes it, freshly parsed. */
function pod(
  name: string,
  options: { image?: string; uid?: string; resourceVersion?: string; ready?: boolean } = {},
): Pod {
  const token = `kube-api-access-${name}`;
  const ready = options.ready === false ? 'False' : 'True';
  const made: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: options.uid ?? `uid-of-${name}`,
      resourceVersion: options.resourceVersion ?? '1',
      generation: 1,
      labels: { app: 'a-rather-long-value', tier: 'web' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'hello-1', uid: 'uid-of-the-set' }],
      annotations: { 'example.com/of': name },
    },
    spec: {
      nodeName: 'demo-zone-a',
      containers: [
        {
          name: 'hello',
          image: options.image ?? 'registry.example/hello:1',
          env: [{ name: 'A', value: 'the same in every pod' }],
          resources: { requests: { cpu: '100m' } },
          volumeMounts: [{ name: token, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
        },
      ],
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      ],
      volumes: [
        { name: token, projected: { sources: [{ serviceAccountToken: { path: 'token' } }], defaultMode: 420 } },
      ],
    },
    status: {
      phase: 'Running',
      hostIPs: [{ ip: '127.0.0.1' }],
      conditions: [{ type: 'Ready', status: ready, lastTransitionTime: '2026-01-01T00:00:00Z' }],
    },
  };
  return JSON.parse(JSON.stringify(made)) as Pod;
}

const parsed = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('pods of one template', () => {
  it('are what they were, with one copy of what they have in common', () => {
    const share = createPodSharing();
    const pods = ['a', 'b', 'c', 'd'].map((name) => share(pod(name), undefined));
    for (const kept of pods) expect(kept).toEqual(pod(kept.metadata?.name ?? ''));
    const [c, d] = [pods[2], pods[3]];
    expect(c?.metadata?.labels).toBe(d?.metadata?.labels);
    expect(c?.metadata?.ownerReferences).toBe(d?.metadata?.ownerReferences);
    expect(c?.spec?.tolerations).toBe(d?.spec?.tolerations);
    expect(c?.spec?.containers[0]?.env).toBe(d?.spec?.containers[0]?.env);
    expect(c?.spec?.volumes?.[0]?.projected).toBe(d?.spec?.volumes?.[0]?.projected);
    expect(c?.status?.conditions).toBe(d?.status?.conditions);
  });

  it('keep what is their own', () => {
    const share = createPodSharing();
    const [, , c, d] = ['a', 'b', 'c', 'd'].map((name) => share(pod(name), undefined));
    expect(c?.spec?.volumes?.[0]?.name).toBe('kube-api-access-c');
    expect(d?.spec?.volumes?.[0]?.name).toBe('kube-api-access-d');
    expect(d?.spec?.containers[0]?.volumeMounts?.[0]?.name).toBe('kube-api-access-d');
    expect(d?.metadata?.annotations).toEqual({ 'example.com/of': 'd' });
  });

  it('cannot be changed in what they have in common', () => {
    const share = createPodSharing();
    const [, , c] = ['a', 'b', 'c'].map((name) => share(pod(name), undefined));
    const { labels = {} } = c?.metadata ?? {};
    expect(() => {
      labels.app = 'mine';
    }).toThrow(TypeError);
    expect(() => c?.spec?.tolerations?.push({ operator: 'Exists' })).toThrow(TypeError);
  });

  it('are told apart by keys, by order and by kind of value', () => {
    const share = createPodSharing();
    const variants = [
      { labels: { one: 'the very same value', two: 'another such value' } },
      { labels: { two: 'the very same value', one: 'another such value' } },
      { labels: { 0: 'the very same value', 1: 'another such value' } },
      { labels: { one: 'another such value', two: 'the very same value' } },
      { labels: { one: 'the very same value' } },
    ];
    for (let round = 0; round < 4; round++) {
      for (const { labels } of variants) {
        const given = parsed({
          metadata: { name: 'a', uid: 'u', labels },
          spec: { containers: [], volumes: [] },
        }) as Pod;
        const before = parsed(given);
        const kept = share(given, undefined);
        expect(kept).toEqual(before);
        expect(JSON.stringify(kept)).toBe(JSON.stringify(before));
      }
    }
    const numbers = [1, 0, -1, 1.5, true, false, null, '1', 'true', [], {}, [1], { 0: 1 }];
    for (let round = 0; round < 4; round++) {
      for (const value of numbers) {
        const given = { metadata: { uid: 'u' }, spec: { containers: [], tolerations: [{ value }] } } as unknown as Pod;
        expect(JSON.stringify(share(parsed(given) as Pod, undefined))).toBe(JSON.stringify(given));
      }
    }
  });
});

describe('versions of one pod', () => {
  it('share the spec while it is equal', () => {
    const share = createPodSharing();
    const first = share(pod('a', { ready: false }), undefined);
    const second = share(pod('a', { resourceVersion: '2' }), first);
    expect(second.spec).toBe(first.spec);
    expect(second.metadata?.labels).toBe(first.metadata?.labels);
    expect(second).toEqual(pod('a', { resourceVersion: '2' }));
    expect(first).toEqual(pod('a', { ready: false }));
  });

  it('do not once it has changed, whatever the generation says', () => {
    const share = createPodSharing();
    const first = share(pod('a'), undefined);
    const second = share(pod('a', { resourceVersion: '2', image: 'registry.example/hello:2' }), first);
    expect(second.metadata?.generation).toBe(first.metadata?.generation);
    expect(second.spec?.containers[0]?.image).toBe('registry.example/hello:2');
    expect(first.spec?.containers[0]?.image).toBe('registry.example/hello:1');
  });

  it('are another pod when the UID is another', () => {
    const share = createPodSharing();
    const first = share(pod('a'), undefined);
    const second = share(pod('a', { uid: 'another' }), first);
    expect(second.spec).not.toBe(first.spec);
    expect(second).toEqual(pod('a', { uid: 'another' }));
  });
});

describe('ten thousand pods', () => {
  it('that have nothing in common stay what they are', () => {
    const share = createPodSharing();
    for (let i = 0; i < 10_000; i++) {
      const labels = { [`key-${i % 7919}`]: `some-label-value-${i % 6151}` };
      const given = (): Pod => ({ metadata: { name: `p-${i}`, uid: `u-${i}`, labels }, spec: { containers: [] } });
      const kept = share(parsed(given()) as Pod, undefined);
      if (JSON.stringify(kept) !== JSON.stringify(given())) expect(kept).toEqual(given());
    }
  });
});
