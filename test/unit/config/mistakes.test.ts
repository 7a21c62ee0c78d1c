/** A configuration with mistakes, and what its author reads. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConfigOverrides, loadConfig } from '../../../src/config/load.ts';
import { ConfigError, formatProblem } from '../../../src/config/problem.ts';
import { loadProvider } from '../../../src/provider/loading.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function mistakes(
  text: string,
  env: Record<string, string> = {},
  overrides: ConfigOverrides = {},
): Promise<string[]> {
  await writeFile(join(folder, 'z.yaml'), text);
  try {
    const checkProvider = loadProvider;
    await loadConfig({ file: 'z.yaml', cwd: folder, env, hostname: 'host-1', overrides, checkProvider });
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems.map(formatProblem);
  }
}

/** A right file with `extra` under it; the extra lines begin at line 5. */
const withMore = (extra: string): string =>
  `apiVersion: zonelet.dev/v1alpha1
kind: Zonelet
set: demo
zones: [{ name: zone-a, provider: { kind: simulated } }]
${extra}`;

/** A right file whose only zone has `extra` in it, from line 7 on, four spaces in. */
const zoneWith = (extra: string): string =>
  `apiVersion: zonelet.dev/v1alpha1
kind: Zonelet
set: demo
zones:
  - name: zone-a
    provider: { kind: simulated }
${extra.replace(/^/gm, '    ')}`;

const QUANTITY =
  'a Kubernetes quantity: a number and perhaps one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent, not negative';
const PORT = 'a port: a whole number from 0 to 65535';
const LABEL =
  'a DNS label: lower-case letters, digits and "-", first and last a letter or digit, at most 63 characters';
const KNOWN =
  'apiVersion, kind, set, namespace, kubeconfig, replica, zones, election, redis, state, fence, onZoneDown, kubelet, peers, http, log';
const DURATION = 'a duration with its units: 6s, 500ms, 1m30s (h, m, s and ms are known)';
const QUALIFIED =
  'a name of letters, digits, "-", "_" and ".", at most 63 characters, perhaps after a DNS name and "/" (example.com/name)';

interface Case {
  readonly what: string;
  readonly text: string;
  readonly says: readonly string[];
  readonly env?: Record<string, string>;
}

function check(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    it.each(cases)('$what', async ({ text, says, env }) => {
      expect(await mistakes(text, env)).toEqual(says);
    });
  });
}

check('a right file', [
  { what: 'has nothing to say', text: withMore(''), says: [] },
  {
    what: 'may use anchors and merges',
    text: withMore('log: &l { level: warn }\nx: 1').replace('\nx: 1', ''),
    says: [],
  },
]);

check('files that are no configuration', [
  {
    what: 'empty',
    text: '',
    says: ['z.yaml:1:1: the file is empty, allowed: a map with apiVersion: zonelet.dev/v1alpha1 and kind: Zonelet'],
  },
  {
    what: 'only a comment',
    text: '# later\n',
    says: ['z.yaml:1:1: the file is empty, allowed: a map with apiVersion: zonelet.dev/v1alpha1 and kind: Zonelet'],
  },
  {
    what: 'a list',
    text: '- a\n',
    says: ['z.yaml:1:1: found a list, allowed: a map with apiVersion: zonelet.dev/v1alpha1 and kind: Zonelet'],
  },
  {
    what: 'a file of another kind: nothing else is said of it',
    text: 'apiVersion: v1\nkind: Pod\nspec: {}\n',
    says: [
      'z.yaml:1:13: apiVersion: found "v1", allowed: "zonelet.dev/v1alpha1"',
      'z.yaml:2:7: kind: found "Pod", allowed: "Zonelet"',
    ],
  },
  {
    what: 'another version of the format',
    text: withMore('').replace('v1alpha1', 'v1alpha2'),
    says: [
      'z.yaml:1:13: apiVersion: found "zonelet.dev/v1alpha2", allowed: "zonelet.dev/v1alpha1"; did you mean "zonelet.dev/v1alpha1"?',
    ],
  },
  {
    what: 'neither apiVersion nor kind',
    text: 'set: demo\n',
    says: [
      'z.yaml:1:1: apiVersion: missing; allowed: "zonelet.dev/v1alpha1"',
      'z.yaml:1:1: kind: missing; allowed: "Zonelet"',
    ],
  },
]);

