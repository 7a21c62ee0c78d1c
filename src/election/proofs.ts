/** What a witness has found out, and who wants to hear of it. */
import type { Proof, Witness } from './witness.ts';

export interface Proofs extends Pick<Witness, 'proofOf' | 'subscribe'> {
  /** Takes the place of what was known of the holder. */
  add(holder: string, proof: Proof): void;
  /** It was wrong. */
  withdraw(holder: string): void;
}

/** A proof matters for as long as a lock names the dead one. */
const MAX_PROOFS = 64;

export function createProofs(): Proofs {
  const proofs = new Map<string, Proof>();
  const subscribers = new Set<() => void>();
  return {
    proofOf: (holder) => proofs.get(holder),
    subscribe(callback) {
      subscribers.add(callback);
      return () => subscribers.delete(callback);
    },
    add(holder, proof) {
      proofs.delete(holder);
      proofs.set(holder, proof);
      for (const oldest of proofs.keys()) if (proofs.size > MAX_PROOFS) proofs.delete(oldest);
      for (const callback of subscribers) callback();
    },
    withdraw: (holder) => void proofs.delete(holder),
  };
}
