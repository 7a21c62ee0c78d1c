/** How the keys of `redis:` fit together and with those that use it. */
import { parseRedisUrl } from '../redis/address.ts';
import { type Finding, valueAt } from './explain.ts';

/** `raw`: the file with its defaults not filled in. */
export function checkRedis(raw: unknown): Finding[] {
  const redis = valueAt(raw, ['redis']) ?? undefined;
  const findings: Finding[] = [];
  const find = (path: string[], message: string): void => void findings.push({ path, message });
  const isSet = (...path: string[]): boolean => (valueAt(raw, path) ?? undefined) !== undefined;
  const byRedis = (section: string): boolean => valueAt(raw, [section, 'by']) === 'redis';
  const users = ['election', 'state'].filter(byRedis);
  if (redis === undefined && users.length > 0) {
    find(
      ['redis'],
      `missing; allowed: a map with servers, because ${users.map((user) => `${user}.by`).join(' and ')} is redis`,
    );
  }
  const servers = valueAt(redis, ['servers']);
  if (Array.isArray(servers)) findings.push(...checkServers(servers, byRedis('election')));
  if (isSet('redis', 'password') && isSet('redis', 'passwordFile')) {
    find(['redis', 'passwordFile'], 'stands beside redis.password, allowed: one of the two');
  }
  const [cert, key] = [isSet('redis', 'tls', 'certFile'), isSet('redis', 'tls', 'keyFile')];
  if (cert !== key) find(['redis', 'tls'], 'has one of certFile and keyFile, allowed: both or none');
  if (isSet('state', 'redis') && !byRedis('state')) {
    find(['state', 'redis'], 'has a meaning only with state.by: redis');
  }
  return findings;
}

function checkServers(servers: readonly unknown[], electBy: boolean): Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, number>();
  servers.forEach((server, index) => {
    const address = typeof server === 'string' ? parseRedisUrl(server) : undefined;
    if (address === undefined || 'problem' in address) return;
    const place = `${address.host}:${address.port}`;
    const first = seen.get(place);
    if (first === undefined) seen.set(place, index);
    else findings.push({ path: ['redis', 'servers', index], message: `the same server as servers[${first}]` });
  });
  const reasons: Readonly<Record<number, string>> = {
    2: 'two need both for a majority, so that losing either stops every election: less than one server bears',
    4: 'four need three for a majority and so bear the loss of one, as three do, with more to go wrong',
  };
  const count = servers.length;
  if (electBy && ![1, 3, 5].includes(count)) {
    const reason = reasons[count] ?? 'more cost time at every renewal and bear more losses than happen';
    const message = `found ${count} servers, allowed: 1, 3 or 5 where election.by is redis; ${reason}`;
    findings.push({ path: ['redis', 'servers'], message });
  }
  return findings;
}