check('files that are no YAML', [
  {
    what: 'a bracket that is not closed',
    text: withMore('log: { level: info'),
    says: [expect.stringMatching(/^z\.yaml:5:19: not readable as YAML: .*end with a }$/)],
  },
  {
    what: 'a tab for indentation',
    text: withMore('log:\n\tlevel: info'),
    says: expect.arrayContaining([expect.stringMatching(/^z\.yaml:6:1: not readable as YAML: Tabs are not allowed/)]),
  },
  {
    what: 'an alias that leads nowhere',
    text: withMore('log: *none'),
    says: [expect.stringMatching(/^z\.yaml:\d+:\d+: not readable as YAML: Unresolved alias/)],
  },
  {
    what: 'two documents',
    text: `${withMore('')}---\na: 1\n`,
    says: [expect.stringMatching(/^z\.yaml:5:1: not readable as YAML: Source contains multiple documents/)],
  },
  {
    what: 'a key that stands twice, beside other mistakes',
    text: withMore('log: { level: info }\nlog: { level: warn }\nhttp: { prt: 1 }'),
    says: [
      'z.yaml:6:1: this key stands here for the second time; one of the two would be ignored',
      'z.yaml:7:9: http.prt: unknown key "prt"; did you mean "port"? (known here: port)',
    ],
  },
]);

check('keys', [
  {
    what: 'several wrong ones at once, in the order of the file',
    text: withMore('replica: { nmae: x, homezone: zone-a }\nelecton: {}\nquite-another: 1'),
    says: [
      'z.yaml:5:12: replica.nmae: unknown key "nmae"; did you mean "name"? (known here: name, uid, container, homeZone)',
      'z.yaml:5:21: replica.homezone: unknown key "homezone"; did you mean "homeZone"? (known here: name, uid, container, homeZone)',
      `z.yaml:6:1: electon: unknown key "electon"; did you mean "election"? (known here: ${KNOWN})`,
      `z.yaml:7:1: quite-another: unknown key "quite-another" (known here: ${KNOWN})`,
    ],
  },
  {
    what: 'what pods may have of the host, by guess',
    text: zoneWith('allow: { hostNetwork: please, hostPaths: ["/var/../etc", log] }'),
    says: [
      'z.yaml:7:27: zones[0].allow.hostNetwork: found "please", allowed: true or false',
      'z.yaml:7:47: zones[0].allow.hostPaths[0]: found "/var/../etc", allowed: an absolute path without ".."',
      'z.yaml:7:62: zones[0].allow.hostPaths[1]: found "log", allowed: an absolute path without ".."',
    ],
  },
  {
    what: 'a key in a zone',
    text: zoneWith('node_name: x'),
    says: [
      'z.yaml:7:5: zones[0].node_name: unknown key "node_name"; did you mean "nodeName"? (known here: name, region, nodeName, provider, capacity, allow, labels, taints)',
    ],
  },
  {
    what: 'one without a value is as good as left out',
    text: withMore('namespace:\nlog:\nreplica: { uid: }'),
    says: [],
  },
  {
    what: 'what is missing is pointed at by the map that lacks it',
    text: 'apiVersion: zonelet.dev/v1alpha1\nkind: Zonelet\nzones:\n  - region: local\n',
    says: [
      `z.yaml:1:1: set: missing; allowed: ${LABEL}`,
      `z.yaml:4:5: zones[0].name: missing; allowed: ${LABEL}`,
      'z.yaml:4:5: zones[0].provider: missing; allowed: a map with kind and the options of that kind',
    ],
  },
  {
    what: 'no zone at all',
    text: 'apiVersion: zonelet.dev/v1alpha1\nkind: Zonelet\nset: a\nzones: []\n',
    says: ['z.yaml:4:8: zones: found a list, allowed: a list of at least one zone'],
  },
]);

