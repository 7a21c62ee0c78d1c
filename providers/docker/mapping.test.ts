import { expect, test } from 'vitest';
import type { Container, Pod } from '../../src/kube/types.ts';
import type { ResolvedPod } from '../../src/provider/contract.ts';
import { containerRequest } from './container-request.ts';
import { createFrames } from './frames.ts';
import { registryOf, secretsFor, split } from './images.ts';
import { type DockerOptions, parseOptions } from './options.ts';
import { podFiles, stampOf } from './pod-files.ts';
import { sandboxRequest } from './sandbox-request.ts';
import { unsupportedFields } from './support.ts';
import { fileIn, tar } from './tar.ts';

function options(raw: object = {}): DockerOptions {
  const parsed = parseOptions({ kind: 'docker', ...raw });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.options;
}
const problems = (raw: object): string[] => {
  const parsed = parseOptions({ kind: 'docker', ...raw });
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
};

function resolved(spec: Partial<NonNullable<Pod['spec']>>): ResolvedPod {
  const ref = { uid: 'u-1', namespace: 'shop', name: 'web' };
  const pod: Pod = { metadata: ref, spec: { containers: [], ...spec } };
  return { ref, pod, env: { main: [{ name: 'A', value: '1' }] }, volumes: {}, pullSecrets: [], hash: 'h' };
}
const RUN = { owner: 'o', zone: 'z', prefix: 'p', sandbox: 's', filesFolder: '/files', attempt: 2, backOffMs: 0 };
const request = (container: Partial<Container>, spec: Partial<NonNullable<Pod['spec']>> = {}) =>
  containerRequest(resolved(spec), { name: 'main', image: 'i:1', ...container }, RUN);
const OPERATION = {
  owner: 'o',
  zone: 'z',
  epoch: 3,
  holder: 'r',
  signal: new AbortController().signal,
  timeoutMs: 1,
  attempt: 1,
};
const sandbox = (spec: Partial<NonNullable<Pod['spec']>>, raw: object = {}) =>
  sandboxRequest(resolved(spec), 'p', 'sandbox:1', OPERATION, options(raw));

test('options: defaults, and every problem with its path', () => {
  expect(options()).toMatchObject({
    engines: [{ name: 'engine', url: 'unix:///var/run/docker.sock', maxPods: 110 }],
    network: 'bridge',
  });
  expect(problems({ engines: [{ url: 'tcp://10.0.0.5:2376' }] })).toEqual([
    'engines.0.url: needs caFile, certFile and keyFile: whoever reaches an engine without TLS is root on its machine',
  ]);
  expect(problems({ engines: [{ url: 'ssh://host' }] })[0]).toContain(
    'engines.0.url: ssh is not offered: forward the socket',
  );
  expect(problems({ engines: [{ name: 'a' }, { name: 'a' }] })).toEqual([
    'engines.1.name: a is the name of two engines',
  ]);
  expect(problems({ engines: [{ url: 'tcp://h:1', caFile: '/ca' }] })).toEqual([
    'engines.0.certFile: missing: TLS needs caFile, certFile and keyFile',
    'engines.0.keyFile: missing: TLS needs caFile, certFile and keyFile',
  ]);
  expect(problems({ nope: 1, sandbox: { image: 'a', busyboxFile: '/b' } })).toHaveLength(2);
  expect(problems({ engines: [{ url: 'tcp://127.0.0.1:2375' }] })).toEqual([]);
});

test('a command replaces the entry point and drops the arguments of the image; arguments alone keep it', () => {
  expect(request({ command: ['a'] })).toMatchObject({ Entrypoint: ['a'], Cmd: [] });
  expect(request({ command: ['a'], args: ['b'] })).toMatchObject({ Entrypoint: ['a'], Cmd: ['b'] });
  const args = request({ args: ['b'] });
  expect(args.Cmd).toEqual(['b']);
  expect(args).not.toHaveProperty('Entrypoint');
  expect(request({})).not.toHaveProperty('Cmd');
  expect(request({}).Env).toEqual(['A=1']);
});

