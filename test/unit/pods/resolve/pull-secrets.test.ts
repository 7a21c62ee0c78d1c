/** By https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/. */
import { expect, test } from 'vitest';
import { resolvePullSecrets } from '../../../../src/pods/resolve/pull-secrets.ts';
import { referencedSecret } from '../../../../src/pods/resolve/referenced.ts';
import { testPod } from '../stage.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function secret(kind: 'json' | 'cfg', content: unknown) {
  const type = kind === 'json' ? 'kubernetes.io/dockerconfigjson' : 'kubernetes.io/dockercfg';
  const key = kind === 'json' ? '.dockerconfigjson' : '.dockercfg';
  return { type, data: { [key]: base64(typeof content === 'string' ? content : JSON.stringify(content)) } };
}

async function resolved(secrets: Readonly<Record<string, { readonly type: string; readonly data: object }>>) {
  const names = Object.keys(secrets);
  const pod = testPod('a', { imagePullSecrets: [...names, '', 'gone'].map((name) => ({ name })) });
  return await resolvePullSecrets(pod, async ({ name }) => {
    const found = secrets[name];
    return found === undefined ? undefined : referencedSecret({ ...found, data: { ...found.data } });
  });
}

test('both forms, in order; `auth` wins over user name and password', async () => {
  const { secrets } = await resolved({
    one: secret('json', {
      auths: {
        'https://index.docker.io/v1/': { auth: base64('ann:pass:word') },
        'registry.example:5000/team': { username: 'bob', password: 'b', auth: '' },
      },
    }),
    two: secret('cfg', { 'quay.io': { username: 'x', password: 'y', auth: base64('carl:c') } }),
    other: { type: 'Opaque', data: { a: 'b' } },
  });
  expect(secrets).toEqual([
    { registry: 'https://index.docker.io/v1/', username: 'ann', password: 'pass:word' },
    { registry: 'registry.example:5000/team', username: 'bob', password: 'b' },
    { registry: 'quay.io', username: 'carl', password: 'c' },
  ]);
});

test('what cannot be used is told in the words of a kubelet, and the rest goes on', async () => {
  const { secrets, notes } = await resolved({
    broken: secret('json', '{canary'),
    list: secret('json', []),
    nocolon: secret('cfg', { r: { auth: base64('canary') } }),
    good: secret('cfg', { r: { auth: base64('a:b') } }),
  });
  expect(secrets).toEqual([{ registry: 'r', username: 'a', password: 'b' }]);
  const which = 'broken, list, nocolon, gone';
  expect(notes).toEqual([
    {
      reason: 'FailedToRetrieveImagePullSecret',
      message: `Unable to retrieve some image pull secrets (${which}); attempting to pull the image may not succeed.`,
    },
  ]);
});
