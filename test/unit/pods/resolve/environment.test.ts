import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../../src/errors.ts';
import { type EnvironmentSources, resolveEnvironment } from '../../../../src/pods/resolve/environment.ts';
import { expandedPod } from '../../../../src/pods/resolve/expanded-pod.ts';
import { expandReferences } from '../../../../src/pods/resolve/expansion.ts';
import { testPod } from '../stage.ts';
import { objects } from './objects.ts';

const read = objects({
  'ConfigMap/settings': { colour: 'red', size: 'large' },
  'ConfigMap/odd': { ['__proto__']: 'a', '1st': 'c' },
  'Secret/login': { password: 'hunter2-canary' },
});

const SOURCES: EnvironmentSources = {
  read,
  services: new Map([
    ['KUBERNETES_SERVICE_HOST', '10.0.0.1'],
    ['HELLO_SERVICE_PORT', '80'],
  ]),
  addresses: { hostIP: '192.0.2.1', podIP: '198.18.0.7', podIPs: '198.18.0.7,fd00::7' },
  allocatable: { cpu: '6', memory: '4Gi', 'ephemeral-storage': '10Gi' },
};
/** Of every container, unless it has one of that name itself. */
const SERVICES = { KUBERNETES_SERVICE_HOST: '10.0.0.1', HELLO_SERVICE_PORT: '80' };

type Env = NonNullable<NonNullable<ReturnType<typeof testPod>['spec']>['containers'][number]['env']>;

