import { describe, expect, it } from 'vitest';
import { PODS, SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from '../../../src/kube/resources.ts';
import { pod, startCluster } from './cluster.ts';

const TOKEN = '/api/v1/namespaces/default/serviceaccounts/default/token';

describe('access', () => {
  it('knows the tokens that it gave out, for as long as they hold', async () => {
    const { client, clock, send } = startCluster();
    await client.create(PODS, pod('a'));
    const bound = { spec: { expirationSeconds: 600, boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'a' } } };
    const { status } = (await send('POST', TOKEN, bound)).json as { status: { token: string } };
    const review = async (token: string, audiences?: string[]) =>
      (await client.create(TOKEN_REVIEWS, { spec: { token, ...(audiences === undefined ? {} : { audiences }) } }))
        .status;
    expect(await review(status.token)).toMatchObject({
      authenticated: true,
      user: {
        username: 'system:serviceaccount:default:default',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
      },
    });
    expect((await review(status.token, ['elsewhere']))?.authenticated).toBeUndefined();
    expect((await review(`${status.token}x`))?.authenticated).toBeUndefined();
    await client.delete(PODS, { name: 'a', namespace: 'default' });
    expect((await review(status.token))?.authenticated).toBeUndefined();
    const free = (await send('POST', TOKEN, { spec: { expirationSeconds: 600 } })).json as typeof status & {
      status: { token: string };
    };
    expect((await review(free.status.token))?.authenticated).toBe(true);
    await clock.advance(601_000);
    expect((await review(free.status.token))?.authenticated).toBeUndefined();
  });

  it('allows everything to masters and next to nothing to others', async () => {
    const { client, as } = startCluster();
    const attributes = { verb: 'get', resource: 'nodes', subresource: 'log', name: 'n' };
    const review = async (groups: string[]) =>
      (await client.create(SUBJECT_ACCESS_REVIEWS, { spec: { user: 'u', groups, resourceAttributes: attributes } }))
        .status?.allowed;
    expect(await review(['system:masters'])).toBe(true);
    expect(await review(['system:authenticated'])).toBe(false);
    const somebody = as({ name: 'u', groups: ['system:authenticated'] });
    await expect(somebody.list(PODS)).rejects.toMatchObject({ code: 'Forbidden' });
  });
});
