/**
 * The kernels as witnesses: when a process is killed, each other process that was connected to it learns it within
 * milliseconds. Something on the way can lie, and declare a living one dead.
 */
import type { Proof, Witness } from '../../../src/election/witness.ts';
import { aborted } from '../../../src/lifecycle.ts';
import type { Peers } from '../../../src/peers/peers.ts';
import type { Process } from './process.ts';
import type { Dice } from './randomness.ts';
import type { Scheduler } from './scheduler.ts';

interface Peer {
  readonly holder: string;
  readonly process: Process;
  learn(holder: string): void;
}

/** As in the replica: a renewal on its way when its sender died is carried out within this. */
const IN_FLIGHT_MS = 1_000;
/** Until two processes that have started are connected. */
const CONNECTED_AFTER_MS = 1_000;
/** Two refusals 50 ms apart, and the way there. */
const PROOF_MS = 55;
const PROOF_SPREAD_MS = 60;

export class PeerNetwork {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #peers = new Set<Peer>();
  /** Holders that were declared dead although they lived. */
  readonly slandered = new Set<string>();

  constructor(scheduler: Scheduler, dice: Dice) {
    this.#scheduler = scheduler;
    this.#dice = dice;
  }

  /** What the process has instead of connections. */
  join(holder: string, process: Process): Peers {
    const proofs = new Map<string, Proof>();
    const subscribers = new Set<() => void>();
    const witness: Witness = {
      proofOf: (of) => proofs.get(of),
      suspect: () => {},
      subscribe(callback) {
        subscribers.add(callback);
        return () => subscribers.delete(callback);
      },
    };
    const peer: Peer = {
      holder,
      process,
      learn(of) {
        const at = process.clock.monotonic();
        proofs.set(of, { by: 'refused', at, coversUntil: at + IN_FLIGHT_MS });
        for (const callback of [...subscribers]) callback();
      },
    };
    this.#peers.add(peer);
    return {
      witness,
      run: (_candidates, signal) => aborted(signal),
      // Goodbye.
      [Symbol.asyncDispose]: async () => void this.#peers.delete(peer),
    };
  }

  /** Its kernel closes its connections. */
  died(process: Process): void {
    const dead = [...this.#peers].find((peer) => peer.process === process);
    if (dead === undefined) return;
    this.#peers.delete(dead);
    this.#tell(dead);
  }

  /** Something between the replicas closes the connections to this process and refuses new ones. */
  slander(process: Process): void {
    const peer = [...this.#peers].find((one) => one.process === process);
    if (peer === undefined) return;
    this.slandered.add(peer.holder);
    this.#tell(peer);
  }

  #tell(of: Peer): void {
    if (this.#scheduler.now - of.process.startedAt < CONNECTED_AFTER_MS) return;
    for (const other of this.#peers) {
      if (other === of || this.#scheduler.now - other.process.startedAt < CONNECTED_AFTER_MS) continue;
      const afterMs = PROOF_MS + PROOF_SPREAD_MS * this.#dice.next();
      this.#scheduler.after(afterMs, () => other.process.deliver(() => other.learn(of.holder)));
    }
  }
}
