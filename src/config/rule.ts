/**
 * What a schema cannot say of single values: how they fit together. Every rule looks only at values that are right by
 * themselves, so that its findings stand beside the schema's and never repeat them.
 */
import { isAbsolute } from 'node:path';
import { safetyMarginMs } from '../election/right-to-act.ts';
import { DEFAULT_TIMING, electsBy } from './election-timing.ts';
import { type Finding, valueAt, wrongValue } from './explain.ts';
import { checkRedis } from './redis-rule.ts';
import { DNS_LABEL, formatDuration, parseDuration } from './syntax.ts';

/** Labels that say what a virtual node is; Zonelet sets them from other keys, or Kubernetes reads them. */
const OWN_LABELS: Readonly<Record<string, string>> = {
  'topology.kubernetes.io/zone': 'name',
  'topology.kubernetes.io/region': 'region',
  'kubernetes.io/hostname': 'nodeName',
};

/** `raw`: the file with its defaults not filled in. */
export function checkRules(raw: unknown): Finding[] {
  return [
    ...checkElection(raw),
    ...checkZones(raw),
    ...checkHomeZone(raw),
    ...checkZoneDown(raw),
    ...checkPorts(raw),
    ...checkRedis(raw),
    ...checkCertificate(raw),
  ];
}

function checkCertificate(raw: unknown): Finding[] {
  const at = ['kubelet', 'certificate'];
  const isSet = (key: string): boolean => (valueAt(raw, [...at, key]) ?? undefined) !== undefined;
  const given = ['certFile', 'keyFile'].filter(isSet);
  if (valueAt(raw, [...at, 'by']) === 'files') {
    return given.length === 2 ? [] : [{ path: at, message: 'has by: files, which needs certFile and keyFile' }];
  }
  return given.map((key) => ({ path: [...at, key], message: 'is used only with by: files' }));
}

function checkElection(raw: unknown): Finding[] {
  const by = electsBy(raw);
  const durationAt = (key: string, otherwise: string | undefined): number | undefined => {
    const value = valueAt(raw, ['election', key]) ?? otherwise;
    return typeof value === 'string' ? parseDuration(value) : undefined;
  };
  const lease = durationAt('leaseDuration', DEFAULT_TIMING[by].leaseDuration);
  const renew = durationAt('renewDeadline', DEFAULT_TIMING[by].renewDeadline);
  const retry = durationAt('retryPeriod', DEFAULT_TIMING[by].retryPeriod);
  const handBackAfter = durationAt('handBackAfter', undefined);
  const findings: Finding[] = [];
  const find = (key: string, value: number, allowed: string): void => {
    const path = ['election', key];
    const isDefault = (valueAt(raw, path) ?? undefined) === undefined;
    const byDefault = `is ${formatDuration(value)} by default, allowed: ${allowed}`;
    findings.push({ path, message: isDefault ? byDefault : wrongValue(formatDuration(value), allowed) });
  };
  const leaseIsRight = lease !== undefined && lease >= 1000 && (by === 'redis' || lease % 1000 === 0);
  if (lease !== undefined && !leaseIsRight) {
    const reason =
      by === 'redis'
        ? 'at least 1s, because half a second of it is the safety margin'
        : 'whole seconds, at least 1s, because the Lease object has no finer field';
    find('leaseDuration', lease, reason);
  }
  if (retry !== undefined && retry < 100) {
    const what = by === 'redis' ? 'every Redis server' : 'the API server';
    find('retryPeriod', retry, `at least 100ms, because every try of every zone is a write to ${what}`);
  }
  if (handBackAfter !== undefined && lease !== undefined && leaseIsRight && handBackAfter < lease) {
    find(
      'handBackAfter',
      handBackAfter,
      `at least leaseDuration ${formatDuration(lease)}, because nobody knows sooner whether a replica lives`,
    );
  }
  if (renew === undefined) return findings;
  if (lease !== undefined && leaseIsRight && renew > lease - safetyMarginMs(lease)) {
    const margin = formatDuration(safetyMarginMs(lease));
    find(
      'renewDeadline',
      renew,
      `at most ${formatDuration(Math.max(0, lease - safetyMarginMs(lease)))}, that is leaseDuration ${formatDuration(lease)} minus the safety margin of ${margin} (0.5s or 10 %, the greater), because a leader must stop before another may begin`,
    );
  }
  if (retry !== undefined && renew <= retry * 1.2) {
    find(
      'renewDeadline',
      renew,
      `more than ${formatDuration(retry * 1.2)}, that is 1.2 times retryPeriod ${formatDuration(retry)}, because one failed renewal must leave time for another`,
    );
  }
  return findings;
}

function checkZones(raw: unknown): Finding[] {
  const findings: Finding[] = [];
  const set = valueAt(raw, ['set']);
  const names = new Map<string, number>();
  const nodes = new Map<string, number>();
  const unique = (
    seen: Map<string, number>,
    value: string,
    index: number,
    path: (string | number)[],
    what: string,
  ): void => {
    const first = seen.get(value);
    if (first === undefined) seen.set(value, index);
    else findings.push({ path, message: wrongValue(value, `${what}; zones[${first}] has this one already`) });
  };
  zonesOf(raw).forEach((zone, index) => {
    const name = valueAt(zone, ['name']);
    const written = valueAt(zone, ['nodeName']) ?? undefined;
    if (typeof name === 'string') {
      unique(names, name, index, ['zones', index, 'name'], 'a name of its own for every zone');
      if (name.startsWith('replica-')) {
        const allowed = 'a name that does not begin with "replica-", which the Leases of the replicas do';
        findings.push({ path: ['zones', index, 'name'], message: wrongValue(name, allowed) });
      }
    }
    const byDefault = typeof set === 'string' && typeof name === 'string' ? `${set}-${name}` : undefined;
    const nodeName = written ?? byDefault;
    if (typeof nodeName === 'string') {
      const key = written === undefined ? 'name' : 'nodeName';
      // Two zones of one name and no node name of their own have been told so already.
      if (key === 'nodeName' || names.get(String(name)) === index) {
        unique(nodes, nodeName, index, ['zones', index, key], 'a node name of its own for every zone');
      }
      if (key === 'name' && nodeName.length > 63 && String(name).length <= DNS_LABEL.maxLength) {
        const message = `the node name "${nodeName}" made of it has more than 63 characters; set nodeName, or shorten set or name`;
        findings.push({ path: ['zones', index, key], message });
      }
    }
    findings.push(...checkLabels(zone, index), ...checkTaints(zone, index));
  });
  return findings;
}