test('limits and requests', () => {
  const { HostConfig } = request({
    resources: { limits: { cpu: '1500m', memory: '64Mi' }, requests: { cpu: '250m', memory: '32Mi' } },
  });
  expect(HostConfig).toMatchObject({
    NanoCpus: 1_500_000_000,
    CpuShares: 256,
    Memory: 67_108_864,
    MemorySwap: 67_108_864,
    MemoryReservation: 33_554_432,
    RestartPolicy: { Name: 'no' },
  });
  expect(request({}).HostConfig).toMatchObject({ CpuShares: 2 });
  expect(request({ resources: { limits: { cpu: '2' } } }).HostConfig.CpuShares).toBe(2048);
});

test("security: the container's own before the pod's", () => {
  const { HostConfig, User } = request(
    {
      securityContext: {
        runAsUser: 5,
        allowPrivilegeEscalation: false,
        capabilities: { add: ['KILL'], drop: ['ALL'] },
      },
    },
    { securityContext: { runAsUser: 1, runAsGroup: 2, fsGroup: 3, supplementalGroups: [4] } },
  );
  expect(User).toBe('5:2');
  expect(HostConfig).toMatchObject({
    GroupAdd: ['4', '3'],
    CapAdd: ['KILL'],
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true'],
    NetworkMode: 'container:s',
    IpcMode: 'container:s',
  });
});

test('mounts: contents are never writable', () => {
  const { HostConfig } = request(
    {
      volumeMounts: [
        { name: 'c', mountPath: '/c' },
        { name: 'e', mountPath: '/e' },
        { name: 'm', mountPath: '/m' },
      ],
    },
    {
      volumes: [
        { name: 'c', configMap: { name: 'x' } },
        { name: 'e', emptyDir: {} },
        { name: 'm', emptyDir: { medium: 'Memory' } },
      ],
    },
  );
  expect(HostConfig.Mounts).toEqual([
    { Type: 'bind', Source: '/files/volumes/c', Target: '/c', ReadOnly: true },
    { Type: 'bind', Source: '/files/empty/e', Target: '/e', ReadOnly: false },
    { Type: 'volume', Source: 'p_memory_m', Target: '/m', ReadOnly: false, VolumeOptions: { NoCopy: true } },
    { Type: 'bind', Source: '/files/termination/main/2', Target: '/dev/termination-log', ReadOnly: false },
  ]);
});

test('the sandbox: names, labels, name servers, ports', () => {
  const raw = { clusterDNS: ['192.0.2.53'] };
  expect(sandbox({ dnsConfig: { options: [{ name: 'ndots', value: '2' }] } }, raw)).toMatchObject({
    Hostname: 'web',
    Labels: { 'zonelet.dev/owner': 'o', 'zonelet.dev/uid': 'u-1', 'zonelet.dev/epoch': '3', 'zonelet.dev/hash': 'h' },
    HostConfig: {
      Dns: ['192.0.2.53'],
      DnsSearch: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      DnsOptions: ['ndots:2'],
    },
  });
  expect(sandbox({ dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.1'] } }, raw).HostConfig).toMatchObject({
    Dns: ['192.0.2.1'],
    DnsSearch: ['.'],
  });
  expect(sandbox({ dnsPolicy: 'Default' }, raw).HostConfig).not.toHaveProperty('Dns');
  const ports = [{ containerPort: 80, hostPort: 8080, hostIP: '192.0.2.9' }, { containerPort: 81 }];
  expect(sandbox({ containers: [{ name: 'main', ports }] })).toMatchObject({
    ExposedPorts: { '80/tcp': {} },
    HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080', HostIp: '192.0.2.9' }] } },
  });
  const host = sandbox({ hostNetwork: true });
  expect(host.HostConfig.NetworkMode).toBe('host');
  expect(host).not.toHaveProperty('Hostname');
});

test('what is refused, each field with its path', () => {
  const main: Container = {
    name: 'main',
    ports: [{ containerPort: 80, hostPort: 80 }],
    volumeMounts: [{ name: 'e', mountPath: '/e', subPath: 'x' }],
    resources: { limits: { 'nvidia.com/gpu': '1' } },
    securityContext: { privileged: true, capabilities: { add: ['SYS_ADMIN'] }, seccompProfile: { type: 'Localhost' } },
  };
  const spec: NonNullable<Pod['spec']> = {
    hostNetwork: true,
    hostPID: true,
    hostIPC: true,
    containers: [main],
    volumes: [
      { name: 'e', emptyDir: { sizeLimit: '1Gi' } },
      { name: 'h', hostPath: { path: '/data', type: 'Socket' } },
    ],
    securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }], seccompProfile: { type: 'Unconfined' } },
  };
  const paths = (raw: object): string[] => unsupportedFields({ spec }, options(raw)).map(({ path }) => path);
  const always = [
    'spec.hostIPC',
    'spec.securityContext.sysctls[0]',
    'spec.volumes[0].emptyDir.sizeLimit',
    'spec.volumes[1].hostPath.type',
    'spec.containers[0].volumeMounts[0].subPath',
    "spec.containers[0].resources.limits['nvidia.com/gpu']",
    'spec.containers[0].securityContext.seccompProfile',
  ];
  const unlessAllowed = [
    'spec.securityContext.seccompProfile',
    'spec.containers[0].securityContext.capabilities.add[0]',
  ];
  expect(paths({}).sort()).toEqual([...always, ...unlessAllowed].sort());
  expect(paths({ allow: { capabilities: ['SYS_ADMIN'], unconfined: true } }).sort()).toEqual([...always].sort());
});