async function resolved(env: Env, more: object = {}) {
  const pod = testPod('a', { containers: [{ name: 'app', image: 'x', env, ...more }] });
  pod.metadata = { ...pod.metadata, labels: { 'app.kubernetes.io/name': 'web' }, annotations: { note: 'n' } };
  const result = await resolveEnvironment(pod, SOURCES);
  if (!result.ok) {
    const { message, version, note } = result.missing;
    return { container: result.container, message, version, note };
  }
  const all = (result.env.app ?? []).map(({ name, value }) => [name, value] as const);
  return Object.fromEntries(all.filter(([name]) => !Object.hasOwn(SERVICES, name)));
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

  // https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields
  test('addresses of the pod and its node', async () => {
    const ref = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    expect(
      await resolved([
        ref('HOST', 'status.hostIP'),
        ref('HOSTS', 'status.hostIPs'),
        ref('IP', 'status.podIP'),
        ref('IPS', 'status.podIPs'),
        { name: 'URL', value: 'http://$(IP):80' },
      ]),
    ).toEqual({
      HOST: '192.0.2.1',
      HOSTS: '192.0.2.1',
      IP: '198.18.0.7',
      IPS: '198.18.0.7,fd00::7',
      URL: 'http://198.18.0.7:80',
    });
  });

  // https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
  test('Services can be referred to, and a variable of the same name hides one', async () => {
    const pod = testPod('a', {
      containers: [
        {
          name: 'app',
          image: 'x',
          env: [
            { name: 'URL', value: 'http://$(KUBERNETES_SERVICE_HOST):$(HELLO_SERVICE_PORT)' },
            { name: 'HELLO_SERVICE_PORT', value: '81' },
          ],
        },
      ],
    });
    const result = await resolveEnvironment(pod, SOURCES);
    expect(result).toMatchObject({
      env: {
        app: [
          { name: 'URL', value: 'http://10.0.0.1:80' },
          { name: 'HELLO_SERVICE_PORT', value: '81' },
          { name: 'KUBERNETES_SERVICE_HOST', value: '10.0.0.1' },
        ],
      },
    });
  });

  test('any key that a ConfigMap may have is a variable, `__proto__` and a digit in front too', async () => {
    const found = await resolved([], { envFrom: [{ configMapRef: { name: 'odd' } }] });
    expect(found).toEqual({ ['__proto__']: 'a', '1st': 'c' });
    const none = await resolved([
      { name: 'N', valueFrom: { configMapKeyRef: { name: 'settings', key: 'constructor', optional: true } } },
    ]);
    expect(none).toEqual({});
  });

  test('names that no environment can have are skipped and told, with optional references that are not there', async () => {
    const pod = testPod('a', {
      containers: [
        {
          name: 'app',
          image: 'x',
          envFrom: [
            { prefix: 'A=', configMapRef: { name: 'settings' } },
            { secretRef: { name: 'gone', optional: true } },
          ],
          env: [
            { name: 'N', valueFrom: { configMapKeyRef: { name: 'settings', key: 'none', optional: true } } },
            { name: 'M', valueFrom: { configMapKeyRef: { name: 'gone', key: 'none', optional: true } } },
          ],
        },
      ],
    });
    const result = await resolveEnvironment(pod, { ...SOURCES, services: new Map() });
    const why = 'were skipped since they are considered invalid environment variable names.';
    expect(result).toEqual({
      ok: true,
      env: { app: [] },
      notes: [
        {
          reason: 'InvalidEnvironmentVariableNames',
          message: `Keys [A=colour, A=size] from the EnvFrom configMap default/settings ${why}`,
        },
        { reason: 'OptionalSecretNotFound', message: 'secret "gone" not found' },
        { reason: 'OptionalConfigMapKeyNotFound', message: "couldn't find key none in ConfigMap default/settings" },
        { reason: 'OptionalConfigMapNotFound', message: 'configmap "gone" not found' },
      ],
    });
  });

  test.each([
    [{ configMapKeyRef: { name: 'absent', key: 'x' } }, 'configmap "absent" not found', 'MandatoryConfigMapNotFound'],
    [{ secretKeyRef: { name: 'absent', key: 'x' } }, 'secret "absent" not found', 'MandatorySecretNotFound'],
    [
      { secretKeyRef: { name: 'login', key: 'user' } },
      "couldn't find key user in Secret default/login",
      'MandatorySecretKeyNotFound',
    ],
  ])('what is missing is named, its values are not: %j', async (valueFrom, message, reason) => {
    const result = await resolved([{ name: 'X', valueFrom }]);
    const version = reason.endsWith('KeyNotFound') ? '7' : undefined;
    expect(result).toMatchObject({ message, container: 'app', version, note: { reason, message } });
    expect(JSON.stringify(result)).not.toContain('canary');
  });

  test('not being allowed to look is told; not reaching the API is thrown for a retry', async () => {
    const pod = testPod('a', {
      containers: [{ name: 'app', image: 'x', envFrom: [{ secretRef: { name: 'login', optional: true } }] }],
    });
    const failing = (code: 'Forbidden' | 'Unavailable', message: string): EnvironmentSources => ({
      ...SOURCES,
      read: () => Promise.reject(new ZoneletError(code, message)),
    });
    const refused = await resolveEnvironment(pod, failing('Forbidden', 'no, says RBAC'));
    expect(refused).toMatchObject({
      ok: false,
      missing: { message: 'no, says RBAC', note: { reason: 'FailedToReadOptionalSecret' } },
    });
    await expect(resolveEnvironment(pod, failing('Unavailable', 'away'))).rejects.toMatchObject({
      code: 'Unavailable',
    });
  });
});

