import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import { resolveEnvironment, withExpandedCommands } from '../../../src/pods/environment.ts';
import { expandReferences } from '../../../src/pods/expansion.ts';
import type { Reference, Referenced } from '../../../src/pods/references.ts';
import { testPod } from './stage.ts';

const STORE: Record<string, Record<string, string>> = {
  'ConfigMap/settings': { colour: 'red', size: 'large' },
  'Secret/login': { password: 'hunter2-canary' },
};

async function read({ kind, name }: Reference): Promise<Referenced | undefined> {
  const values = STORE[`${kind}/${name}`];
  return values === undefined ? undefined : { resourceVersion: '7', values };
}

type Env = NonNullable<NonNullable<ReturnType<typeof testPod>['spec']>['containers'][number]['env']>;

async function resolved(env: Env, more: object = {}) {
  const pod = testPod('a', { containers: [{ name: 'app', image: 'x', env, ...more }] });
  pod.metadata = { ...pod.metadata, labels: { 'app.kubernetes.io/name': 'web' }, annotations: { note: 'n' } };
  const result = await resolveEnvironment(pod, read);
  return result.ok ? Object.fromEntries((result.env.app ?? []).map(({ name, value }) => [name, value])) : result;
}

describe('expansion, by the table of Kubernetes', () => {
  const known: Record<string, string> = { VAR_A: 'A', VAR_B: 'B', VAR_C: 'C', VAR_REF: '$(VAR_A)', VAR_EMPTY: '' };
  test.each([
    ['$(VAR_A)', 'A'],
    ['___$(VAR_B)___', '___B___'],
    ['$(VAR_A)$(VAR_B)', 'AB'],
    ['$(VAR_REF)', '$(VAR_A)'],
    ['$$(VAR_A)', '$(VAR_A)'],
    ['$$$(VAR_A)', '$A'],
    ['$$$$$$$(VAR_A)', '$$$A'],
    ['foo$(VAR_EMPTY)bar', 'foobar'],
    ['$(VAR_UNKNOWN)', '$(VAR_UNKNOWN)'],
    ['$VAR_A', '$VAR_A'],
    ['$(VAR_A', '$(VAR_A'],
    ['foo$(', 'foo$('],
    ['foo$', 'foo$'],
    ['$$', '$'],
    ['$()', '$()'],
    ['$((VAR_A))', '$((VAR_A))'],
    ['', ''],
    ['f00-$(VAR_A)-$(', 'f00-A-$('],
  ])('%s becomes %s', (text, expected) => {
    expect(expandReferences(text, (name) => known[name])).toBe(expected);
  });
});

describe('environment', () => {
  test('literals refer to what stands before them, not after', async () => {
    expect(
      await resolved([
        { name: 'A', value: '1' },
        { name: 'B', value: '$(A)-$(C)' },
        { name: 'C', value: '3' },
        { name: 'E' },
      ]),
    ).toEqual({ A: '1', B: '1-$(C)', C: '3', E: '' });
  });

  test('envFrom with a prefix comes first and is overridden by env', async () => {
    expect(
      await resolved([{ name: 'P_colour', value: 'blue' }], {
        envFrom: [
          { prefix: 'P_', configMapRef: { name: 'settings' } },
          { secretRef: { name: 'login' } },
          { configMapRef: { name: 'absent', optional: true } },
        ],
      }),
    ).toEqual({ P_colour: 'blue', P_size: 'large', password: 'hunter2-canary' });
  });

  test('keys, and optional ones that are missing are left out', async () => {
    expect(
      await resolved([
        { name: 'C', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
        { name: 'S', valueFrom: { secretKeyRef: { name: 'login', key: 'password' } } },
        { name: 'N', valueFrom: { configMapKeyRef: { name: 'settings', key: 'none', optional: true } } },
        { name: 'M', valueFrom: { secretKeyRef: { name: 'absent', key: 'x', optional: true } } },
      ]),
    ).toEqual({ C: 'red', S: 'hunter2-canary' });
  });

  test('fields of the pod', async () => {
    const ref = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    expect(
      await resolved([
        ref('NAME', 'metadata.name'),
        ref('UID', 'metadata.uid'),
        ref('NODE', 'spec.nodeName'),
        ref('SA', 'spec.serviceAccountName'),
        ref('LABEL', "metadata.labels['app.kubernetes.io/name']"),
        ref('NOTE', "metadata.annotations['note']"),
        ref('NONE', "metadata.labels['none']"),
      ]),
    ).toEqual({ NAME: 'a', UID: 'uid-a', NODE: 'demo-zone-a', SA: 'default', LABEL: 'web', NOTE: 'n', NONE: '' });
  });

  test.each([
    [{ configMapKeyRef: { name: 'absent', key: 'x' } }, 'configmap "absent" not found', undefined],
    [{ secretKeyRef: { name: 'absent', key: 'x' } }, 'secret "absent" not found', undefined],
    [{ secretKeyRef: { name: 'login', key: 'user' } }, "couldn't find key user in Secret default/login", '7'],
  ])('what is missing is named, its values are not: %j', async (valueFrom, message, version) => {
    const result = await resolved([{ name: 'X', valueFrom }]);
    expect(result).toMatchObject({ ok: false, message, container: 'app', version });
    expect(JSON.stringify(result)).not.toContain('canary');
  });

  test('not being allowed to look is told; not reaching the API is thrown for a retry', async () => {
    const pod = testPod('a', {
      containers: [{ name: 'app', image: 'x', envFrom: [{ secretRef: { name: 'login', optional: true } }] }],
    });
    const refused = await resolveEnvironment(pod, () => Promise.reject(new ZoneletError('Forbidden', 'no, says RBAC')));
    expect(refused).toMatchObject({ ok: false, message: 'no, says RBAC' });
    await expect(
      resolveEnvironment(pod, () => Promise.reject(new ZoneletError('Unavailable', 'away'))),
    ).rejects.toMatchObject({ code: 'Unavailable' });
  });

  test('commands and arguments are expanded, the pod itself stays as it was', () => {
    const pod = testPod('a', {
      containers: [{ name: 'app', image: 'x', command: ['echo', '$(A)'], args: ['$$(A)', '$(NONE)'] }],
    });
    const expanded = withExpandedCommands(pod, { app: [{ name: 'A', value: '1' }] });
    expect(expanded.spec?.containers[0]).toMatchObject({ command: ['echo', '1'], args: ['$(A)', '$(NONE)'] });
    expect(pod.spec?.containers[0]?.command).toEqual(['echo', '$(A)']);
  });
});
