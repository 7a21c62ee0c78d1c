/** From a file that is right to the `Config` that the program works with: defaults that hang on others, units, paths. */
import { dirname, join, resolve } from 'node:path';
import { parseRedisUrl, type RedisAddress } from '../redis/address.ts';
import type { Config, RedisConfig, ZoneConfig } from './config.ts';
import { DEFAULT_TIMING } from './election-timing.ts';
import type { Variables } from './reference.ts';
import type { ConfigFile } from './schema.ts';
import { DNS_SUBDOMAIN, parseDuration } from './syntax.ts';

/** A zone's `provider` object as written. */
export type RawProvider = Record<string, unknown> & { readonly kind: string };

/** `My-Host.local` to `my-host.local`; undefined when that is no name for a replica. */
export function hostReplica(hostname: string): string | undefined {
  const name = hostname.toLowerCase();
  return name.length <= DNS_SUBDOMAIN.maxLength && DNS_SUBDOMAIN.pattern.test(name) ? name : undefined;
}

export interface ConfigOrigin {
  /** Absolute. */
  readonly file: string;
  readonly env: Variables;
  readonly hostname: string;
  /** By index of the zone, with their paths made absolute. */
  readonly providers: ReadonlyMap<number, RawProvider>;
}

export function resolveConfig(data: ConfigFile, from: ConfigOrigin): Config {
  const base = dirname(from.file);
  const milliseconds = (text: string): number => parseDuration(text) ?? 0;
  const { election } = data;
  const timing = DEFAULT_TIMING[election.by];
  const home = data.kubeconfig?.startsWith('~/') ? from.env.HOME : undefined;
  return {
    file: from.file,
    set: data.set,
    ...defined('namespace', data.namespace),
    ...defined(
      'kubeconfig',
      data.kubeconfig === undefined
        ? undefined
        : home === undefined
          ? resolve(base, data.kubeconfig)
          : join(home, data.kubeconfig.slice(2)),
    ),
    replica: {
      name: data.replica.name ?? hostReplica(from.hostname) ?? '',
      ...defined('uid', data.replica.uid),
      ...defined('container', data.replica.container),
      ...defined('homeZone', data.replica.homeZone),
    },
    zones: data.zones.map((zone, index) => zoneConfig(data.set, zone, from.providers.get(index) ?? zone.provider)),
    election: {
      by: election.by,
      leaseDurationMs: milliseconds(election.leaseDuration ?? timing.leaseDuration),
      renewDeadlineMs: milliseconds(election.renewDeadline ?? timing.renewDeadline),
      retryPeriodMs: milliseconds(election.retryPeriod ?? timing.retryPeriod),
      onPeerDeath: election.onPeerDeath,
      handBack: { mode: election.handBack, afterMs: milliseconds(election.handBackAfter) },
    },
    ...defined('redis', redisConfig(data, base)),
    state: stateConfig(data),
    fence: data.fence,
    onZoneDown: { policy: data.onZoneDown.policy, afterMs: milliseconds(data.onZoneDown.after) },
    kubelet: { ...data.kubelet, certificate: certificateConfig(data, base) },
    peers: { address: data.peers.address ?? data.kubelet.address, port: data.peers.port },
    http: data.http,
    log: data.log,
  };
}

function certificateConfig({ kubelet }: ConfigFile, base: string): Config['kubelet']['certificate'] {
  const { by, certFile, keyFile } = kubelet.certificate;
  if (by !== 'files') return { by };
  if (certFile === undefined || keyFile === undefined) throw new Error('found files that were not checked');
  return { by, certFile: resolve(base, certFile), keyFile: resolve(base, keyFile) };
}

function redisConfig({ redis }: ConfigFile, base: string): RedisConfig | undefined {
  if (redis === undefined) return undefined;
  const path = (file: string | undefined): string | undefined => (file === undefined ? undefined : resolve(base, file));
  return {
    servers: redis.servers.map(redisAddress),
    keyPrefix: redis.keyPrefix,
    credentials: {
      ...defined('username', redis.username),
      ...defined('password', redis.password),
      ...defined('passwordFile', path(redis.passwordFile)),
    },
    tls: {
      ...defined('caFile', path(redis.tls.caFile)),
      ...defined('certFile', path(redis.tls.certFile)),
      ...defined('keyFile', path(redis.tls.keyFile)),
    },
  };
}

function stateConfig({ state, redis }: ConfigFile): Config['state'] {
  const server = state.redis ?? redis?.servers[0];
  return state.by === 'redis' && server !== undefined
    ? { by: 'redis', server: redisAddress(server) }
    : { by: 'kubernetes' };
}

/** The schema has checked it. */
function redisAddress(url: string): RedisAddress {
  const address = parseRedisUrl(url);
  if ('problem' in address) throw new Error(`found an address that was not checked, allowed: ${address.problem}`);
  return address;
}

function zoneConfig(set: string, zone: ConfigFile['zones'][number], provider: ZoneConfig['provider']): ZoneConfig {
  const { capacity } = zone;
  const taints = zone.taints ?? [{ key: 'virtual-kubelet.io/provider', value: provider.kind, effect: 'NoSchedule' }];
  return {
    name: zone.name,
    region: zone.region,
    nodeName: zone.nodeName ?? `${set}-${zone.name}`,
    provider,
    ...(capacity === undefined
      ? {}
      : { capacity: Object.fromEntries(Object.entries(capacity).map(([name, amount]) => [name, String(amount)])) }),
    allow: zone.allow,
    labels: zone.labels,
    taints: taints.map(({ key, value, effect }) => ({ key, effect, ...defined('value', value) })),
  };
}

/** `{ [key]: value }`, or nothing when there is no value. */
function defined<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}
