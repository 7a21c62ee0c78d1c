/** Where a replica's peers reach it and by which certificate they know it, as it tells on its candidate Lease. */
import { isIP } from 'node:net';

export interface PeerAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  /** SHA-256 of its certificate, 64 digits in lower case. */
  readonly fingerprint: string;
}

export function formatPeerAddress({ host, port, fingerprint }: PeerAddress): string {
  return `${host} ${port} sha256:${fingerprint}`;
}

/** Undefined for what is not written in this form. */
export function parsePeerAddress(text: string | undefined): PeerAddress | undefined {
  const [, host = '', port, fingerprint = ''] = /^(\S+) (\d{1,5}) sha256:([0-9a-f]{64})$/.exec(text ?? '') ?? [];
  const number = Number(port);
  return isIP(host) !== 0 && number > 0 && number < 65_536 ? { host, port: number, fingerprint } : undefined;
}

/** From the form in which `node:crypto` gives it. */
export function fingerprintOf(certificate: { readonly fingerprint256: string }): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}