check('single values', [
  {
    what: 'names',
    text: withMore('namespace: Default\nreplica: { name: a_b, homeZone: -a }').replace('set: demo', 'set: my.set'),
    says: [
      `z.yaml:3:6: set: found "my.set", allowed: ${LABEL}`,
      `z.yaml:5:12: namespace: found "Default", allowed: ${LABEL}`,
      'z.yaml:6:18: replica.name: found "a_b", allowed: a DNS name: labels of lower-case letters, digits and "-" separated by ".", at most 253 characters',
      `z.yaml:6:33: replica.homeZone: found "-a", allowed: ${LABEL}`,
      'z.yaml:6:33: replica.homeZone: found "-a", allowed: one of the zones: zone-a',
    ],
  },
  {
    what: 'a name of 64 characters',
    text: withMore('').replace('demo', 'x'.repeat(64)),
    says: [
      `z.yaml:3:6: set: found "${'x'.repeat(64)}", allowed: ${LABEL}`,
      `z.yaml:4:17: zones[0].name: the node name "${'x'.repeat(64)}-zone-a" made of it has more than 63 characters; set nodeName, or shorten set or name`,
    ],
  },
  {
    what: 'a number where text is wanted',
    text: withMore('').replace('set: demo', 'set: 12'),
    says: [`z.yaml:3:6: set: found 12 (a number), allowed: ${LABEL}; in quotes it is text`],
  },
  {
    what: 'durations',
    text: withMore('election: { leaseDuration: 6, renewDeadline: 4sec, retryPeriod: "" }'),
    says: [
      `z.yaml:5:28: election.leaseDuration: found 6 (a number), allowed: ${DURATION}; in quotes it is text`,
      `z.yaml:5:46: election.renewDeadline: found "4sec", allowed: ${DURATION}`,
      `z.yaml:5:65: election.retryPeriod: found "", allowed: ${DURATION}`,
    ],
  },
  {
    what: 'ports',
    text: withMore('kubelet: { port: 70000 }\nhttp: { port: "9090" }'),
    says: [
      `z.yaml:5:18: kubelet.port: found 70000 (a number), allowed: ${PORT}`,
      `z.yaml:6:15: http.port: found "9090", allowed: ${PORT}; without quotes it is a number`,
    ],
  },
  {
    what: 'a port that is no whole number, an address that is none',
    text: withMore('kubelet: { port: 1.5, address: node-1 }'),
    says: [
      `z.yaml:5:18: kubelet.port: found 1.5 (a number), allowed: ${PORT}`,
      'z.yaml:5:32: kubelet.address: found "node-1", allowed: an IP address',
    ],
  },
  {
    what: 'one of a few words',
    text: withMore('log: { level: wran, format: xml }\nelection: { by: etcd }'),
    says: [
      'z.yaml:5:15: log.level: found "wran", allowed: one of debug, info, warn, error; did you mean "warn"?',
      'z.yaml:5:29: log.format: found "xml", allowed: one of json, text',
      'z.yaml:6:17: election.by: found "etcd", allowed: one of lease, redis',
    ],
  },
  {
    what: 'quantities',
    text: zoneWith('capacity: { cpu: 4 cores, memory: 256GB, pods: -1, "bad key": 1 }'),
    says: [
      `z.yaml:7:22: zones[0].capacity.cpu: found "4 cores", allowed: ${QUANTITY}`,
      `z.yaml:7:39: zones[0].capacity.memory: found "256GB", allowed: ${QUANTITY}`,
      `z.yaml:7:52: zones[0].capacity.pods: found -1 (a number), allowed: ${QUANTITY}`,
      `z.yaml:7:56: zones[0].capacity["bad key"]: found the key "bad key", allowed: ${QUALIFIED}`,
    ],
  },
  {
    what: 'labels and taints',
    text: zoneWith(
      'labels: { a: b c, tier: 1 }\ntaints: [{ key: a, effect: NoExec }, { value: x, effect: NoSchedule }, nope]',
    ),
    says: [
      'z.yaml:7:18: zones[0].labels.a: found "b c", allowed: a label value: empty, or letters, digits, "-", "_" and ".", first and last a letter or digit, at most 63 characters',
      'z.yaml:7:29: zones[0].labels.tier: found 1 (a number), allowed: a label value: empty, or letters, digits, "-", "_" and ".", first and last a letter or digit, at most 63 characters; in quotes it is text',
      'z.yaml:8:32: zones[0].taints[0].effect: found "NoExec", allowed: one of NoSchedule, PreferNoSchedule, NoExecute; did you mean "NoExecute"?',
      `z.yaml:8:42: zones[0].taints[1].key: missing; allowed: ${QUALIFIED}`,
      'z.yaml:8:76: zones[0].taints[2]: found "nope", allowed: a taint: a map of key, value and effect',
    ],
  },
]);

