/** A new key for serving, and what a certificate of it says. Loads `@peculiar/x509`, some 20 MB, and nothing before. */
import { webcrypto } from 'node:crypto';
import { provideReflectMetadata } from '../reflect-metadata.ts';
import { KEY_ALGORITHM } from './private-key.ts';

export interface ServingNames {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

export async function servingKey({ dnsNames, addresses }: ServingNames) {
  provideReflectMetadata();
  const x509 = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const names = [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  const extensions = [
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.SubjectAlternativeNameExtension(names),
  ];
  return { x509, keys, extensions };
}