test('images: names, registries, and the secrets that fit, the closest first', () => {
  expect(split('a/b:1')).toEqual({ name: 'a/b', tag: '1' });
  expect(split('host:5000/a')).toEqual({ name: 'host:5000/a', tag: 'latest' });
  expect(split('a:1@sha256:00')).toEqual({ name: 'a', tag: 'sha256:00' });
  expect([registryOf('busybox'), registryOf('a/b'), registryOf('r.example/b')]).toEqual([
    'docker.io',
    'docker.io',
    'r.example',
  ]);
  const secret = (registry: string) => ({ registry, username: registry, password: '' });
  const all = [
    'r.example',
    '*.example',
    'https://r.example/team',
    'https://index.docker.io/v1/',
    'other.example/team',
  ].map(secret);
  const names = (image: string): string[] => secretsFor(image, all).map(({ username }) => username);
  expect(names('r.example/team/app:1')).toEqual(['https://r.example/team', 'r.example', '*.example']);
  expect(names('x.example/app')).toEqual(['*.example']);
  expect(names('busybox')).toEqual(['https://index.docker.io/v1/']);
});

test('files: long paths survive the archive, and the same content has the same name', () => {
  const path = `${'d'.repeat(90)}/${'f'.repeat(90)}`;
  const files = [{ path, content: Buffer.from('x'), mode: 0o400 }];
  expect(fileIn(tar([{ path, content: Buffer.from('hello'), mode: 0o644 }]), 3)?.toString()).toBe('hel');
  expect(stampOf({ files })).toBe(stampOf({ files: [...files] }));
  expect(stampOf({ files })).not.toBe(stampOf({ files: [{ path, content: Buffer.from('y'), mode: 0o400 }] }));
  const entries = podFiles({
    ...resolved({ volumes: [{ name: 'v', secret: {} }], securityContext: { fsGroup: 7 } }),
    volumes: { v: { files } },
  });
  const entry = entries.find((one) => one.path.endsWith(`/${path}`));
  expect([entry?.mode, entry?.gid]).toEqual([0o440, 7]);
});

test('frames that come in pieces', () => {
  const frame = (type: number, text: string): Buffer => {
    const head = Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const bytes = Buffer.concat([frame(1, 'out'), frame(2, ''), frame(2, 'err')]);
  const frames = createFrames(false);
  let seen = '';
  for (const byte of bytes)
    for (const { stream, bytes: part } of frames.push(Buffer.from([byte]))) seen += `${stream} ${part.toString()} `;
  expect(seen).toBe('stdout o stdout u stdout t stderr e stderr r stderr r ');
});
