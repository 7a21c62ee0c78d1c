/**
 * A self-signed serving certificate. The library is loaded by this call only: it takes some 20 MB, which is why a
 * replica has a child process make its certificate (`certificates.ts`).
 */
import { randomBytes } from 'node:crypto';
import { KEY_ALGORITHM, privateKeyPem } from './private-key.ts';
import { type ServingNames, servingKey } from './serving-key.ts';

export interface SelfSignedOptions extends ServingNames {
  readonly commonName: string;
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
  const { x509, keys, extensions } = await servingKey(options);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // 16 octets with the first bit clear: a positive number, as RFC 5280 wants it.
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    name: [{ CN: [options.commonName] }],
    notBefore: new Date(options.notBeforeMs),
    notAfter: new Date(options.notAfterMs),
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(false, undefined, true), ...extensions],
  });
  return { certificate: certificate.toString('pem'), key: await privateKeyPem(keys.privateKey) };
}
