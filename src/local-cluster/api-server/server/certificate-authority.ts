/**
 * The cluster's own CA: one for what the server is known by, the clients it knows and the kubelets it calls. The library
 * is loaded by this file only.
 */
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { provideReflectMetadata } from '../../../reflect-metadata.ts';

export interface KeyPair {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS 8. */
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly usage: 'client' | 'server';
  /** Host names and IP addresses of a server. */
  readonly names?: readonly string[];
}

export interface CertificateAuthority extends KeyPair {
  issue(request: CertificateRequest): Promise<KeyPair>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** Ten years: a cluster for a demo or a test never sees its end. */
const VALIDITY_MS = 10 * 365 * 24 * 3_600_000;
/** Clocks of others may be behind. */
const BACKDATE_MS = 3_600_000;

/** `kept`: the CA of an earlier start, taken up again. */
export async function createCertificateAuthority(nowMs: number, kept?: KeyPair): Promise<CertificateAuthority> {
  provideReflectMetadata();
  const x509 = await import('@peculiar/x509');
  const validity = { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + VALIDITY_MS) };
  const pair = kept ?? (await selfSigned());
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    createPrivateKey(pair.key).export({ type: 'pkcs8', format: 'der' }),
    ALGORITHM,
    false,
    ['sign'],
  );
  const issuer = new x509.X509Certificate(pair.certificate);

  async function selfSigned(): Promise<KeyPair> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serialNumber(),
      name: [{ CN: ['zonelet-local-cluster'] }],
      ...validity,
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
  }

  return {
    ...pair,
    async issue({ commonName, organizations = [], usage, names = [] }) {
      const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
      const usages = usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
      const alternatives = names.map((value) => ({
        type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const),
        value,
      }));
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        subject: [...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }],
        issuer: issuer.subject,
        ...validity,
        publicKey: keys.publicKey,
        signingKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([usages]),
          await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
          ...(alternatives.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(alternatives)]),
        ],
      });
      return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
    },
  };
}

/** True when a kept CA can be used for a good while yet. */
export function isUsable(pair: KeyPair, nowMs: number): boolean {
  const { validFrom, validTo } = new X509Certificate(pair.certificate);
  return Date.parse(validFrom) <= nowMs && nowMs < Date.parse(validTo) - VALIDITY_MS / 10;
}

/** 16 octets with the first bit clear: a positive number, as RFC 5280 wants it. */
function serialNumber(): string {
  return `01${randomBytes(15).toString('hex')}`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  const lines = base64.match(/.{1,64}/g)?.join('\n') ?? '';
  return `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
}
