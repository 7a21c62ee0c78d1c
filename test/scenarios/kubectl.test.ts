import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { follow, HAS_KUBECTL, kubectl, NO_KUBECTL } from './support/kubectl.ts';
import { openScenario, type Play } from './support/play.ts';
import { workloadPods } from './support/pods.ts';

if (!HAS_KUBECTL) console.log(NO_KUBECTL);

/** On processes, so that there is something in the logs. */
describe.skipIf(!HAS_KUBECTL)('what kubectl shows and does', () => {
  let play: Play;
  const node = (i: number): string => play.stage.zones[i]?.nodeName ?? '';
  const run = (...args: string[]): Promise<string> => kubectl(play, args);

  beforeAll(async () => {
    play = await openScenario({ pods: 3, runtime: 'process' });
  }, 180_000);
  afterAll(async () => {
    // What was a process must not outlive the test.
    if (play !== undefined) await run('delete', 'deployments', '--all', '--timeout=60s');
    await play?.until('the end of all pods', () => play.history.currentPods().length === 0);
    await play?.[Symbol.asyncDispose]();
  }, 180_000);

  test('get nodes and describe node', async () => {
    const rows = (await run('get', 'nodes', '-o', 'wide', '--no-headers')).trim().split('\n');
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(row).toMatch(/^demo-zone-[abc] +Ready .*zonelet/);
    const described = await run('describe', 'node', node(0));
    expect(described).toContain('topology.kubernetes.io/zone=zone-a');
    expect(described).toMatch(/Taints: +virtual-kubelet.io\/provider=web:NoSchedule/);
    expect(described).toMatch(/Ready +True .*KubeletReady/);
    expect(described).toMatch(/Non-terminated Pods: +\(1 in total\)/);
    expect(described).toMatch(/cpu +100m \(0%\)/);
  });

  test('get pods -o wide and describe pod', async () => {
    const rows = (await run('get', 'pods', '-o', 'wide', '--no-headers')).trim().split('\n');
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(row).toMatch(/^hello-\S+ +1\/1 +Running +0 .*demo-zone-[abc]/);
    const described = await run('describe', 'pod', workloadPods(play)[0]?.metadata?.name ?? '');
    expect(described).toMatch(/Status: +Running/);
    expect(described).toContain('Started');
  });

  test('logs -f, and logs again after another replica has taken the zone over', async () => {
    const pod = workloadPods(play).find(({ spec }) => spec?.nodeName === node(0))?.metadata?.name ?? '';
    using following = follow(play, ['logs', '-f', pod]);
    await play.until('some lines', () => following.lines.length >= 2);
    expect(following.lines[0]).toBe('hello 0');
    const epoch = play.epochOf('zone-a');
    play.stage.part(play.leaderOf('zone-a') ?? '').kill('SIGKILL');
    await play.until('another leader', () => play.epochOf('zone-a') > epoch);
    let lines: string[] = [];
    await play.until('logs by the new leader', async () => {
      lines = (await run('logs', pod)).trim().split('\n');
      return lines.length > following.lines.length;
    });
    expect(lines.slice(0, following.lines.length)).toEqual(following.lines);
    expect((await run('logs', '--tail=1', pod)).trim().split('\n')).toHaveLength(1);
    expect(await run('logs', '--timestamps', '--tail=1', pod)).toMatch(/^\d{4}-\d{2}-\d{2}T\S+Z hello \d+/);
  });

  test('logs that are not there say why', async () => {
    const pod = workloadPods(play)[0]?.metadata?.name ?? '';
    await expect(run('logs', pod, '--previous')).rejects.toThrow(/previous terminated container "hello".*not found/);
    await expect(run('logs', pod, '-c', 'other')).rejects.toThrow(/container other is not valid/);
  });

  test('apply, scale, label, cordon, drain and delete', async () => {
    const manifest = JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'other' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'other' } },
        template: {
          metadata: { labels: { app: 'other' } },
          spec: {
            nodeSelector: { 'zonelet.dev/set': 'demo' },
            tolerations: [{ operator: 'Exists', effect: 'NoSchedule', key: 'virtual-kubelet.io/provider' }],
            terminationGracePeriodSeconds: 1,
            containers: [{ name: 'app', image: 'registry.example/app:1', command: ['sleep', '3600'] }],
          },
        },
      },
    });
    expect(await kubectl(play, ['apply', '-f', '-'], manifest)).toContain('deployment.apps/other created');
    expect(await kubectl(play, ['apply', '-f', '-'], manifest)).toContain('deployment.apps/other unchanged');
    await run('rollout', 'status', 'deployment/other', '--timeout=60s');
    expect(await run('scale', 'deployment/other', '--replicas=4')).toContain('scaled');
    await run('rollout', 'status', 'deployment/other', '--timeout=60s');
    expect(await run('label', 'node', node(2), 'team=shop')).toContain('labeled');
    expect((await run('get', 'nodes', '-l', 'team=shop', '-o', 'name')).trim()).toBe(`node/${node(2)}`);

    await run('cordon', node(1));
    expect(await run('get', 'node', node(1), '--no-headers')).toContain('Ready,SchedulingDisabled');
    const drained = await run('drain', node(1), '--ignore-daemonsets', '--timeout=60s', '--pod-selector=app=other');
    expect(drained).toContain('drained');
    await run('rollout', 'status', 'deployment/other', '--timeout=60s');
    const places = (await run('get', 'pods', '-l', 'app=other', '-o', 'jsonpath={.items[*].spec.nodeName}'))
      .trim()
      .split(' ');
    expect(places).toHaveLength(4);
    expect(places).not.toContain(node(1));
    await run('uncordon', node(1));

    const victim = await run('get', 'pods', '-l', 'app=other', '-o', 'jsonpath={.items[0].metadata.name}');
    expect(await run('delete', 'pod', victim, '--timeout=60s')).toContain('deleted');
    await run('rollout', 'status', 'deployment/other', '--timeout=60s');
    // The label that somebody put on the node is theirs.
    expect((await run('get', 'nodes', '-l', 'team=shop', '-o', 'name')).trim()).toBe(`node/${node(2)}`);
    await run('delete', 'deployment', 'other');
    await play.until('the end of its pods', () =>
      play.history.currentPods().every(({ metadata }) => metadata?.labels?.app !== 'other'),
    );
    await play.checkInvariants();
  });
});
