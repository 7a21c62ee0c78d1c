/** Where the other replicas connect to: it says who this one is, and goodbye before it goes. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { type Clock, sleep } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { goodbye, hello } from './greeting.ts';
import { KEEP_ALIVE_MS, type PeerCertificate } from './link.ts';
import { fingerprintOf, type PeerAddress } from './peer-address.ts';

export interface ListenerOptions {
  /** Who listens. */
  readonly holder: string;
  /** By which address others reach it. */
  readonly address: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly certificate: PeerCertificate;
  /** Whether a replica shows the certificate with this fingerprint. */
  readonly knows: (fingerprint: string) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Disposal says goodbye and closes everything. */
export interface Listener extends AsyncDisposable {
  readonly at: PeerAddress;
}

/** A set has a handful of replicas; what is more is somebody else's. */
const MAX_CONNECTIONS = 256;
const HANDSHAKE_MS = 5_000;
/** For the goodbye to be sent; a peer that does not take it waits for the lease, which has been given up by then. */
const GOODBYE_MS = 500;

export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { holder, address, listen, certificate, knows, clock, log } = options;
  const held = new Set<TLSSocket>();
  const server = createServer({
    cert: certificate.certificate,
    key: certificate.key,
    minVersion: 'TLSv1.3',
    requestCert: true,
    // No authority signs these certificates: the other replicas' Leases say which ones there are.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy());
    const theirs = socket.getPeerX509Certificate();
    if (theirs === undefined || !knows(fingerprintOf(theirs))) {
      log.debug({ from: socket.remoteAddress }, 'a connection of somebody who is no replica as far as is known');
      socket.destroy();
      return;
    }
    held.add(socket);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    socket.on('close', () => held.delete(socket));
    // Nothing is to come; what comes is not kept.
    socket.resume();
    socket.write(hello(holder));
  });
  server.on('tlsClientError', (error) => log.debug({ error: messageOf(error) }, 'a connection of a peer failed'));
  server.listen(listen.port, listen.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const at = `${listen.host}:${listen.port}`;
    throw new ZoneletError('Unavailable', `peers cannot be listened for on ${at}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  server.on('error', (error) => log.warn({ error: messageOf(error) }, 'listening for peers fails'));
  return {
    at: {
      host: address,
      port: (server.address() as AddressInfo).port,
      fingerprint: fingerprintOf(new X509Certificate(certificate.certificate)),
    },
    async [Symbol.asyncDispose]() {
      const done = new AbortController();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of held) socket.end(goodbye);
      const late = sleep(clock, GOODBYE_MS, done.signal).then(() => {
        for (const socket of held) socket.destroy();
      });
      await closed;
      done.abort();
      await late;
    },
  };
}
