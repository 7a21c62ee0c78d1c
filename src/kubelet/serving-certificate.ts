/** The certificate that a kubelet API serves with now, whoever issued it. */
import type { ServingCertificate } from './self-signed.ts';

export interface CertificateSource {
  readonly current: ServingCertificate;
  /** Told after each change. Returns its removal. */
  subscribe(changed: () => void): () => void;
  /** Keeps it current; returns when the signal aborts. Never throws. */
  run(signal: AbortSignal): Promise<void>;
}

/** A source that somebody sets. */
export interface CertificateHolder {
  readonly current: ServingCertificate;
  subscribe(changed: () => void): () => void;
  set(certificate: ServingCertificate): void;
}

export function holdCertificate(first: ServingCertificate): CertificateHolder {
  const subscribers = new Set<() => void>();
  let current = first;
  return {
    get current() {
      return current;
    },
    subscribe(changed) {
      subscribers.add(changed);
      return () => subscribers.delete(changed);
    },
    set(certificate) {
      current = certificate;
      for (const changed of subscribers) changed();
    },
  };
}

/** One that stays as it is. */
export function fixedCertificate(current: ServingCertificate): CertificateSource {
  return { current, subscribe: () => () => undefined, run: async () => undefined };
}
