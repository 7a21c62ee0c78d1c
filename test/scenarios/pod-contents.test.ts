/** What a container sees: its environment and its files, from the start on, after an edit, and after a change of leader. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONFIG_MAPS, DEPLOYMENTS, SECRETS, SERVICES } from '../../src/kube/resources.ts';
import type { Deployment, Pod } from '../../src/kube/types.ts';
import { HAS_KUBECTL, kubectl, NO_KUBECTL } from './support/kubectl.ts';
import { openScenario, type Play } from './support/play.ts';

if (!HAS_KUBECTL) console.log(NO_KUBECTL);

const LABELS = { app: 'contents' };
/** Prints everything once, and the files that may change every second. */
const SHOW = [
  'echo "args $0 $1"',
  'env | sort | grep -E "^(PLAIN|JOINED|CFG_|KEY|SECRET|POD_|NODE|LABEL|CPU|MEMORY|KUBERNETES_SERVICE_|SHOP_SERVICE_|NONE)"',
  'cat /info/labels && echo',
  'stat -L -c "%a %n" /login/* /cfg/*',
  'echo "namespace $(cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)"',
  'head -1 /var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
  'while :; do echo "colour $(cat /cfg/colour) token $(cat /var/run/secrets/kubernetes.io/serviceaccount/token | cut -c1-9)"; sleep 1; done',
].join('; ');

function deployment(namespace: string, set: string): Deployment {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const resource = (name: string, of: string, divisor: string) => ({
    name,
    valueFrom: { resourceFieldRef: { resource: of, divisor } },
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'contents', namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: LABELS },
      template: {
        metadata: { labels: LABELS },
        spec: {
          nodeSelector: { 'zonelet.dev/set': set },
          tolerations: [{ key: 'virtual-kubelet.io/provider', operator: 'Exists', effect: 'NoSchedule' }],
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'main',
              image: 'registry.example/contents:1',
              command: ['sh', '-c', SHOW],
              args: ['$(JOINED)', '$$(PLAIN)'],
              resources: { requests: { cpu: '100m', memory: '64Mi' } },
              envFrom: [{ prefix: 'CFG_', configMapRef: { name: 'settings' } }],
              env: [
                { name: 'PLAIN', value: 'one' },
                { name: 'JOINED', value: '$(PLAIN)-$(KUBERNETES_SERVICE_PORT)' },
                { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'settings', key: 'size' } } },
                { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'login', key: 'user' } } },
                { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'gone', key: 'x', optional: true } } },
                field('POD_NAME', 'metadata.name'),
                field('POD_IP', 'status.podIP'),
                field('NODE', 'spec.nodeName'),
                field('LABEL', "metadata.labels['app']"),
                resource('CPU', 'requests.cpu', '1m'),
                resource('MEMORY', 'requests.memory', '1Mi'),
              ],
              volumeMounts: [
                { name: 'cfg', mountPath: '/cfg' },
                { name: 'login', mountPath: '/login' },
                { name: 'info', mountPath: '/info' },
              ],
            },
          ],
          volumes: [
            { name: 'cfg', configMap: { name: 'settings' } },
            { name: 'login', secret: { secretName: 'login', defaultMode: 0o400 } },
            { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          ],
        },
      },
    },
  };
}

/** On processes, so that there is somebody who looks. */
describe.skipIf(!HAS_KUBECTL)('what a container sees', () => {
  let play: Play;
  const pod = (): Pod | undefined =>
    play.history.currentPods().find(({ metadata }) => metadata?.labels?.app === LABELS.app);
  const run = (...args: string[]): Promise<string> => kubectl(play, args);
  const logs = (): Promise<string> => run('logs', pod()?.metadata?.name ?? '');
  const put = async (colour: string): Promise<void> => {
    await play.client.patch(
      CONFIG_MAPS,
      { namespace: play.stage.namespace, name: 'settings' },
      { type: 'merge', body: { data: { colour } } },
    );
  };
  /** Waits for a line of the log. */
  const seen = (line: RegExp): Promise<void> =>
    play.until(`the log to have ${line}`, async () => line.test(await logs()), 150_000);

  beforeAll(async () => {
    play = await openScenario({ pods: 3, zones: 1, replicas: 2, runtime: 'process' });
    const { namespace } = play.stage;
    await play.client.create(SERVICES, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'shop', namespace },
      spec: { ports: [{ port: 81 }] },
    });
    await play.client.create(SECRETS, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'login', namespace },
      data: { user: Buffer.from('ann').toString('base64') },
    });
    await play.client.create(DEPLOYMENTS, deployment(namespace, play.stage.set));
  }, 180_000);
  afterAll(async () => {
    // What was a process must not outlive the test.
    if (play !== undefined) await run('delete', 'deployments', '--all', '--timeout=60s');
    await play?.until('the end of all pods', () => play.history.currentPods().length === 0);
    await play?.[Symbol.asyncDispose]();
  }, 180_000);

  test('a volume that is missing is told, and the pod starts once it is there', async () => {
    await play.until('the Event', async () => {
      const name = pod()?.metadata?.name;
      return name !== undefined && (await run('describe', 'pod', name)).includes('configmap "settings" not found');
    });
    expect(await run('describe', 'pod', pod()?.metadata?.name ?? '')).toMatch(/FailedMount .*MountVolume.SetUp failed/);
    expect(pod()?.status?.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'ContainerCreating' } });
    await play.client.create(CONFIG_MAPS, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: play.stage.namespace },
      data: { colour: 'red', size: 'large' },
    });
    await play.until('the pod to run', () => pod()?.status?.phase === 'Running');
  });

  test('environment, arguments and files are those of a node', async () => {
    await seen(/colour red token/);
    const text = await logs();
    const name = pod()?.metadata?.name;
    const address = pod()?.status?.podIP;
    for (const line of [
      'args one-443 $(PLAIN)',
      'PLAIN=one',
      'JOINED=one-443',
      'CFG_colour=red',
      'CFG_size=large',
      'KEY=large',
      'SECRET=ann',
      `POD_NAME=${name}`,
      `POD_IP=${address}`,
      `NODE=${play.stage.zones[0]?.nodeName}`,
      'LABEL=contents',
      'CPU=100',
      'MEMORY=64',
      'KUBERNETES_SERVICE_HOST=10.0.0.1',
      'KUBERNETES_SERVICE_PORT_HTTPS=443',
      'SHOP_SERVICE_PORT=81',
      'app="contents"',
      '400 /login/user',
      '644 /cfg/colour',
      `namespace ${play.stage.namespace}`,
      '-----BEGIN CERTIFICATE-----',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).not.toMatch(/^NONE=/m);
    expect(text).toMatch(/colour red token eyJ/);
  });

  test('an edit is seen without a restart, also by the next leader', async () => {
    await put('blue');
    await seen(/colour blue token eyJ/);
    const zone = play.stage.zones[0]?.name ?? '';
    const epoch = play.epochOf(zone);
    play.stage.part(play.leaderOf(zone) ?? '').kill('SIGKILL');
    await put('green');
    await play.until('another leader', () => play.epochOf(zone) > epoch);
    await seen(/colour green token eyJ/);
    expect(pod()?.status?.containerStatuses?.[0]?.restartCount).toBe(0);
    await play.checkInvariants();
  });
});
