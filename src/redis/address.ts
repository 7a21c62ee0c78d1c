/** Where a Redis server is, as the configuration names it. */

export interface RedisAddress {
  /** `redis://host:port`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

const DEFAULT_PORT = 6379;

/** Completes "allowed: ...". */
export const REDIS_URL = 'redis://HOST:PORT, or rediss://HOST:PORT for TLS';

/** The address, or what is wrong with the text, in words that never repeat a password. */
export function parseRedisUrl(text: string): RedisAddress | { readonly problem: string } {
  if (/sentinel/i.test(text.split('://')[0] ?? '')) {
    return {
      problem: `${REDIS_URL}; Sentinel is not supported, because a failover to an asynchronous replica loses writes that were acknowledged`,
    };
  }
  if (!URL.canParse(text)) return { problem: REDIS_URL };
  const url = new URL(text);
  if ((url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '') return { problem: REDIS_URL };
  if (url.username !== '' || url.password !== '') {
    return {
      problem: `${REDIS_URL}, without user and password: they go to redis.username, redis.password or redis.passwordFile`,
    };
  }
  if (!['', '/', '/0'].includes(url.pathname)) {
    return { problem: `${REDIS_URL}, without a database number: redis.keyPrefix keeps sets apart` };
  }
  if (url.search !== '' || url.hash !== '') return { problem: `${REDIS_URL}, nothing after it` };
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  const tls = url.protocol === 'rediss:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { name: `${url.protocol}//${url.hostname}:${port}`, host, port, tls };
}
