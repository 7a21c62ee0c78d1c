/** A certificate authority for tests, made on the spot. */
import { webcrypto } from 'node:crypto';
import { selfSigned } from '../../../src/kubelet/self-signed.ts';

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority {
  readonly pem: string;
  issue(
    subject: { readonly CN: string; readonly O?: readonly string[] },
    validToMs?: number,
    usage?: 'client' | 'server',
  ): Promise<TestCertificate>;
  /** What the cluster's signer makes of a request: its subject, its names, the CA's dates. PEM. */
  sign(request: string, fromMs: number, toMs: number): Promise<string>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export async function createAuthority(name = 'test-ca'): Promise<TestAuthority> {
  // Loads the library with what it needs.
  await selfSigned({ commonName: 'x', dnsNames: ['x'], addresses: [], notBeforeMs: 0, notAfterMs: 1000 });
  const x509 = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    pem: authority.toString('pem'),
    async sign(request, fromMs, toMs) {
      const csr = new x509.Pkcs10CertificateRequest(request);
      if (!(await csr.verify())) throw new Error('the request is not signed with its own key');
      const certificate = await x509.X509CertificateGenerator.create({
        subject: csr.subject,
        issuer: authority.subject,
        notBefore: new Date(fromMs),
        notAfter: new Date(toMs),
        publicKey: csr.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [...csr.extensions],
      });
      return certificate.toString('pem');
    },
    async issue({ CN, O = [] }, validToMs = Date.now() + 3_600_000, usage = 'client') {
      const own = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: [...O.map((organisation) => ({ O: [organisation] })), { CN: [CN] }],
        issuer: authority.subject,
        notBefore: new Date(Date.now() - 3_600_000),
        notAfter: new Date(validToMs),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.ExtendedKeyUsageExtension([
            usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth,
          ]),
        ],
      });
      const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64');
      return {
        cert: certificate.toString('pem'),
        key: `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`,
      };
    },
  };
}