function checkLabels(zone: unknown, index: number): Finding[] {
  const labels = valueAt(zone, ['labels']);
  if (typeof labels !== 'object' || labels === null) return [];
  return Object.keys(labels).flatMap((key): Finding[] => {
    const from = OWN_LABELS[key];
    const reason =
      from !== undefined ? `it says the zone's ${from}` : key.startsWith('zonelet.dev/') ? 'it is its own' : '';
    if (reason === '') return [];
    return [
      { path: ['zones', index, 'labels', key], message: `Zonelet sets this label itself: ${reason}`, atKey: true },
    ];
  });
}

function checkTaints(zone: unknown, index: number): Finding[] {
  const taints = valueAt(zone, ['taints']);
  if (!Array.isArray(taints)) return [];
  const seen = new Set<string>();
  return taints.flatMap((taint: unknown, i): Finding[] => {
    const [key, effect] = [valueAt(taint, ['key']), valueAt(taint, ['effect'])];
    if (typeof key !== 'string' || typeof effect !== 'string') return [];
    const repeated = seen.has(`${key}:${effect}`);
    seen.add(`${key}:${effect}`);
    const message = `a second taint with key "${key}" and effect ${effect}; Kubernetes allows one`;
    return repeated ? [{ path: ['zones', index, 'taints', i], message }] : [];
  });
}

function checkHomeZone(raw: unknown): Finding[] {
  const home = valueAt(raw, ['replica', 'homeZone']);
  const names = zonesOf(raw).map((zone) => valueAt(zone, ['name']));
  const known = [...new Set(names)].filter((name) => typeof name === 'string');
  if (typeof home !== 'string' || known.length === 0 || known.includes(home)) return [];
  return [{ path: ['replica', 'homeZone'], message: wrongValue(home, `one of the zones: ${known.join(', ')}`, known) }];
}

function checkZoneDown(raw: unknown): Finding[] {
  if (valueAt(raw, ['onZoneDown', 'policy']) !== 'evict' || zonesOf(raw).length !== 1) return [];
  const allowed = 'hold, because the set has one zone: there is none for its pods to go to';
  return [{ path: ['onZoneDown', 'policy'], message: wrongValue('evict', allowed) }];
}

function checkPorts(raw: unknown): Finding[] {
  return [...checkKubeletPorts(raw), ...checkPeerPort(raw)];
}

function checkPeerPort(raw: unknown): Finding[] {
  const peers = valueAt(raw, ['peers', 'port']);
  const first = valueAt(raw, ['kubelet', 'port']) ?? 10_250;
  const http = valueAt(raw, ['http', 'port']) ?? 9090;
  if (!isPort(peers) || peers === 0) return [];
  const last = isPort(first) && first !== 0 ? first + zonesOf(raw).length - 1 : 0;
  const ofKubelet = isPort(first) && first <= peers && peers <= last;
  if (!ofKubelet && peers !== http) return [];
  const taken = ofKubelet ? `kubelet takes ports ${first} to ${last}, one for each zone` : `http.port is ${peers}`;
  return [{ path: ['peers', 'port'], message: wrongValue(peers, `a port that is free, or 0; ${taken}`) }];
}

function checkKubeletPorts(raw: unknown): Finding[] {
  const first = valueAt(raw, ['kubelet', 'port']) ?? 10_250;
  const http = valueAt(raw, ['http', 'port']) ?? 9090;
  const count = zonesOf(raw).length;
  if (!isPort(first) || first === 0 || count === 0) return [];
  const last = first + count - 1;
  const span = count === 1 ? `port ${first}` : `ports ${first} to ${last}`;
  if (last > 65_535) {
    const allowed = `at most ${65_535 - count + 1}, because ${count} zones take one port each`;
    return [{ path: ['kubelet', 'port'], message: wrongValue(first, allowed) }];
  }
  if (!isPort(http) || http < first || http > last) return [];
  const takes = `kubelet takes ${span}, one for each zone`;
  if (valueAt(raw, ['http', 'port']) === undefined) {
    const message = wrongValue(first, `ports that are free; ${takes}, and http.port is ${http} by default`);
    return [{ path: ['kubelet', 'port'], message }];
  }
  return [{ path: ['http', 'port'], message: wrongValue(http, `a port that is free; ${takes}`) }];
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535;
}

function zonesOf(raw: unknown): readonly unknown[] {
  const zones = valueAt(raw, ['zones']);
  return Array.isArray(zones) ? zones : [];
}

/** True for option names and values that are paths: `caFile: ca.pem`. */
export function isRelativePathOption(name: string, value: unknown): value is string {
  return typeof value === 'string' && value !== '' && /(?:File|Dir)$/.test(name) && !isAbsolute(value);
}
