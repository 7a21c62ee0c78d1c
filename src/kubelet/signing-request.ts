/** A request for a node's serving certificate (PKCS #10). Loads the library as `self-signed.ts` does. */
import { webcrypto } from 'node:crypto';
import { provideReflectMetadata } from '../reflect-metadata.ts';
import type { SigningRequest } from './certificate-requests.ts';
import { KEY_ALGORITHM, privateKeyPem } from './private-key.ts';

export interface SigningRequestOptions {
  readonly nodeName: string;
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

/** The signer refuses any other subject, and any name that is neither a DNS name nor an address. */
export async function signingRequest(options: SigningRequestOptions): Promise<SigningRequest> {
  provideReflectMetadata();
  const x509 = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const names = [
    ...options.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...options.addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [`system:node:${options.nodeName}`] }],
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
    ],
  });
  return { request: request.toString('pem'), key: await privateKeyPem(keys.privateKey) };
}