check('values that do not fit together', [
  {
    what: 'a lease that is not whole seconds',
    text: withMore('election: { leaseDuration: 6500ms }'),
    says: [
      'z.yaml:5:28: election.leaseDuration: found "6s500ms", allowed: whole seconds, at least 1s, because the Lease object has no finer field',
    ],
  },
  {
    what: 'a leader that would still renew when its right to act is over',
    text: withMore('election: { leaseDuration: 15s, renewDeadline: 14s, retryPeriod: 2s }'),
    says: [
      'z.yaml:5:48: election.renewDeadline: found "14s", allowed: at most 13s500ms, that is leaseDuration 15s minus the safety margin of 1s500ms (0.5s or 10 %, the greater), because a leader must stop before another may begin',
    ],
  },
  {
    what: 'a short lease with the defaults of the others',
    text: withMore('election: { leaseDuration: 4s }'),
    says: [
      'z.yaml:5:1: election.renewDeadline: is 4s by default, allowed: at most 3s500ms, that is leaseDuration 4s minus the safety margin of 500ms (0.5s or 10 %, the greater), because a leader must stop before another may begin',
    ],
  },
  {
    what: 'retries that leave no time for a second one',
    text: withMore('election: { leaseDuration: 6s, renewDeadline: 3s, retryPeriod: 2.5s }'),
    says: [
      'z.yaml:5:47: election.renewDeadline: found "3s", allowed: more than 3s, that is 1.2 times retryPeriod 2s500ms, because one failed renewal must leave time for another',
    ],
  },
  {
    what: 'a hand-back that is misspelt, or sooner than anybody knows who lives',
    text: withMore('election: { handBack: atuo, handBackAfter: 5s }'),
    says: [
      'z.yaml:5:23: election.handBack: found "atuo", allowed: one of auto, manual, never; did you mean "auto"?',
      'z.yaml:5:44: election.handBackAfter: found "5s", allowed: at least leaseDuration 6s, because nobody knows sooner whether a replica lives',
    ],
  },
  {
    what: 'a policy for zones that are down that there is not, and a time without a unit',
    text: withMore('onZoneDown: { policy: evicted, after: 60 }'),
    says: [
      'z.yaml:5:23: onZoneDown.policy: found "evicted", allowed: one of hold, evict; did you mean "evict"?',
      `z.yaml:5:39: onZoneDown.after: found 60 (a number), allowed: ${DURATION}; in quotes it is text`,
    ],
  },
  {
    what: 'an election by Redis with the times of one by Lease',
    text: withMore('election: { by: redis, renewDeadline: 4s }\nredis: { servers: ["redis://r:6379"] }'),
    says: [
      'z.yaml:5:39: election.renewDeadline: found "4s", allowed: at most 3s500ms, that is leaseDuration 4s minus the safety margin of 500ms (0.5s or 10 %, the greater), because a leader must stop before another may begin',
    ],
  },
  {
    what: 'locks on Redis that are shorter than their own safety margin allows, or ask too often',
    text: withMore(
      'election: { by: redis, leaseDuration: 900ms, renewDeadline: 400ms, retryPeriod: 50ms }\nredis: { servers: ["redis://r:6379"] }',
    ),
    says: [
      'z.yaml:5:39: election.leaseDuration: found "900ms", allowed: at least 1s, because half a second of it is the safety margin',
      'z.yaml:5:81: election.retryPeriod: found "50ms", allowed: at least 100ms, because every try of every zone is a write to every Redis server',
    ],
  },
  {
    what: 'an election by Redis without a Redis',
    text: withMore('election: { by: redis }'),
    says: ['z.yaml:1:1: redis: missing; allowed: a map with servers, because election.by is redis'],
  },
  {
    what: 'an election by Redis with two servers',
    text: withMore('election: { by: redis }\nredis: { servers: ["redis://r1:6379", "redis://r2:6379"] }'),
    says: [
      'z.yaml:6:19: redis.servers: found 2 servers, allowed: 1, 3 or 5 where election.by is redis; two need both for a majority, so that losing either stops every election: less than one server bears',
    ],
  },
  {
    what: 'pods that are to be moved where there is nowhere to go',
    text: withMore('onZoneDown: { policy: evict }'),
    says: [
      'z.yaml:5:23: onZoneDown.policy: found "evict", allowed: hold, because the set has one zone: there is none for its pods to go to',
    ],
  },
  {
    what: 'retries that would flood the API server',
    text: withMore('election: { retryPeriod: 10ms }'),
    says: [
      'z.yaml:5:26: election.retryPeriod: found "10ms", allowed: at least 100ms, because every try of every zone is a write to the API server',
    ],
  },
  {
    what: 'two zones of one name',
    text: zoneWith('').concat('\n  - { name: zone-a, provider: { kind: simulated } }\n'),
    says: [
      'z.yaml:8:13: zones[1].name: found "zone-a", allowed: a name of its own for every zone; zones[0] has this one already',
    ],
  },
  {
    what: 'two zones of one node name, written or by default',
    text: zoneWith('').concat('\n  - { name: zone-b, nodeName: demo-zone-a, provider: { kind: simulated } }\n'),
    says: [
      'z.yaml:8:31: zones[1].nodeName: found "demo-zone-a", allowed: a node name of its own for every zone; zones[0] has this one already',
    ],
  },
  {
    what: 'a zone whose Lease would be that of a replica',
    text: withMore('').replace('zone-a', 'replica-1'),
    says: [
      'z.yaml:4:17: zones[0].name: found "replica-1", allowed: a name that does not begin with "replica-", which the Leases of the replicas do',
    ],
  },
  {
    what: 'a home zone that is none',
    text: withMore('replica: { homeZone: zone-q }'),
    says: ['z.yaml:5:22: replica.homeZone: found "zone-q", allowed: one of the zones: zone-a; did you mean "zone-a"?'],
  },
  {
    what: 'the metrics on a port of the kubelet API',
    text: zoneWith('').concat('\n  - { name: b, provider: { kind: simulated } }\nkubelet: { port: 9089 }\n'),
    says: [
      'z.yaml:9:18: kubelet.port: found 9089 (a number), allowed: ports that are free; kubelet takes ports 9089 to 9090, one for each zone, and http.port is 9090 by default',
    ],
  },
  {
    what: 'the same, with both written',
    text: withMore('http: { port: 10250 }'),
    says: [
      'z.yaml:5:15: http.port: found 10250 (a number), allowed: a port that is free; kubelet takes port 10250, one for each zone',
    ],
  },
  {
    what: 'the peers on the port of the metrics',
    text: withMore('http: { port: 7250 }\npeers: { port: 7250 }'),
    says: ['z.yaml:6:16: peers.port: found 7250 (a number), allowed: a port that is free, or 0; http.port is 7250'],
  },
  {
    what: 'the peers on a port of the kubelet API',
    text: zoneWith('').concat('\n  - { name: b, provider: { kind: simulated } }\npeers: { port: 10251 }\n'),
    says: [
      'z.yaml:9:16: peers.port: found 10251 (a number), allowed: a port that is free, or 0; kubelet takes ports 10250 to 10251, one for each zone',
    ],
  },
  {
    what: 'more zones than ports',
    text: zoneWith('').concat('\n  - { name: b, provider: { kind: simulated } }\nkubelet: { port: 65535 }\n'),
    says: [
      'z.yaml:9:18: kubelet.port: found 65535 (a number), allowed: at most 65534, because 2 zones take one port each',
    ],
  },
  {
    what: 'a label that Zonelet sets',
    text: zoneWith('labels: { topology.kubernetes.io/zone: x, zonelet.dev/set: y }'),
    says: [
      'z.yaml:7:15: zones[0].labels["topology.kubernetes.io/zone"]: Zonelet sets this label itself: it says the zone\'s name',
      'z.yaml:7:47: zones[0].labels["zonelet.dev/set"]: Zonelet sets this label itself: it is its own',
    ],
  },
  {
    what: 'a taint twice',
    text: zoneWith('taints: [{ key: a, effect: NoSchedule }, { key: a, value: x, effect: NoSchedule }]'),
    says: ['z.yaml:7:46: zones[0].taints[1]: a second taint with key "a" and effect NoSchedule; Kubernetes allows one'],
  },
]);

