/** What kept a connection from being made, in the words that a kubelet's Events have. */
import { messageOf } from '../errors.ts';

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

export function dialError(error: unknown, host: string, port: number): string {
  // Who dials may say more of it than the system did.
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : '';
    const words = WORDS[code];
    if (words !== undefined) return `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}: ${words}`;
    if (code === 'ECONNRESET') return 'EOF';
  }
  return messageOf(error);
}
