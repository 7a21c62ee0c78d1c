/**
 * Keys and certificates of this process's own making: the self-signed certificate that the replicas know each other by
 * and the kubelet API serves with by default, and requests for one from the cluster.
 * An API server checks a kubelet's certificate only when it was started with `--kubelet-certificate-authority`.
 */
import { isIP } from 'node:net';
import { runInChild } from '../child-task.ts';
import type { Clock } from '../clock.ts';
import type { CertificateTask } from './certificate-child.ts';
import type { SigningRequest } from './certificate-requests.ts';
import type { SelfSignedOptions, ServingCertificate } from './self-signed.ts';

export type { ServingCertificate } from './self-signed.ts';

export interface ServingCertificateOptions {
  /** What the Nodes say where the kubelet API is: an IP address or a host name. */
  readonly address: string;
  /** One certificate serves every zone of a replica. */
  readonly nodeNames: readonly string[];
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** As the kubelet's own self-signed one. */
const VALIDITY_MS = 365 * 24 * 3_600_000;
/** Clocks of others may be behind ours. */
const BACKDATE_MS = 3_600_000;

/** Made in a child process, which takes the library's 20 MB with it when it ends. */
export async function createServingCertificate(options: ServingCertificateOptions): Promise<ServingCertificate> {
  const { address, nodeNames, clock, signal } = options;
  const now = clock.now();
  const request: SelfSignedOptions = {
    commonName: nodeNames[0] ?? 'zonelet',
    dnsNames: [...nodeNames, ...(isIP(address) === 0 ? [address] : [])],
    addresses: isIP(address) === 0 ? [] : [address],
    notBeforeMs: now - BACKDATE_MS,
    notAfterMs: now + VALIDITY_MS,
  };
  return await make<ServingCertificate>({ make: 'self-signed', options: request }, signal);
}

export interface NewSigningRequest {
  readonly address: string;
  readonly nodeName: string;
  readonly signal: AbortSignal;
}

export async function createSigningRequest({ address, nodeName, signal }: NewSigningRequest): Promise<SigningRequest> {
  const isName = isIP(address) === 0;
  const options = {
    nodeName,
    dnsNames: [nodeName, ...(isName ? [address] : [])],
    addresses: isName ? [] : [address],
  };
  return await make<SigningRequest>({ make: 'request', options }, signal);
}

async function make<Made>(task: CertificateTask, signal: AbortSignal | undefined): Promise<Made> {
  return await runInChild<CertificateTask, Made>(task, {
    entry: './certificate-child',
    from: import.meta.url,
    what: task.make === 'request' ? 'making a certificate request' : 'making a serving certificate',
    ...(signal === undefined ? {} : { signal }),
  });
}
