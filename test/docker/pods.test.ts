/** What a pod sees and does on a real engine. */
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DockerOptions } from '../../providers/docker/options.ts';
import { createDockerProvider } from '../../providers/docker/provider.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { codeOf } from '../../src/errors.ts';
import type { Container, Pod } from '../../src/kube/types.ts';
import { silentLogger } from '../../src/log.ts';
import type { ContainerObservation, Operation, PodRef, Provider, ResolvedPod } from '../../src/provider/contract.ts';
import { BUSYBOX, type Dockerd, NETWORK, noDockerd, SUITE_IMAGE, startDockerd } from './dockerd.ts';

const OWNER = '00000000-0000-4000-8000-00000000000a/pods';
const missing = noDockerd();

describe.skipIf(missing !== undefined)(`pods on a real engine${missing === undefined ? '' : `: ${missing}`}`, () => {
  let dockerd: Dockerd;
  let provider: Provider;
  let uids = 0;
  const life = new AbortController();

  beforeAll(async () => {
    dockerd = await startDockerd('10.213.2.0/24');
    const options: DockerOptions = {
      engines: [{ name: 'engine', url: dockerd.url, maxPods: 200, hostIP: '192.0.2.7' }],
      network: NETWORK,
      sandbox: { busyboxFile: BUSYBOX },
      clusterDNS: ['192.0.2.53'],
      clusterDomain: 'cluster.local',
      allow: { capabilities: [], unconfined: false },
    };
    const context = { zone: 'zone-a', clock: systemClock, random: systemRandom, log: silentLogger };
    provider = createDockerProvider(options, context);
  });
  afterAll(async () => {
    life.abort();
    await provider?.[Symbol.asyncDispose]();
    await dockerd?.[Symbol.asyncDispose]();
  });

  const operation = (): Operation => ({
    owner: OWNER,
    zone: 'zone-a',
    epoch: 1,
    holder: 'replica-0',
    signal: life.signal,
    timeoutMs: 30_000,
    attempt: 1,
  });

  const sh = (script: string, more: Partial<Container> = {}): Container => ({
    name: 'main',
    image: SUITE_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', script],
    ...more,
  });
  const FOREVER = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

  async function create(spec: NonNullable<Pod['spec']>, more: Partial<ResolvedPod> = {}): Promise<PodRef> {
    const uid = `00000000-0000-4000-9000-${String(++uids).padStart(12, '0')}`;
    const ref = { uid, namespace: 'shop', name: `pod-${uids}` };
    const pod: Pod = { metadata: { uid, namespace: 'shop', name: ref.name }, spec };
    expect(provider.validate(pod)).toEqual([]);
    await provider.create({ ref, pod, env: {}, volumes: {}, pullSecrets: [], hash: 'h', ...more }, operation());
    return ref;
  }

  async function see(ref: PodRef, name: string, check: (seen: ContainerObservation) => boolean) {
    let seen: ContainerObservation | undefined;
    for (let tries = 0; tries < 600; tries++) {
      const pod = await provider.get(OWNER, ref, { signal: life.signal, timeoutMs: 10_000 });
      seen = pod?.observation.containers.find((container) => container.name === name);
      if (seen !== undefined && check(seen)) return seen;
      await sleep(50);
    }
    return expect.fail(`container ${name} never came to be as it should: ${JSON.stringify(seen)}`);
  }
  const ended = (seen: ContainerObservation): boolean => seen.state.terminated !== undefined;
  const runs = (seen: ContainerObservation): boolean => seen.state.running !== undefined;

  /** What a script in a pod of its own printed. */
  async function printed(
    container: Container,
    spec: Partial<NonNullable<Pod['spec']>> = {},
    more: Partial<ResolvedPod> = {},
  ) {
    const ref = await create({ restartPolicy: 'Never', ...spec, containers: [container] }, more);
    await see(ref, 'main', ended);
    return (await log(ref)).trimEnd().split('\n');
  }

  async function log(ref: PodRef, name = 'main'): Promise<string> {
    const options = { follow: false, previous: false, timestamps: false };
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await provider.logs?.(OWNER, ref, name, options, life.signal)) ?? []) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  async function execute(ref: PodRef, command: string[], input?: string, tty = false) {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const stdin = new PassThrough();
    if (input !== undefined) stdin.end(input);
    const streams = { stdout, ...(tty ? {} : { stderr }), ...(input === undefined ? {} : { stdin }) };
    const [out, err] = [text(stdout), text(stderr)];
    const result = await provider.exec?.(OWNER, ref, 'main', { command, tty }, streams, life.signal);
    stdout.end();
    stderr.end();
    return { exitCode: result?.exitCode, stdout: await out, stderr: await err };
  }

  test('command, arguments, environment, folder, host name and addresses', async () => {
    const script = 'echo "$0 $1"; echo "$A"; echo "$PWD"; hostname; echo "$IP"; cat /etc/hosts /etc/resolv.conf';
    const lines = await printed(
      sh(script, { args: ['zero', 'one'], workingDir: '/tmp' }),
      { hostAliases: [{ ip: '192.0.2.1', hostnames: ['db.example'] }] },
      {
        env: {
          main: [
            { name: 'A', value: 'b $(c) d' },
            { name: 'IP', value: 'at MARK' },
          ],
        },
        podIPMarkers: { podIP: 'MARK', podIPs: 'MARKS' },
      },
    );
    expect(lines.slice(0, 4)).toEqual(['zero one', 'b $(c) d', '/tmp', 'pod-1']);
    expect(lines[4]).toMatch(/^at 10\.213\.2\.\d+$/);
    expect(lines.join('\n')).toMatch(/192\.0\.2\.1\s+db\.example/);
    // On a network of its own the engine answers itself and asks those that it was given.
    expect(lines.join('\n')).toMatch(/^nameserver (127\.0\.0\.11|192\.0\.2\.53)$/m);
    expect(lines).toContain('search shop.svc.cluster.local svc.cluster.local cluster.local');
  });

  test('user, groups, capabilities, a root that cannot be written, and no new privileges', async () => {
    const script = "id; touch /tmp/x || echo read-only; cat /proc/self/status | tr -d '\\t'";
    const lines = await printed(
      sh(script, {
        securityContext: {
          runAsUser: 1001,
          runAsGroup: 1002,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        },
      }),
      { securityContext: { fsGroup: 1003, supplementalGroups: [1004] } },
    );
    // Two outputs have no order between them.
    expect(lines.find((line) => line.startsWith('uid='))).toMatch(
      /^uid=1001 gid=1002 groups=.*1003.*1004|^uid=1001 gid=1002 groups=.*1004.*1003/,
    );
    expect(lines).toContain('read-only');
    expect(lines).toContain('NoNewPrivs:1');
    expect(lines).toContain('CapBnd:0000000000000000');
    expect(lines).toContain('Seccomp:2');
  });

  test('files of volumes with their modes, a path in one, and empty folders', async () => {
    const files = [
      { path: 'a', content: Buffer.from('A'), mode: 0o644 },
      { path: 'deep/b', content: Buffer.from('B'), mode: 0o400 },
    ];
    const script =
      'cat /v/a /v/deep/b; echo; stat -L -c %a /v/a /v/deep/b; cat /only; echo; touch /v/x || echo refused; ' +
      'stat -c %a /e /m; touch /e/f /m/f && echo written; readlink /v/a';
    const lines = await printed(
      sh(script, {
        volumeMounts: [
          { name: 'v', mountPath: '/v' },
          { name: 'v', mountPath: '/only', subPath: 'a' },
          { name: 'e', mountPath: '/e' },
          { name: 'm', mountPath: '/m' },
        ],
      }),
      {
        volumes: [
          { name: 'v', secret: { secretName: 's' } },
          { name: 'e', emptyDir: {} },
          { name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        ],
      },
      { volumes: { v: { files } } },
    );
    expect(lines.filter((line) => !line.includes('touch'))).toEqual([
      'AB',
      '644',
      '400',
      'A',
      'refused',
      '777',
      '777',
      'written',
      '..data/a',
    ]);
  });

  test('new content for a volume, all of it at once, and files that went are gone', async () => {
    const file = (path: string, content: string) => ({ path, content: Buffer.from(content), mode: 0o644 });
    const ref = await create(
      {
        volumes: [{ name: 'v', configMap: { name: 'c' } }],
        containers: [sh(FOREVER, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
      },
      { volumes: { v: { files: [file('a', '1'), file('b', '1')] } } },
    );
    await see(ref, 'main', runs);
    await provider.refreshVolumes?.(ref, { v: { files: [file('a', '2'), file('c', '2')] } }, operation());
    const { stdout } = await execute(ref, ['sh', '-c', 'ls /v; cat /v/a /v/c']);
    expect(stdout).toBe('a\nc\n22');
    const before = await execute(ref, ['ls', '-a', '/v']);
    await provider.refreshVolumes?.(ref, { v: { files: [file('a', '2'), file('c', '2')] } }, operation());
    expect(await execute(ref, ['ls', '-a', '/v'])).toEqual(before);
  });

  test('exec: output, error output, exit code, input to its end, a terminal, and no such command', async () => {
    const ref = await create({ containers: [sh(FOREVER)] });
    await see(ref, 'main', runs);
    const both = await execute(ref, ['sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(both).toEqual({ exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
    const big = 'x'.repeat(3_000_000);
    expect(await execute(ref, ['wc', '-c'], big)).toMatchObject({ exitCode: 0, stdout: '3000000\n' });
    expect(await execute(ref, ['cat'], big)).toEqual({ exitCode: 0, stdout: big, stderr: '' });
    expect((await execute(ref, ['tty'], undefined, true)).stdout).toMatch(/^\/dev\/pts\//);
    const none = await execute(ref, ['no-such-command']);
    expect(none.exitCode === 126 || none.exitCode === 127).toBe(true);
    expect(none.stderr).toContain('no-such-command');
    const unknown = provider.exec?.(OWNER, ref, 'nobody', { command: ['true'], tty: false }, {}, life.signal);
    expect(await unknown?.catch(codeOf)).toBe('NotFound');
  });

  test('attach: what the process writes from then on, and what it reads', async () => {
    const ref = await create({
      restartPolicy: 'Never',
      containers: [sh('read line; echo "got $line"', { stdin: true, stdinOnce: true })],
    });
    await see(ref, 'main', runs);
    const stdin = new PassThrough();
    const stdout = new PassThrough();
    const attached = provider.attach?.(OWNER, ref, 'main', { stdin, stdout }, life.signal);
    stdin.write('hello\n');
    await attached;
    stdout.end();
    expect(await text(stdout)).toBe('got hello\n');
  });

  test('port-forward: to a port of the pod, and refused where nothing listens', async () => {
    const ref = await create({ containers: [sh(`nc -l -p 8080 -e cat; ${FOREVER}`)] });
    await see(ref, 'main', runs);
    await sleep(200);
    expect(await provider.portForward?.(OWNER, ref, 8081, life.signal).catch(codeOf)).toBe('Unavailable');
    const connection = await provider.portForward?.(OWNER, ref, 8080, life.signal);
    const answer = text(connection ?? new PassThrough());
    connection?.end('over and back');
    expect(await answer).toBe('over and back');
  });

  test('init containers one after the other, then one that runs beside, and its end with the others', async () => {
    const mounts = { volumeMounts: [{ name: 'e', mountPath: '/e' }] };
    const ref = await create({
      restartPolicy: 'Never',
      volumes: [{ name: 'e', emptyDir: {} }],
      initContainers: [
        sh('echo 1 >>/e/log', { name: 'first', ...mounts }),
        sh(`echo 2 >>/e/log; ${FOREVER}`, { name: 'beside', restartPolicy: 'Always', ...mounts }),
        sh('while ! wc -l /e/log | { read n x; [ $n -ge 2 ]; }; do sleep 0.1; done; echo 3 >>/e/log', {
          name: 'last',
          ...mounts,
        }),
      ],
      containers: [sh('cat /e/log; sleep 1', mounts)],
    });
    await see(ref, 'main', runs);
    await see(ref, 'beside', runs);
    expect((await see(ref, 'main', ended)).state.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
    expect(await log(ref)).toBe('1\n2\n3\n');
    expect((await see(ref, 'beside', ended)).state.terminated?.exitCode).toBe(0);
  });

  test('an init container that fails keeps the others from starting', async () => {
    const ref = await create({
      restartPolicy: 'Never',
      initContainers: [sh('exit 4', { name: 'init' })],
      containers: [sh(FOREVER)],
    });
    expect((await see(ref, 'init', ended)).state.terminated?.exitCode).toBe(4);
    expect((await see(ref, 'main', () => true)).state.waiting?.reason).toBe('PodInitializing');
  });

  test('termination messages, from the file and from the log', async () => {
    const file = await create({ restartPolicy: 'Never', containers: [sh('echo why >/dev/termination-log; exit 1')] });
    expect((await see(file, 'main', ended)).state.terminated).toMatchObject({ message: 'why\n', reason: 'Error' });
    const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' };
    const logged = await create({ restartPolicy: 'Never', containers: [sh('echo last words; exit 1', fallback)] });
    expect((await see(logged, 'main', ended)).state.terminated?.message).toBe('last words\n');
  });

  test('the back-off of a container that crashes, with its last end', async () => {
    const ref = await create({ restartPolicy: 'OnFailure', containers: [sh('exit 3')] });
    const seen = await see(ref, 'main', ({ state }) => state.waiting?.reason === 'CrashLoopBackOff');
    expect(seen.restartCount).toBe(1);
    expect(seen.lastState?.terminated?.exitCode).toBe(3);
    expect(seen.state.waiting?.message).toContain('back-off 10s restarting failed container=main pod=');
  });

  test('images that are not there, by pull policy', async () => {
    const image = '127.0.0.1:1/nothing:1';
    const never = await create({ containers: [sh('true', { image, imagePullPolicy: 'Never' })] });
    await see(never, 'main', ({ state }) => state.waiting?.reason === 'ErrImageNeverPull');
    const pulled = await create({ containers: [sh('true', { image })] });
    await see(pulled, 'main', ({ state }) => state.waiting?.reason === 'ErrImagePull');
    const backing = await see(pulled, 'main', ({ state }) => state.waiting?.reason === 'ImagePullBackOff');
    expect(backing.state.waiting?.message).toContain(image);
    for (const ref of [never, pulled]) {
      expect((await provider.delete(ref, { gracePeriodSeconds: 30 }, operation())).state).toBe('gone');
    }
  });

  test('what cannot be started or must not run as root', async () => {
    const broken = await create({ restartPolicy: 'Never', containers: [{ ...sh(''), command: ['/no-such-program'] }] });
    expect((await see(broken, 'main', ended)).state.terminated).toMatchObject({ exitCode: 128, reason: 'StartError' });
    const root = await create({ containers: [sh(FOREVER, { securityContext: { runAsNonRoot: true } })] });
    const { state } = await see(root, 'main', (seen) => seen.state.waiting?.reason === 'CreateContainerConfigError');
    expect(state.waiting?.message).toContain('container has runAsNonRoot and image will run as root');
  });

  test('more memory than the limit', async () => {
    const script = 'x=$(head -c 60000000 /dev/zero | tr "\\0" x); echo "$x" | wc -c; sleep 1';
    const ref = await create({
      restartPolicy: 'Never',
      containers: [sh(`exec sh -c '${script}'`, { resources: { limits: { memory: '20Mi', cpu: '500m' } } })],
    });
    expect((await see(ref, 'main', ended)).state.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
  });

  test('usage and addresses', async () => {
    const ref = await create({ containers: [sh(FOREVER)] });
    await see(ref, 'main', runs);
    const pod = await provider.get(OWNER, ref, { signal: life.signal, timeoutMs: 10_000 });
    expect(pod?.observation).toMatchObject({ hostIP: '192.0.2.7', podIPs: [expect.stringMatching(/^10\.213\.2\./)] });
    const all = await provider.stats?.(OWNER, { signal: life.signal, timeoutMs: 10_000 });
    const mine = all?.find((stats) => stats.ref.uid === ref.uid);
    expect(mine?.containers[0]).toMatchObject({ name: 'main' });
    expect(mine?.containers[0]?.cpu?.usageCoreNanoSeconds).toBeGreaterThan(0);
    expect(mine?.containers[0]?.memory?.workingSetBytes).toBeGreaterThan(0);
    expect(mine?.network?.rxBytes).toBeGreaterThanOrEqual(0);
  });

  test('nothing is left of a pod that was deleted', async () => {
    const ref = await create({ volumes: [{ name: 'e', emptyDir: { medium: 'Memory' } }], containers: [sh(FOREVER)] });
    await see(ref, 'main', runs);
    while ((await provider.delete(ref, { gracePeriodSeconds: 0 }, operation())).state !== 'gone') await sleep(50);
    const filters = encodeURIComponent(JSON.stringify({ label: [`zonelet.dev/uid=${ref.uid}`] }));
    const request = { method: 'GET', signal: life.signal, timeoutMs: 10_000 } as const;
    const containers = await dockerd.engine.json<unknown[]>({
      path: `/containers/json?all=true&filters=${filters}`,
      ...request,
    });
    const { Volumes } = await dockerd.engine.json<{ Volumes: unknown[] | null }>({
      path: `/volumes?filters=${filters}`,
      ...request,
    });
    expect([containers, Volumes ?? []]).toEqual([[], []]);
  });
});
