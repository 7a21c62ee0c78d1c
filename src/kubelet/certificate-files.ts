/**
 * A serving certificate from two files that somebody else renews (cert-manager, an operator's own authority). They are
 * read again every ten seconds: a mounted Secret is switched under a link, which watching a file misses. What was read
 * last stays while the files cannot be used, as between the writing of one and of the other.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Clock, sleep } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ServingCertificate } from './self-signed.ts';
import { type CertificateSource, holdCertificate } from './serving-certificate.ts';

export interface CertificateFilesOptions {
  /** PEM: the certificate, and those of intermediate authorities after it. */
  readonly certFile: string;
  /** PEM, not encrypted. */
  readonly keyFile: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const INTERVAL_MS = 10_000;

/** Throws `InvalidInput` when there is nothing to begin with. */
export async function certificateFiles(options: CertificateFilesOptions): Promise<CertificateSource> {
  const { clock, log } = options;
  const held = holdCertificate(await read(options));
  return {
    get current() {
      return held.current;
    },
    subscribe: (changed) => held.subscribe(changed),
    async run(signal) {
      let complained = '';
      while (!signal.aborted) {
        await sleep(clock, INTERVAL_MS, signal);
        if (signal.aborted) return;
        try {
          const now = await read(options);
          complained = '';
          if (now.certificate === held.current.certificate && now.key === held.current.key) continue;
          held.set(now);
          log.info({ until: new X509Certificate(now.certificate).validTo }, 'the serving certificate was read anew');
        } catch (error) {
          const message = messageOf(error);
          if (message !== complained) log.warn({ error: message }, 'the serving certificate stays as it was');
          complained = message;
        }
      }
    },
  };
}

async function read({ certFile, keyFile }: CertificateFilesOptions): Promise<ServingCertificate> {
  const [certificate, key] = await Promise.all([readText(certFile), readText(keyFile)]);
  try {
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new ZoneletError('InvalidInput', 'the key is not that of the certificate');
    }
  } catch (error) {
    throw new ZoneletError('InvalidInput', `${certFile} and ${keyFile} cannot be served: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return { certificate, key };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ZoneletError('InvalidInput', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
