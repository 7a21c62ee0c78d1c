/** What is in a volume, by the documentation that each case names. */
import { describe, expect, test } from 'vitest';
import { cleanPath } from '../../../../src/pods/resolve/volume-files.ts';
import { resolveVolume, type Volume, type VolumeSources } from '../../../../src/pods/resolve/volumes.ts';
import { testPod } from '../stage.ts';
import { objects } from './objects.ts';

const STORE = {
  'ConfigMap/settings': { colour: 'red', size: 'large' },
  'Secret/login': { username: 'ann', password: 'canary-77' },
};

function sources(more: object = {}): VolumeSources {
  return {
    read: objects(STORE, more),
    token: async ({ audience, expirationSeconds }) => ({
      token: `token for ${audience} for ${expirationSeconds} s`,
      renewAt: expirationSeconds * 800,
    }),
    allocatable: { cpu: '6', memory: '4Gi' },
  };
}

const pod = testPod('a');
pod.metadata = {
  ...pod.metadata,
  labels: { zone: 'us-est-coast', cluster: 'test-cluster1' },
  annotations: { build: 'two', note: 'say "hi"\n\tto Zoë \u{1f600}\u0001\u200b' },
};

/** `mode content` by path. */
async function files(volume: Omit<Volume, 'name'>, from = sources()) {
  const { content } = await resolveVolume(pod, { name: 'v', ...volume }, from);
  const all = content.files.map(({ path, content: bytes, mode }) => [path, `${mode.toString(8)} ${text(bytes)}`]);
  return Object.fromEntries(all) as Record<string, string>;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

describe('configMap and secret volumes', () => {
  // https://kubernetes.io/docs/concepts/storage/volumes/#configmap
  test('every key is a file', async () => {
    expect(await files({ configMap: { name: 'settings' } })).toEqual({ colour: '644 red', size: '644 large' });
    expect(await files({ secret: { secretName: 'login', defaultMode: 0o400 } })).toEqual({
      username: '400 ann',
      password: '400 canary-77',
    });
  });

  // https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#add-configmap-data-to-a-specific-path-in-the-volume
  test('items choose keys, paths and modes', async () => {
    const items = [
      { key: 'username', path: 'my-group/my-username', mode: 0o511 },
      { key: 'password', path: './my-group//pass' },
    ];
    expect(await files({ secret: { secretName: 'login', items } })).toEqual({
      'my-group/my-username': '511 ann',
      'my-group/pass': '644 canary-77',
    });
  });

  test('binaryData is written as it is', async () => {
    const bytes = Buffer.from([0, 255, 128, 10]);
    const from = sources({ binaryData: { blob: bytes.toString('base64') } });
    const { content } = await resolveVolume(pod, { name: 'v', configMap: { name: 'settings' } }, from);
    expect(content.files.find(({ path }) => path === 'blob')?.content).toEqual(bytes);
  });

  // https://kubernetes.io/docs/concepts/configuration/secret/#restriction-secret-must-exist
  test.each<[Omit<Volume, 'name'>, string]>([
    [{ configMap: { name: 'gone' } }, 'configmap "gone" not found'],
    [{ secret: { secretName: 'gone' } }, 'secret "gone" not found'],
    [
      { configMap: { name: 'settings', items: [{ key: 'x', path: 'x' }] } },
      'configmap references non-existent config key: x',
    ],
    [{ secret: { secretName: 'login', items: [{ key: 'x', path: 'x' }] } }, 'references non-existent secret key: x'],
    [
      { configMap: { name: 'settings', items: [{ key: 'colour', path: '../up' }] } },
      "invalid path: must not contain '..': ../up",
    ],
    [
      {
        configMap: {
          name: 'settings',
          items: [
            { key: 'colour', path: 'a' },
            { key: 'size', path: 'a/b' },
          ],
        },
      },
      'invalid path: a is a file, and a directory for a/b',
    ],
  ])('what cannot be mounted is told as by a kubelet, without a value: %j', async (volume, why) => {
    const failure = resolveVolume(pod, { name: 'v', ...volume }, sources());
    await expect(failure).rejects.toThrow(`MountVolume.SetUp failed for volume "v" : ${why}`);
    await expect(failure).rejects.not.toThrow(/canary/);
  });

  // https://kubernetes.io/docs/concepts/configuration/secret/#restriction-secret-must-exist ("optional")
  test('what is optional may be missing, as a whole and by key', async () => {
    expect(await files({ secret: { secretName: 'gone', optional: true } })).toEqual({});
    const items = [
      { key: 'colour', path: 'c' },
      { key: 'none', path: 'n' },
    ];
    expect(await files({ configMap: { name: 'settings', optional: true, items } })).toEqual({ c: '644 red' });
  });

  test('what it would change with is named, but for what is immutable', async () => {
    const volume = { name: 'v', configMap: { name: 'settings' } };
    const settings = { kind: 'ConfigMap', namespace: 'default', name: 'settings' };
    expect((await resolveVolume(pod, volume, sources())).references).toEqual([{ reference: settings, version: '7' }]);
    expect((await resolveVolume(pod, volume, sources({ immutable: true }))).references).toEqual([]);
  });
});

describe('downwardAPI volumes', () => {
  // https://kubernetes.io/docs/tasks/inject-data-application/downward-api-volume-expose-pod-information/
  test('labels and annotations are lines, sorted and quoted as by Go', async () => {
    const items = ['labels', 'annotations'].map((path) => ({ path, fieldRef: { fieldPath: `metadata.${path}` } }));
    expect(await files({ downwardAPI: { items, defaultMode: 0o640 } })).toEqual({
      labels: '640 cluster="test-cluster1"\nzone="us-est-coast"',
      annotations: '640 build="two"\nnote="say \\"hi\\"\\n\\tto Zoë \u{1f600}\\x01\\u200b"',
    });
  });

  test('single fields, and resources of a named container', async () => {
    const items = [
      { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
      { path: 'zone', fieldRef: { fieldPath: "metadata.labels['zone']" } },
      { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu', divisor: '1m' }, mode: 0o600 },
      { path: 'memory', resourceFieldRef: { containerName: 'app', resource: 'requests.memory' } },
    ];
    expect(await files({ downwardAPI: { items } })).toEqual({
      name: '644 a',
      zone: '644 us-est-coast',
      cpu: '600 6000',
      memory: '644 1024',
    });
  });
});

describe('projected volumes', () => {
  // https://kubernetes.io/docs/concepts/storage/projected-volumes/
  test('sources are put together, a later one over an earlier one', async () => {
    const volume = {
      projected: {
        defaultMode: 0o440,
        sources: [
          { secret: { name: 'login', items: [{ key: 'username', path: 'who' }] } },
          { configMap: { name: 'settings', items: [{ key: 'colour', path: 'colour', mode: 0o777 }] } },
          { downwardAPI: { items: [{ path: 'who', fieldRef: { fieldPath: 'metadata.name' } }] } },
          { serviceAccountToken: { path: 'vault/token', audience: 'vault', expirationSeconds: 600 } },
        ],
      },
    };
    expect(await files(volume)).toEqual({
      who: '440 a',
      colour: '777 red',
      'vault/token': '440 token for vault for 600 s',
    });
    expect((await resolveVolume(pod, { name: 'v', ...volume }, sources())).renewAt).toBe(480_000);
  });

  test('without tokens, their files alone are left out', async () => {
    const { token: _none, ...without } = sources();
    const volume = {
      projected: {
        sources: [{ serviceAccountToken: { path: 'token' } }, { configMap: { name: 'settings' } }],
      },
    };
    expect(await files(volume, without)).toEqual({ colour: '644 red', size: '644 large' });
  });
});

describe('paths in a volume', () => {
  // https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume/#KeyToPath
  test.each(['', '/etc/passwd', '..', 'a/../../b', 'a/..', '..data', '..2026/x', 'a\0b', '.', 'x'.repeat(256)])(
    '%j is none',
    (path) => {
      expect(() => cleanPath(path)).toThrow(/^invalid path/);
    },
  );
  test.each([
    ['a', 'a'],
    ['a/b..c', 'a/b..c'],
    ['a//b/./c/', 'a/b/c'],
    ['...', undefined],
    ['a/..b', 'a/..b'],
  ])('%j becomes %j', (path, expected) => {
    if (expected === undefined) expect(() => cleanPath(path)).toThrow(/must not start with/);
    else expect(cleanPath(path)).toBe(expected);
  });
});
