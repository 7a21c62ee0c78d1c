/** One connection to another replica, from dialing to its end. */
import { connect } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { createReader } from './greeting.ts';
import { fingerprintOf, type PeerAddress } from './peer-address.ts';

/** What a replica shows to its peers. PEM. */
export interface PeerCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface LinkOptions {
  readonly to: PeerAddress;
  /** Who is to be there. */
  readonly holder: string;
  readonly certificate: PeerCertificate;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** The other side has said who it is, so it has accepted this one. */
  readonly established: () => void;
}

export interface LinkEnd {
  /**
   * `unreached`: there never was a connection with the one that was meant. `goodbye`: the other side said that it goes.
   * `closed`: its kernel closed the connection (FIN or RST) and nothing was said before. `broken`: anything else (a
   * timeout, a route that is gone, what is no TLS), which says nothing of the other side.
   */
  readonly how: 'unreached' | 'goodbye' | 'closed' | 'broken';
  /** For logs. */
  readonly detail: string;
}

/** To be connected, known and greeted. */
const ESTABLISH_MS = 5_000;
/** The first probe of a silent connection; after ten more, a second apart, the system gives it up: `broken`. */
export const KEEP_ALIVE_MS = 10_000;

export function holdLink({ to, holder, certificate, clock, signal, established }: LinkOptions): Promise<LinkEnd> {
  return new Promise((resolve) => {
    const socket = connect({
      host: to.host,
      port: to.port,
      cert: certificate.certificate,
      key: certificate.key,
      minVersion: 'TLSv1.3',
      // No authority signs these certificates: the Lease says which one it must be, and it is looked at below.
      rejectUnauthorized: false,
    });
    const read = createReader();
    let known = false;
    let greeted = false;
    let leaving = false;
    let closed = false;
    let detail = 'the connection was closed';
    const giveUp = (why: string): void => {
      detail = why;
      closed = false;
      socket.destroy();
    };
    const timer = clock.setTimer(ESTABLISH_MS, () => giveUp(`no connection within ${ESTABLISH_MS} ms`));
    const stop = (): void => giveUp('given up by this side');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();

    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    socket.on('secureConnect', () => {
      const theirs = socket.getPeerX509Certificate();
      known = theirs !== undefined && fingerprintOf(theirs) === to.fingerprint;
      if (!known) giveUp('the certificate there is another one than the Lease tells');
    });
    socket.on('data', (chunk: Buffer) => {
      if (!known || socket.destroyed) return;
      for (const word of read(chunk)) {
        if (word?.said === 'hello' && word.holder === holder) {
          if (greeted) continue;
          greeted = true;
          timer.cancel();
          established();
        } else if (word?.said === 'goodbye' && greeted) leaving = true;
        else return giveUp('what was said is no word between replicas, or of another process');
      }
    });
    socket.on('end', () => {
      closed = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      closed = error.code === 'ECONNRESET';
      detail = messageOf(error);
    });
    socket.on('close', () => {
      timer.cancel();
      signal.removeEventListener('abort', stop);
      const how = !greeted ? 'unreached' : leaving ? 'goodbye' : closed ? 'closed' : 'broken';
      resolve({ how, detail });
    });
  });
}
