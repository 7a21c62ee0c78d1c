/**
 * A self-signed serving certificate. The library is loaded by this call only: it takes some 20 MB, which is why a
 * replica has a child process make its certificate (`certificates.ts`).
 */
import { randomBytes, webcrypto } from 'node:crypto';
import { provideReflectMetadata } from '../reflect-metadata.ts';
import { KEY_ALGORITHM, privateKeyPem } from './private-key.ts';

export interface SelfSignedOptions {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** PEM. */
export interface ServingCertificate {
  readonly certificate: string;
  readonly key: string;
}

export async function selfSigned(options: SelfSignedOptions): Promise<ServingCertificate> {
  provideReflectMetadata();
  const x509 = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const names = [
    ...options.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...options.addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // 16 octets with the first bit clear: a positive number, as RFC 5280 wants it.
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    name: [{ CN: [options.commonName] }],
    notBefore: new Date(options.notBeforeMs),
    notAfter: new Date(options.notAfterMs),
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await privateKeyPem(keys.privateKey) };
}
