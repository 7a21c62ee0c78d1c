/** A right configuration, and what the program works with. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckProvider, type ConfigOverrides, loadConfig } from '../../../src/config/load.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const anyProvider: CheckProvider = async () => ({ ok: true });

async function load(text: string, env: Record<string, string> = {}, overrides: ConfigOverrides = {}) {
  await writeFile(join(folder, 'z.yaml'), text);
  return loadConfig({
    file: 'z.yaml',
    cwd: folder,
    env,
    hostname: 'Host-1.Example',
    overrides,
    checkProvider: anyProvider,
  });
}

const LEAST = `apiVersion: zonelet.dev/v1alpha1
kind: Zonelet
set: demo
zones: [{ name: zone-a, provider: { kind: web, url: "http://127.0.0.1:7101" } }]
`;

const FULL = `apiVersion: zonelet.dev/v1alpha1
kind: Zonelet
set: demo                        # names the set
namespace: default
kubeconfig: ./admin.kubeconfig
replica:
  name: \${POD_NAME:-replica-0}
  uid: \${POD_UID:-}
  container: \${CONTAINER_NAME:-}
  homeZone: zone-a
zones:
  - name: zone-a
    region: local
    nodeName: demo-zone-a
    provider: { kind: web, url: "http://127.0.0.1:7101" }
    capacity: { cpu: "64", memory: 256Gi, pods: "5000" }
    labels: {}
    taints: [{ key: virtual-kubelet.io/provider, value: web, effect: NoSchedule }]
election: { by: lease, leaseDuration: 6s, renewDeadline: 4s, retryPeriod: 1s, onPeerDeath: auto, handBack: auto, handBackAfter: 60s }
fence: { admissionPolicy: off }
onZoneDown: { policy: hold, after: 60s }
state: { by: kubernetes }
kubelet: { address: 127.0.0.1, port: 10250, certificate: { by: self-signed } }
peers: { address: 127.0.0.1, port: 0 }
http: { port: 9090 }
log: { level: info, format: json }
`;

describe('a configuration', () => {
  it('with every key', async () => {
    expect(await load(FULL)).toEqual({
      file: join(folder, 'z.yaml'),
      set: 'demo',
      namespace: 'default',
      kubeconfig: join(folder, 'admin.kubeconfig'),
      replica: { name: 'replica-0', homeZone: 'zone-a' },
      zones: [
        {
          name: 'zone-a',
          region: 'local',
          nodeName: 'demo-zone-a',
          provider: { kind: 'web', url: 'http://127.0.0.1:7101' },
          capacity: { cpu: '64', memory: '256Gi', pods: '5000' },
          allow: {
            hostNetwork: false,
            hostPID: false,
            hostIPC: false,
            hostPorts: false,
            privileged: false,
            hostPaths: [],
          },
          labels: {},
          taints: [{ key: 'virtual-kubelet.io/provider', value: 'web', effect: 'NoSchedule' }],
        },
      ],
      election: {
        by: 'lease',
        leaseDurationMs: 6000,
        renewDeadlineMs: 4000,
        retryPeriodMs: 1000,
        onPeerDeath: 'auto',
        handBack: { mode: 'auto', afterMs: 60_000 },
      },
      fence: { admissionPolicy: 'off' },
      onZoneDown: { policy: 'hold', afterMs: 60_000 },
      state: { by: 'kubernetes' },
      kubelet: { address: '127.0.0.1', port: 10250, certificate: { by: 'self-signed' } },
      peers: { address: '127.0.0.1', port: 0 },
      http: { port: 9090 },
      log: { level: 'info', format: 'json' },
    });
  });

  it('with the least: the rest are the defaults that the example writes out', async () => {
    const { namespace: _namespace, kubeconfig: _kubeconfig, ...full } = await load(FULL);
    const [zone] = full.zones;
    const { capacity: _capacity, ...zoneRest } = zone!;
    expect(await load(LEAST)).toEqual({ ...full, zones: [zoneRest], replica: { name: 'host-1.example' } });
  });

  it('reads paths relative to its own folder', async () => {
    const text = LEAST.replace('url:', 'tls: { caFile: pki/ca.pem, keyFile: /abs/key.pem }, dataDir: data, url:');
    const config = await load(`${text}kubeconfig: ~/admin.conf\n`, { HOME: '/home/op' });
    expect(config.kubeconfig).toBe('/home/op/admin.conf');
    expect(config.zones[0]?.provider).toMatchObject({
      tls: { caFile: join(folder, 'pki/ca.pem'), keyFile: '/abs/key.pem' },
      dataDir: join(folder, 'data'),
      url: 'http://127.0.0.1:7101',
    });
  });

  it('takes numbers for quantities, and keeps how they were written', async () => {
    const config = await load(LEAST.replace('name:', 'capacity: { cpu: 64, example.com/gpu: 0.5 }, name:'));
    expect(config.zones[0]?.capacity).toEqual({ cpu: '64', 'example.com/gpu': '0.5' });
  });

  it('may use anchors, aliases and merge keys', async () => {
    const config = await load(`apiVersion: zonelet.dev/v1alpha1
kind: Zonelet
set: demo
zones:
  - &zone
    name: a
    region: eu
    provider: { kind: simulated }
  - <<: *zone
    name: b
`);
    expect(config.zones.map(({ name, region }) => `${region}/${name}`)).toEqual(['eu/a', 'eu/b']);
  });

  it('reads durations of several units', async () => {
    const { election } = await load(
      `${LEAST}election: { leaseDuration: 1m30s, renewDeadline: 1m, retryPeriod: 1500ms }\n`,
    );
    expect(election).toMatchObject({ leaseDurationMs: 90_000, renewDeadlineMs: 60_000, retryPeriodMs: 1500 });
  });

  it('finds the files of a serving certificate beside itself', async () => {
    const { kubelet } = await load(
      `${LEAST}kubelet: { certificate: { by: files, certFile: tls/tls.crt, keyFile: /etc/tls.key } }\n`,
    );
    expect(kubelet.certificate).toEqual({
      by: 'files',
      certFile: join(folder, 'tls/tls.crt'),
      keyFile: '/etc/tls.key',
    });
  });

  it('has the peers where the kubelet API is, unless they are elsewhere', async () => {
    const peersOf = async (text: string): Promise<string> => {
      const { peers } = await load(`${LEAST}kubelet: { address: 10.0.0.7 }\n${text}`);
      return `${peers.address} ${peers.port}`;
    };
    expect(await peersOf('')).toBe('10.0.0.7 0');
    expect(await peersOf('peers: { address: 10.9.0.7, port: 7250 }\n')).toBe('10.9.0.7 7250');
  });

  it('has shorter times for an election by Redis, of which each can be set', async () => {
    const redis = 'redis: { servers: ["redis://r:6379"] }\n';
    const byRedis = await load(`${LEAST}election: { by: redis }\n${redis}`);
    expect(byRedis.election).toMatchObject({
      by: 'redis',
      leaseDurationMs: 4_000,
      renewDeadlineMs: 2_500,
      retryPeriodMs: 800,
    });
    const longer = await load(`${LEAST}election: { by: redis, leaseDuration: 7500ms }\n${redis}`);
    expect(longer.election).toMatchObject({ leaseDurationMs: 7_500, renewDeadlineMs: 2_500, retryPeriodMs: 800 });
  });

  it('is overruled by the command line', async () => {
    const config = await load(FULL, {}, { replica: 'replica-7', homeZone: 'zone-a', kubeletPort: 0, httpPort: 0 });
    expect(config).toMatchObject({
      replica: { name: 'replica-7', homeZone: 'zone-a' },
      kubelet: { address: '127.0.0.1', port: 0, certificate: { by: 'self-signed' } },
      http: { port: 0 },
    });
  });
});

describe('references to the environment', () => {
  const read = async (port: string, env: Record<string, string> = {}) =>
    (await load(`${LEAST}http: { port: ${port} }\n`, env)).http.port;
  const region = async (text: string, env: Record<string, string> = {}) =>
    (await load(LEAST.replace('name:', `region: ${text}, name:`), env)).zones[0]?.region;

  it('are read as YAML once replaced', async () => {
    expect(await read('${PORT:-9091}')).toBe(9091);
    expect(await read('${PORT:-9091}', { PORT: '8080' })).toBe(8080);
    expect(await read('${PORT:-9091}', { PORT: '' })).toBe(9091);
    expect(await read('${A}${B}', { A: '80', B: '80' })).toBe(8080);
    expect(await read('${A:-${B:-9092}}')).toBe(9092);
  });

  it('stay text in quotes', async () => {
    expect(await region('"${R}"', { R: '1' })).toBe('1');
    await expect(region('${R}', { R: '1' })).rejects.toThrow('found 1 (a number)');
    await expect(read('"${PORT:-9091}"')).rejects.toThrow('found "9091"');
    expect(await region("'eu-${R}'", { R: 'west' })).toBe('eu-west');
  });

  it('may stand in the middle of a text', async () => {
    expect(await region('eu-${R:-west}-${N}', { N: '1' })).toBe('eu-west-1');
  });

  it('cannot break out of their scalar', async () => {
    await expect(region('eu-${R}', { R: 'x, nodeName: evil' })).rejects.toThrow('found "eu-x, nodeName: evil"');
    await expect(region('"${R}"', { R: '", a: "' })).rejects.toThrow('zones[0].region: found');
  });

  it('may give a whole list or map', async () => {
    const text = LEAST.replace('name:', 'labels: ${LABELS:-{}}, taints: ${TAINTS:-[]}, name:');
    expect((await load(text)).zones[0]).toMatchObject({ labels: {}, taints: [] });
    expect((await load(text, { LABELS: '{tier: edge}' })).zones[0]?.labels).toEqual({ tier: 'edge' });
  });

  it('leave out what they leave empty', async () => {
    const { replica } = await load(`${LEAST}replica: { name: r, uid: \${POD_UID:-} }\n`);
    expect(replica).toEqual({ name: 'r' });
    expect((await load(`${LEAST}replica: { name: r, uid: \${POD_UID:-} }\n`, { POD_UID: 'ab-1' })).replica.uid).toBe(
      'ab-1',
    );
  });

  it('are written plainly with two dollar signs', async () => {
    const config = await load(LEAST.replace('url:', () => 'greeting: "$${NAME}", url:'));
    expect(config.zones[0]?.provider).toMatchObject({ greeting: '${NAME}' });
  });

  it('in comments are left alone', async () => {
    expect((await load(`${LEAST}# \${NOT_SET}\n`)).set).toBe('demo');
  });
});

describe('Redis', () => {
  it('with addresses taken apart, paths made absolute, and the password from the environment', async () => {
    const text = `${LEAST}redis:
  servers: ["redis://a", "rediss://b.example:7000", "redis://[::1]:6380"]
  keyPrefix: mine
  username: zonelet
  password: \${REDIS_PASSWORD}
  tls: { caFile: ca.pem }
`;
    expect((await load(text, { REDIS_PASSWORD: 'geheim' })).redis).toEqual({
      servers: [
        { name: 'redis://a:6379', host: 'a', port: 6379, tls: false },
        { name: 'rediss://b.example:7000', host: 'b.example', port: 7000, tls: true },
        { name: 'redis://[::1]:6380', host: '::1', port: 6380, tls: false },
      ],
      keyPrefix: 'mine',
      credentials: { username: 'zonelet', password: 'geheim' },
      tls: { caFile: join(folder, 'ca.pem') },
    });
    const byFile = `${LEAST}redis: { servers: ["redis://a"], passwordFile: secrets/redis }\n`;
    expect((await load(byFile)).redis).toMatchObject({
      keyPrefix: 'zonelet',
      credentials: { passwordFile: join(folder, 'secrets/redis') },
    });
  });

  it('keeps the pod state in its first server, or in another', async () => {
    const first = `${LEAST}redis: { servers: ["redis://a", "redis://b"] }\nstate: { by: redis }\n`;
    expect((await load(first)).state).toMatchObject({ by: 'redis', server: { name: 'redis://a:6379' } });
    const other = first.replace('by: redis }', 'by: redis, redis: "redis://c:7" }');
    expect((await load(other)).state).toMatchObject({ by: 'redis', server: { name: 'redis://c:7' } });
  });

  it('is absent where nobody asks for it', async () => {
    expect((await load(LEAST)).redis).toBe(undefined);
  });
});
