/** A request for a node's serving certificate (PKCS #10). Loads the library as `self-signed.ts` does. */
import type { SigningRequest } from './certificate-requests.ts';
import { KEY_ALGORITHM, privateKeyPem } from './private-key.ts';
import { type ServingNames, servingKey } from './serving-key.ts';

export interface SigningRequestOptions extends ServingNames {
  readonly nodeName: string;
}

/** The signer refuses any other subject, and any name that is neither a DNS name nor an address. */
export async function signingRequest(options: SigningRequestOptions): Promise<SigningRequest> {
  const { x509, keys, extensions } = await servingKey(options);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [`system:node:${options.nodeName}`] }],
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions,
  });
  return { request: request.toString('pem'), key: await privateKeyPem(keys.privateKey) };
}
