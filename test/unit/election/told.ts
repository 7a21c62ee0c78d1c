import type { Proof, Witness } from '../../../src/election/witness.ts';

/** A witness that says what the test has it say. */
export class Told implements Witness {
  readonly #proofs = new Map<string, Proof>();
  readonly #callbacks = new Set<() => void>();
  readonly suspected: string[] = [];

  proofOf(holder: string): Proof | undefined {
    return this.#proofs.get(holder);
  }

  suspect(holder: string): void {
    this.suspected.push(holder);
  }

  subscribe(callback: () => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  tell(holder: string, proof: Proof): void {
    this.#proofs.set(holder, proof);
    for (const callback of this.#callbacks) callback();
  }
}
