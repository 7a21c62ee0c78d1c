import { describe, expect, it } from 'vitest';
import { DEPLOYMENTS, LEASES, NAMESPACES, NODES, PODS } from '../../../src/kube/resources.ts';
import { pod, startCluster } from './cluster.ts';

describe('objects', () => {
  it('starts with the namespaces and the client CA of every cluster', async () => {
    const { client, send } = startCluster();
    const { items } = await client.list(NAMESPACES);
    expect(items.map(({ metadata }) => metadata?.name)).toEqual([
      'default',
      'kube-node-lease',
      'kube-public',
      'kube-system',
    ]);
    const ca = await send('GET', '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication');
    expect(ca.json.data).toEqual({ 'client-ca-file': 'CLIENT CA' });
    expect((await send('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status).toBe(200);
  });

  it('completes a pod as the API server and its admissions do', async () => {
    const { client } = startCluster();
    const { metadata, spec, status } = await client.create(PODS, pod('web'));
    expect(metadata).toMatchObject({ generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' });
    expect(status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' });
    expect(spec).toMatchObject({
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      terminationGracePeriodSeconds: 30,
      schedulerName: 'default-scheduler',
      serviceAccountName: 'default',
      securityContext: {},
      enableServiceLinks: true,
      priority: 0,
      preemptionPolicy: 'PreemptLowerPriority',
    });
    expect(spec?.volumes?.[0]?.name).toMatch(/^kube-api-access-/);
    expect(spec?.containers[0]?.volumeMounts?.[0]?.mountPath).toBe('/var/run/secrets/kubernetes.io/serviceaccount');
    expect(spec?.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds])).toEqual([
      ['node.kubernetes.io/not-ready', 300],
      ['node.kubernetes.io/unreachable', 300],
    ]);
  });

  it('takes one of two writers that began from the same state', async () => {
    const { client } = startCluster();
    const lease = await client.create(LEASES, { metadata: { name: 'lock', namespace: 'default' }, spec: {} });
    await client.replace(LEASES, { ...lease, spec: { holderIdentity: 'a' } });
    await expect(client.replace(LEASES, { ...lease, spec: { holderIdentity: 'b' } })).rejects.toMatchObject({
      code: 'Conflict',
      reason: 'Conflict',
    });
    const { metadata } = lease;
    const blind = { ...lease, metadata: { name: metadata?.name ?? '', namespace: 'default' } };
    await expect(client.replace(LEASES, blind)).rejects.toMatchObject({ status: 422 });
  });

  it('writes nothing when an update changes nothing', async () => {
    const { client, core } = startCluster();
    const created = await client.create(PODS, pod('web'));
    const before = core.revision;
    expect(await client.replace(PODS, created)).toEqual(created);
    expect(core.revision).toBe(before);
  });

  it('counts generations of the spec only', async () => {
    const { client } = startCluster();
    const at = { name: 'web', namespace: 'default' };
    await client.create(PODS, pod('web'));
    const labelled = await client.patch(PODS, at, { type: 'merge', body: { metadata: { labels: { a: 'b' } } } });
    expect(labelled.metadata?.generation).toBe(1);
    const body = { spec: { containers: [{ name: 'main', image: 'registry.example/app:2' }] } };
    expect((await client.patch(PODS, at, { type: 'strategic', body })).metadata?.generation).toBe(2);
  });

  it('keeps what must not change', async () => {
    const { client } = startCluster();
    const at = { name: 'web', namespace: 'default' };
    await client.create(PODS, pod('web'));
    const move = { type: 'merge', body: { spec: { nodeName: 'elsewhere' } } } as const;
    await expect(client.patch(PODS, at, move)).rejects.toMatchObject({ status: 422, reason: 'Invalid' });
    await client.create(NODES, { metadata: { name: 'n' }, spec: { providerID: 'zonelet://a/b' } });
    const rename = { type: 'merge', body: { spec: { providerID: 'zonelet://a/c' } } } as const;
    await expect(client.patch(NODES, { name: 'n' }, rename)).rejects.toThrow('may not change providerID');
    const other = { type: 'merge', body: { metadata: { uid: 'other' } } } as const;
    await expect(client.patch(PODS, at, other)).rejects.toMatchObject({ status: 422 });
  });

  it('names every field that is wrong', async () => {
    const { client } = startCluster();
    const wrong = pod('UPPER', { containers: [{ name: 'a_b', image: '' }], restartPolicy: 'Sometimes' });
    const error: unknown = await client.create(PODS, wrong).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 422, reason: 'Invalid' });
    const { details } = error as { details: { causes: { field: string }[] } };
    expect(details.causes.map(({ field }) => field)).toEqual([
      'metadata.name',
      'spec.containers[0].name',
      'spec.containers[0].image',
      'spec.restartPolicy',
    ]);
    const deployment = { metadata: { name: 'd', namespace: 'default' }, spec: { selector: {}, template: {} } };
    await expect(client.create(DEPLOYMENTS, deployment)).rejects.toMatchObject({ status: 422 });
  });

  it('drops fields that a kind does not have, and says so', async () => {
    const { send } = startCluster();
    const body = { ...pod('web'), colour: 'red' };
    const answer = await send('POST', '/api/v1/namespaces/default/pods', body);
    expect(answer.status).toBe(201);
    expect(answer.json).not.toHaveProperty('colour');
    expect(answer.headers.warning).toBe('299 - "unknown field \\"colour\\""');
    const strict = await send('POST', '/api/v1/namespaces/default/pods?fieldValidation=Strict', body);
    expect(strict.status).toBe(400);
  });

  it('answers what it does not offer as Kubernetes does', async () => {
    const { send } = startCluster();
    const apply = await send('PATCH', '/api/v1/namespaces/default/pods/web', '{}', {
      'content-type': 'application/apply-patch+yaml',
    });
    expect([apply.status, apply.json.reason]).toEqual([415, 'UnsupportedMediaType']);
    expect((await send('GET', '/apis/batch/v1/jobs')).status).toBe(404);
    expect((await send('GET', '/api/v1/namespaces/default/pods/web/exec')).status).toBe(404);
    expect((await send('PUT', '/api/v1/namespaces/default/pods', {})).status).toBe(405);
    expect((await send('GET', '/api/v1/pods', undefined, { accept: 'application/yaml' })).status).toBe(406);
    const wrongType = await send('POST', '/api/v1/namespaces', 'a: b', { 'content-type': 'text/plain' });
    expect(wrongType.status).toBe(415);
  });
});
