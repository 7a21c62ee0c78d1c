/**
 * A serving certificate from the cluster: a CertificateSigningRequest for the signer `kubernetes.io/kubelet-serving`, in
 * the form that this signer demands. Kubernetes approves none of these by itself: somebody or something has to. Until
 * then, and whenever it is refused, the certificate from before is served, at first a self-signed one.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type Clock, type Random, sleep } from '../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../kube/resources.ts';
import type { CertificateSigningRequest } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { ServingCertificate } from './self-signed.ts';
import { type CertificateSource, holdCertificate } from './serving-certificate.ts';

/** A request as PEM, and the key that it is for. */
export interface SigningRequest {
  readonly request: string;
  readonly key: string;
}

export interface CertificateRequestsOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  /** What is served until one was issued. */
  readonly first: ServingCertificate;
  /** Makes a key and a request for it. */
  readonly sign: (signal: AbortSignal) => Promise<SigningRequest>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told when the certificate that was issued runs out, in milliseconds since the epoch. */
  readonly onIssued?: (untilMs: number) => void;
}

export const SERVING_SIGNER = 'kubernetes.io/kubelet-serving';
/** An elliptic key signs and encrypts nothing: `key encipherment` is for RSA. */
const USAGES = ['digital signature', 'server auth'];
const POLL_MS = 5_000;
/** After this long it is said again that somebody has to approve. */
const REMIND_MS = 15 * 60_000;
/** After a refusal or a failure: doubled each time. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 3_600_000;

export function certificateRequests(options: CertificateRequestsOptions): CertificateSource {
  const { client, nodeName, clock, random, log } = options;
  const held = holdCertificate(options.first);

  async function obtain(signal: AbortSignal): Promise<void> {
    const { request, key } = await options.sign(signal);
    const created = await client.create(
      CERTIFICATE_SIGNING_REQUESTS,
      {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { generateName: 'zonelet-serving-' },
        spec: { request: Buffer.from(request).toString('base64'), signerName: SERVING_SIGNER, usages: USAGES },
      },
      { signal },
    );
    const name = created.metadata?.name ?? '';
    const certificate = await issued(name, signal);
    if (certificate === undefined) return;
    const read = new X509Certificate(certificate);
    if (!read.checkPrivateKey(createPrivateKey(key))) {
      throw new ZoneletError('Internal', `the certificate in ${name} is not for the key that was asked for`);
    }
    held.set({ certificate, key });
    const untilMs = Date.parse(read.validTo);
    options.onIssued?.(untilMs);
    log.info({ node: nodeName, request: name, until: read.validTo }, 'a serving certificate was issued');
  }

  /** `undefined` when the signal aborted. */
  async function issued(name: string, signal: AbortSignal): Promise<string | undefined> {
    let saidAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      let status: CertificateSigningRequest['status'];
      try {
        ({ status } = await client.get(CERTIFICATE_SIGNING_REQUESTS, { name }, { signal }));
      } catch (error) {
        // Gone: nobody approved it for a day, or somebody deleted it. Anything else may pass.
        if (hasCode(error, 'NotFound')) throw error;
        log.debug({ request: name, error: messageOf(error) }, 'cannot read a certificate signing request');
      }
      const bad = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
      if (bad !== undefined) {
        throw new ZoneletError(
          'Forbidden',
          `${name} was ${bad.type.toLowerCase()}: ${bad.message ?? bad.reason ?? ''}`,
        );
      }
      if (status?.certificate !== undefined && status.certificate !== '') {
        return Buffer.from(status.certificate, 'base64').toString();
      }
      if (clock.monotonic() - saidAt >= REMIND_MS) {
        saidAt = clock.monotonic();
        const served = held.current === options.first ? 'a self-signed certificate' : 'the certificate from before';
        log.warn(
          { node: nodeName, request: name },
          `${served} is served until ${name} is approved (kubectl certificate approve ${name})`,
        );
      }
      await sleep(clock, POLL_MS, signal);
    }
    return undefined;
  }

  return {
    get current() {
      return held.current;
    },
    subscribe: (changed) => held.subscribe(changed),
    async run(signal) {
      let pauseMs = FIRST_PAUSE_MS;
      while (!signal.aborted) {
        try {
          await obtain(signal);
          if (signal.aborted) return;
          pauseMs = FIRST_PAUSE_MS;
          await sleepUntil(clock, renewalOf(held.current, random), signal);
        } catch (error) {
          if (signal.aborted) return;
          log.warn(
            { node: nodeName, error: messageOf(error), retryInMs: pauseMs },
            'no serving certificate from the cluster; the one from before is served',
          );
          await sleep(clock, pauseMs, signal);
          pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        }
      }
    },
  };
}

/** After 70 to 90 % of its life, as the kubelet: time for somebody to approve, and not all nodes at once. */
function renewalOf({ certificate }: ServingCertificate, random: Random): number {
  const { validFrom, validTo } = new X509Certificate(certificate);
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  return from + (to - from) * (0.7 + 0.2 * random.next());
}

/** In steps: the wall clock may be set, and no timer runs for a year. */
async function sleepUntil(clock: Clock, timeMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && clock.now() < timeMs) {
    await sleep(clock, Math.min(timeMs - clock.now(), LONGEST_PAUSE_MS), signal);
  }
}