check('references', [
  {
    what: 'an unset variable, a broken one, one in a key',
    text: withMore('namespace: ${NOPE}\nreplica: { name: "${1x}" }\n${KEY}: 1'),
    says: [
      'z.yaml:5:12: namespace: the environment variable NOPE is not set; set it, or write ${NOPE:-default}',
      'z.yaml:6:18: replica.name: found ${1x}, allowed: ${NAME} and ${NAME:-default}; write $${1x} for the plain text',
      'z.yaml:7:1: ["${KEY}"]: found the key "${KEY}"; references are read in values only',
    ],
  },
  {
    what: 'a value that is wrong where it is put',
    text: withMore('http: { port: ${PORT:-9090} }'),
    env: { PORT: 'http' },
    says: [`z.yaml:5:15: http.port: found "http", allowed: ${PORT}`],
  },
]);

describe('provider options', () => {
  it('are checked by the module of the provider, and placed in the file', async () => {
    const checkProvider = async () =>
      ({ ok: false, problems: [{ path: ['tls', 'caFile'], message: 'no such file' }] }) as const;
    const text = zoneWith('').replace('{ kind: simulated }', '\n      kind: web\n      tls:\n        caFile: ca.pem');
    await writeFile(join(folder, 'p.yaml'), text);
    await expect(loadConfig({ file: 'p.yaml', cwd: folder, env: {}, hostname: 'h', checkProvider })).rejects.toThrow(
      'p.yaml:9:17: zones[0].provider.tls.caFile: no such file',
    );
  });

  it('of an unknown kind', async () => {
    const [problem, ...more] = await mistakes(withMore('').replace('kind: simulated', 'kind: simulate'));
    expect(more).toEqual([]);
    expect(problem).toMatch(
      /^z\.yaml:4:43: zones\[0\]\.provider\.kind: unknown provider kind "simulate", did you mean simulated\?/,
    );
  });
});

