/**
 * Who is let in. With a token or a client CA: whoever has the one or a certificate of the other. With neither: whoever
 * is on this machine, and no web page that a browser on this machine shows.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../../src/clock.ts';
import { messageOf, ZoneletError } from '../../../src/errors.ts';

export interface AccessOptions {
  readonly tokenFile?: string;
  /** Client certificates are asked for and verified against the operator's CA. */
  readonly clientCertificates: boolean;
  readonly clock: Clock;
}

export interface Access {
  /** Throws `Unauthorized` or `Forbidden`. */
  check(request: IncomingMessage): void;
}

/** A token that was replaced in its file is known so soon, in milliseconds. */
const TOKEN_REREAD_MS = 5000;

/** Throws `InvalidInput` when the token's file cannot be used. */
export function createAccess({ tokenFile, clientCertificates, clock }: AccessOptions): Access {
  if (tokenFile === undefined && !clientCertificates) return { check: checkLocal };
  const token = tokenFile === undefined ? undefined : createToken(tokenFile, clock);
  return {
    check(request) {
      if (clientCertificates && request.socket instanceof TLSSocket && request.socket.authorized) return;
      if (token !== undefined) {
        const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
        if (given !== undefined && token.matches(given)) return;
      }
      const wanted = [token === undefined ? '' : 'the token', clientCertificates ? 'a client certificate' : ''];
      throw new ZoneletError('Unauthorized', `this backend wants ${wanted.filter((one) => one !== '').join(' or ')}`);
    },
  };
}

/** True for what only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}

/** A page in a browser has an origin; a name that somebody's DNS points to this machine is a foreign host. */
function checkLocal({ headers }: IncomingMessage): void {
  if (headers.origin !== undefined) {
    throw new ZoneletError('Forbidden', 'requests of web pages (with an Origin) are refused without --token-file');
  }
  const host = /^(.*?)(?::\d+)?$/.exec(headers.host ?? '')?.[1] ?? '';
  if (!isLoopback(host.toLowerCase())) {
    throw new ZoneletError('Forbidden', 'the Host must be a loopback address or localhost without --token-file');
  }
}

function createToken(file: string, clock: Clock): { matches(given: string): boolean } {
  let readAt = clock.monotonic();
  let digest = digestOf(readToken(file));
  return {
    matches(given) {
      if (clock.monotonic() - readAt >= TOKEN_REREAD_MS) {
        readAt = clock.monotonic();
        digest = digestOf(readToken(file));
      }
      // Digests have one length, and how much of them is equal says nothing of the token.
      return timingSafeEqual(digestOf(given), digest);
    },
  };
}

function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ZoneletError('InvalidInput', `cannot read the token: ${messageOf(error)}`, { cause: error });
  }
  if (!/^\S+$/.test(token)) throw new ZoneletError('InvalidInput', `${file} must hold one token and nothing else`);
  return token;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
