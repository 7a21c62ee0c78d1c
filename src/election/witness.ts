/**
 * Who can tell that the holder of a lock is dead. A proof spares the others the wait for its lease; no proof means
 * nothing at all. Suspicion (silence, a pod that is missing, a node that cannot be reached) never is one.
 */

/**
 * `restarted`: this replica is a newer process of the same pod. `terminated`: the pod's status says that its container
 * ended. `refused`: its kernel closed its connections and refuses new ones.
 */
export type ProofKind = 'restarted' | 'terminated' | 'refused';

export interface Proof {
  readonly by: Exclude<ProofKind, 'restarted'>;
  /** Monotonic time from which on it holds. */
  readonly at: number;
  /** A record of the holder that was first seen later than this was written by a living one: the proof was none. */
  readonly coversUntil: number;
}

/** Asked for holder identities, which name one process (`identity.ts`): another boot of the same replica is somebody else. */
export interface Witness {
  proofOf(holder: string): Proof | undefined;
  /** The holder has been silent for longer than a living one is: a witness that has to go and look may do so now. Often called. */
  suspect(holder: string): void;
  /** Calls back when there is a new proof. Returns its removal. */
  subscribe(callback: () => void): () => void;
}

/** Knows what any of them knows, and of two proofs the one that covers more. */
export function anyWitness(witnesses: readonly Witness[]): Witness {
  return {
    proofOf: (holder) =>
      witnesses
        .flatMap((witness) => witness.proofOf(holder) ?? [])
        .sort((a, b) => b.coversUntil - a.coversUntil)
        .at(0),
    suspect(holder) {
      for (const witness of witnesses) witness.suspect(holder);
    },
    subscribe(callback) {
      const removals = witnesses.map((witness) => witness.subscribe(callback));
      return () => {
        for (const remove of removals) remove();
      };
    },
  };
}