describe('resources as variables', () => {
  // https://kubernetes.io/docs/tasks/inject-data-application/environment-variable-expose-pod-information/
  const RESOURCES = {
    requests: { cpu: '250m', memory: '64Mi' },
    limits: { cpu: '1500m', memory: '128Mi', 'hugepages-2Mi': '4Mi' },
  };
  test.each([
    ['limits.cpu', undefined, '2'],
    ['limits.cpu', '1m', '1500'],
    ['requests.cpu', '0', '1'],
    ['requests.cpu', '1m', '250'],
    ['limits.memory', undefined, '134217728'],
    ['limits.memory', '1Mi', '128'],
    ['requests.memory', '1M', '68'],
    ['requests.memory', '1Ki', '65536'],
    ['limits.hugepages-2Mi', '1Mi', '4'],
    ['requests.ephemeral-storage', undefined, '0'],
    ['limits.ephemeral-storage', '1Gi', '10'],
  ])('%s in units of %s is %s', async (resource, divisor, expected) => {
    const ref = { resource, ...(divisor === undefined ? {} : { divisor }) };
    const env = [{ name: 'R', valueFrom: { resourceFieldRef: ref } }];
    expect(await resolved(env, { resources: RESOURCES })).toEqual({ R: expected });
  });

  // https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#fallback-information-for-resource-limits
  test.each([
    ['limits.cpu', '1m', '6000'],
    ['limits.memory', '1Gi', '4'],
    ['requests.cpu', '1m', '0'],
  ])('without any of its own, %s in units of %s is %s', async (resource, divisor, expected) => {
    const env = [{ name: 'R', valueFrom: { resourceFieldRef: { resource, divisor } } }];
    expect(await resolved(env)).toEqual({ R: expected });
  });

  test('the limit of the pod as a whole comes before what the node has, and another container can be named', async () => {
    const asking = (containerName: string) => ({
      name: containerName.toUpperCase(),
      valueFrom: { resourceFieldRef: { containerName, resource: 'limits.cpu', divisor: '1m' } },
    });
    const pod = testPod('a', {
      resources: { limits: { cpu: '3' } },
      initContainers: [{ name: 'first', image: 'x', resources: { limits: { cpu: '100m' } } }],
      containers: [{ name: 'app', image: 'x', env: [asking('first'), asking('app')] }],
    });
    const result = await resolveEnvironment(pod, { ...SOURCES, services: new Map() });
    expect(result).toMatchObject({
      env: {
        app: [
          { name: 'FIRST', value: '100' },
          { name: 'APP', value: '3000' },
        ],
      },
    });
    const nobody = testPod('a', { containers: [{ name: 'app', image: 'x', env: [asking('nobody')] }] });
    expect(await resolveEnvironment(nobody, SOURCES)).toMatchObject({
      ok: false,
      missing: { message: 'container nobody not found' },
    });
  });
});

describe('what the environment is put into', () => {
  // https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
  test('commands and arguments are expanded, the pod itself stays as it was', () => {
    const pod = testPod('a', {
      containers: [{ name: 'app', image: 'x', command: ['echo', '$(A)'], args: ['$$(A)', '$(NONE)'] }],
    });
    const expanded = expandedPod(pod, { app: [{ name: 'A', value: '1' }] });
    expect(expanded.spec?.containers[0]).toMatchObject({ command: ['echo', '1'], args: ['$(A)', '$(NONE)'] });
    expect(pod.spec?.containers[0]?.command).toEqual(['echo', '$(A)']);
  });

  // https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath-expanded-environment
  test('subPathExpr becomes subPath', () => {
    const mount = { name: 'logs', mountPath: '/logs', subPathExpr: '$(POD)/$(KIND)' };
    const pod = testPod('a', { containers: [{ name: 'app', image: 'x', volumeMounts: [mount] }] });
    const env = (kind: string) => ({
      app: [
        { name: 'POD', value: 'a' },
        { name: 'KIND', value: kind },
      ],
    });
    expect(expandedPod(pod, env('web')).spec?.containers[0]?.volumeMounts).toEqual([
      { name: 'logs', mountPath: '/logs', subPath: 'a/web' },
    ]);
    expect(() => expandedPod(pod, env(''))).toThrow('missing value for KIND');
    expect(() => expandedPod(pod, env('../../etc-canary'))).toThrow(/^subPathExpr \$\(POD\)\/\$\(KIND\) must not/);
    expect(() => expandedPod(pod, env('../../etc-canary'))).not.toThrow(/canary/);
  });
});
