/**
 * The kernel as witness. Every replica holds a connection to every other one. When a process ends, however it does, its
 * kernel closes its connections and refuses new ones; so whoever sees both knows that the process is dead, within
 * milliseconds. A process that is stopped, blocked or cut off does neither.
 */
import { type Clock, sleep } from '../clock.ts';
import type { Candidates } from '../election/candidates.ts';
import { PEER_ANNOTATION } from '../election/names.ts';
import { createProofs } from '../election/proofs.ts';
import type { Living } from '../election/roster.ts';
import type { Witness } from '../election/witness.ts';
import { aborted } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import type { PeerMetrics } from '../metrics/peers.ts';
import { holdLink, type PeerCertificate } from './link.ts';
import { startListener } from './listener.ts';
import { formatPeerAddress, type PeerAddress, parsePeerAddress } from './peer-address.ts';
import { isRefused } from './refusal.ts';

export interface PeersOptions {
  /** Own holder identity. */
  readonly holder: string;
  /** IP address by which the other replicas reach this one. */
  readonly address: string;
  /** Port 0 picks a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly certificate: PeerCertificate;
  readonly clock: Clock;
  readonly metrics: PeerMetrics;
  readonly log: Logger;
}

/** What is asked of `Candidates`. */
export interface Telling extends Pick<Candidates, 'tell' | 'subscribe'> {
  living(): readonly Pick<Living, 'holder' | 'annotations'>[];
}

/** Disposal says goodbye, once this replica holds nothing any more. */
export interface Peers extends AsyncDisposable {
  readonly witness: Witness;
  /** Tells the others where this replica listens, and holds connections to them until the signal aborts. */
  run(candidates: Telling, signal: AbortSignal): Promise<void>;
}

/** A renewal that was on its way when its sender died is carried out within this, or the lease is waited for after all. */
const IN_FLIGHT_MS = 1_000;
const REDIAL_MS = 500;
const REDIAL_MAX_MS = 5_000;
/** Vain tries in a row after which an operator is told: some 10 s where connections are refused, more where they vanish. */
const SAY_AFTER = 5;

export async function startPeers(options: PeersOptions): Promise<Peers> {
  const { holder: own, certificate, clock, metrics, log } = options;
  const proofs = createProofs();
  let candidates: Telling | undefined;

  /** The other replicas by holder identity, as they tell. */
  function others(): ReadonlyMap<string, PeerAddress> {
    const known = new Map<string, PeerAddress>();
    for (const { holder, annotations } of candidates?.living() ?? []) {
      const at = parsePeerAddress(annotations[PEER_ANNOTATION]);
      if (at !== undefined && holder !== '') known.set(holder, at);
    }
    return known;
  }

  const listener = await startListener({
    ...options,
    knows: (fingerprint) => [...others().values()].some((other) => other.fingerprint === fingerprint),
  });

  function died(holder: string): void {
    const at = clock.monotonic();
    proofs.add(holder, { by: 'refused', at, coversUntil: at + IN_FLIGHT_MS });
  }

  /** Holds a connection to this one process for as long as it is heard of. */
  async function follow(holder: string, to: PeerAddress, signal: AbortSignal): Promise<void> {
    let pauseMs = REDIAL_MS;
    let vain = 0;
    while (!signal.aborted && others().has(holder)) {
      const end = await holdLink({ to, holder, certificate, clock, signal, established });
      if (end.how === 'unreached') {
        if (!signal.aborted) {
          log[++vain === SAY_AFTER ? 'warn' : 'debug'](
            { peer: holder, at: `${to.host} ${to.port}`, detail: end.detail },
            'no connection to another replica: if it died, its lease would have to run out',
          );
        }
      } else {
        metrics.connected.dec();
        if (signal.aborted) return;
        const dead = end.how === 'closed' && (await isRefused(to, clock, signal));
        metrics.ended.inc({ end: dead ? 'dead' : end.how === 'goodbye' ? 'goodbye' : 'unproved' });
        log.info({ peer: holder, end: end.how, detail: end.detail, dead }, 'a connection to another replica has ended');
        if (dead) died(holder);
      }
      await sleep(clock, pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, REDIAL_MAX_MS);
    }

    function established(): void {
      pauseMs = REDIAL_MS;
      vain = 0;
      // Whatever was proved, it was wrong.
      proofs.withdraw(holder);
      metrics.connected.inc();
      log.debug({ peer: holder, at: `${to.host} ${to.port}` }, 'connected to another replica');
    }
  }

  return {
    witness: {
      proofOf: proofs.proofOf,
      subscribe: proofs.subscribe,
      // There is nothing to look at that is not looked at all the time.
      suspect: () => {},
    },

    async run(of, signal) {
      candidates = of;
      const following = new Map<string, Promise<void>>();
      const look = (): void => {
        for (const [holder, to] of others()) {
          if (holder === own || following.has(holder) || signal.aborted) continue;
          following.set(
            holder,
            follow(holder, to, signal).finally(() => following.delete(holder)),
          );
        }
      };
      const unsubscribe = of.subscribe(look);
      of.tell(PEER_ANNOTATION, formatPeerAddress(listener.at));
      look();
      await aborted(signal);
      unsubscribe();
      await Promise.all(following.values());
    },

    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}
