import { describe, expect, it } from 'vitest';
import { DEPLOYMENTS, NAMESPACES, PODS } from '../../../src/kube/resources.ts';
import { pod, startCluster } from './cluster.ts';

const AT = { name: 'a', namespace: 'default' };

describe('the end of a pod', () => {
  it('waits for its node, and may come sooner but not later', async () => {
    const { client } = startCluster();
    await client.create(PODS, pod('a', { nodeName: 'n' }));
    await client.delete(PODS, AT);
    const marked = await client.get(PODS, AT);
    expect(marked.metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:30Z',
      deletionGracePeriodSeconds: 30,
      generation: 2,
    });
    await client.delete(PODS, AT, { gracePeriodSeconds: 60 });
    expect((await client.get(PODS, AT)).metadata?.deletionGracePeriodSeconds).toBe(30);
    await client.delete(PODS, AT, { gracePeriodSeconds: 5 });
    expect((await client.get(PODS, AT)).metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:05Z',
      deletionGracePeriodSeconds: 5,
    });
    await client.delete(PODS, AT, { gracePeriodSeconds: 0 });
    await expect(client.get(PODS, AT)).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('comes at once where nothing runs', async () => {
    const { client } = startCluster();
    await client.create(PODS, pod('a'));
    await client.delete(PODS, AT);
    await expect(client.get(PODS, AT)).rejects.toMatchObject({ code: 'NotFound' });
    await client.create(PODS, pod('a', { nodeName: 'n' }));
    const ended = { type: 'merge', body: { status: { phase: 'Succeeded' } } } as const;
    await client.patch(PODS, AT, ended, { subresource: 'status' });
    await client.delete(PODS, AT);
    await expect(client.get(PODS, AT)).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('waits for finalizers, and for no new ones', async () => {
    const { client } = startCluster();
    const held = pod('a');
    await client.create(PODS, { ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold'] } });
    await client.delete(PODS, AT);
    const more = { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } };
    await expect(client.patch(PODS, AT, { type: 'merge', body: more })).rejects.toMatchObject({ status: 422 });
    await client.patch(PODS, AT, { type: 'merge', body: { metadata: { finalizers: null } } });
    await expect(client.get(PODS, AT)).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('needs the pod that was meant', async () => {
    const { client } = startCluster();
    await client.create(PODS, pod('a'));
    await expect(client.delete(PODS, AT, { uid: 'another' })).rejects.toMatchObject({ code: 'Conflict' });
    await expect(client.delete(PODS, AT, { resourceVersion: '1' })).rejects.toMatchObject({ code: 'Conflict' });
  });

  it('can come by eviction', async () => {
    const { client, send } = startCluster();
    await client.create(PODS, pod('a', { nodeName: 'n' }));
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'a', namespace: 'default' } };
    expect((await send('POST', '/api/v1/namespaces/default/pods/a/eviction', body)).status).toBe(201);
    const { metadata, status } = await client.get(PODS, AT);
    expect(metadata?.deletionGracePeriodSeconds).toBe(30);
    expect(status?.conditions?.[0]).toMatchObject({ type: 'DisruptionTarget', reason: 'EvictionByEvictionAPI' });
  });
});

describe('the end of others', () => {
  it('leaves to the garbage collector what was asked for', async () => {
    const { client } = startCluster();
    const labels = { app: 'd' };
    const spec = {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'registry.example/i:1' }] } },
    };
    const at = { name: 'd', namespace: 'default' };
    const create = () => client.create(DEPLOYMENTS, { metadata: at, spec });
    await create();
    await client.delete(DEPLOYMENTS, at, { propagationPolicy: 'Foreground' });
    expect((await client.get(DEPLOYMENTS, at)).metadata?.finalizers).toEqual(['foregroundDeletion']);
    await client.patch(DEPLOYMENTS, at, { type: 'merge', body: { metadata: { finalizers: null } } });
    await create();
    await client.delete(DEPLOYMENTS, at, { propagationPolicy: 'Background' });
    await expect(client.get(DEPLOYMENTS, at)).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('takes a namespace with what is in it, once that has gone', async () => {
    const { client } = startCluster();
    await client.create(NAMESPACES, { metadata: { name: 'team' } });
    const inside = { ...pod('a', { nodeName: 'n' }), metadata: { name: 'a', namespace: 'team' } };
    await client.create(PODS, inside);
    await client.delete(NAMESPACES, { name: 'team' });
    expect((await client.get(NAMESPACES, { name: 'team' })).status?.phase).toBe('Terminating');
    const another = { ...inside, metadata: { name: 'b', namespace: 'team' } };
    await expect(client.create(PODS, another)).rejects.toMatchObject({ code: 'Forbidden' });
    await client.delete(PODS, { name: 'a', namespace: 'team' }, { gracePeriodSeconds: 0 });
    await expect(client.get(NAMESPACES, { name: 'team' })).rejects.toMatchObject({ code: 'NotFound' });
    await expect(client.delete(NAMESPACES, { name: 'default' })).rejects.toMatchObject({ code: 'Forbidden' });
  });
});