describe('what the command line says instead', () => {
  it('is named by its option', async () => {
    expect(await mistakes(withMore(''), {}, { homeZone: 'zone-b', replica: 'A', httpPort: 10250 })).toEqual([
      '--replica: replica.name: found "A", allowed: a DNS name: labels of lower-case letters, digits and "-" separated by ".", at most 253 characters',
      '--home-zone: replica.homeZone: found "zone-b", allowed: one of the zones: zone-a; did you mean "zone-a"?',
      '--http-port: http.port: found 10250 (a number), allowed: a port that is free; kubelet takes port 10250, one for each zone',
    ]);
  });
});

describe('a file that cannot be read', () => {
  const load = (file: string) => loadConfig({ file, cwd: folder, env: {}, hostname: 'h', checkProvider: loadProvider });

  it('says why', async () => {
    await expect(load('missing.yaml')).rejects.toThrow('missing.yaml: there is no such file');
    await expect(load('.')).rejects.toThrow('.: this is a directory, allowed: a YAML file');
  });
});

describe('a host whose name is no name for a replica', () => {
  it('is asked for one', async () => {
    await writeFile(join(folder, 'h.yaml'), withMore(''));
    const load = loadConfig({ file: 'h.yaml', cwd: folder, env: {}, hostname: 'my_host', checkProvider: loadProvider });
    await expect(load).rejects.toThrow('replica.name: missing; allowed: a DNS name');
  });
});

const URL_FORM = 'redis://HOST:PORT, or rediss://HOST:PORT for TLS';

check('Redis', [
  {
    what: 'servers that are none, twice, or have what belongs elsewhere',
    text: withMore(`redis:
  servers:
    - http://a
    - redis://user:geheim@b:6379
    - redis://c/3
    - redis-sentinel://d:26379
    - redis://e
    - redis://e:6379`),
    says: [
      `z.yaml:7:7: redis.servers[0]: found "http://a", allowed: ${URL_FORM}`,
      `z.yaml:8:7: redis.servers[1]: found "redis://***@b:6379", allowed: ${URL_FORM}, without user and password: they go to redis.username, redis.password or redis.passwordFile`,
      `z.yaml:9:7: redis.servers[2]: found "redis://c/3", allowed: ${URL_FORM}, without a database number: redis.keyPrefix keeps sets apart`,
      `z.yaml:10:7: redis.servers[3]: found "redis-sentinel://d:26379", allowed: ${URL_FORM}; Sentinel is not supported, because a failover to an asynchronous replica loses writes that were acknowledged`,
      'z.yaml:12:7: redis.servers[5]: the same server as servers[4]',
    ],
  },
  {
    what: 'two passwords, half a client certificate, a prefix with a brace',
    text: withMore(
      'redis: { servers: ["redis://a"], password: geheim, passwordFile: p, keyPrefix: "a{b}", tls: { certFile: c } }',
    ),
    says: [
      'z.yaml:5:66: redis.passwordFile: stands beside redis.password, allowed: one of the two',
      'z.yaml:5:80: redis.keyPrefix: found "a{b}", allowed: letters, digits, "-", "_", "." and ":", at most 64 characters',
      'z.yaml:5:93: redis.tls: has one of certFile and keyFile, allowed: both or none',
    ],
  },
  {
    what: 'a serving certificate from one file',
    text: withMore('kubelet: { certificate: { by: files, certFile: tls.crt } }'),
    says: ['z.yaml:5:25: kubelet.certificate: has by: files, which needs certFile and keyFile'],
  },
  {
    what: 'files for a serving certificate that is made',
    text: withMore('kubelet: { certificate: { keyFile: tls.key } }'),
    says: ['z.yaml:5:36: kubelet.certificate.keyFile: is used only with by: files'],
  },
  {
    what: 'pod state in a Redis that is not configured, or beside none',
    text: withMore('state: { by: redis }'),
    says: ['z.yaml:1:1: redis: missing; allowed: a map with servers, because state.by is redis'],
  },
  {
    what: 'a server for a state that is kept elsewhere',
    text: withMore('state: { redis: "redis://a" }'),
    says: ['z.yaml:5:17: state.redis: has a meaning only with state.by: redis'],
  },
  {
    what: 'a password that is no text is not shown',
    text: withMore('redis: { servers: ["redis://a"], password: 12345678 }'),
    says: ['z.yaml:5:44: redis.password: found a value that is not shown here, allowed: text; in quotes it is text'],
  },
]);
