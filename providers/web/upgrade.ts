/** Opens a connection that carries frames (`frames.ts`) once the backend has agreed to it. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TlsFiles } from './connection.ts';
import { STREAM_PROTOCOL } from './protocol.ts';
import type { Refusal } from './refusal.ts';

export interface UpgradeOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsFiles;
  /** Ends the opening, and nothing after it. */
  readonly signal: AbortSignal;
}

export type Upgraded =
  | { readonly kind: 'open'; readonly socket: Socket }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Node's own client: undici gives nothing of an answer that does not agree. A connection is never used for anything else. */
export function upgrade(url: string, { headers, tls, signal }: UpgradeOptions): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(url, {
      method: 'GET',
      agent: false,
      ...tls,
      headers: { ...headers, connection: 'Upgrade', upgrade: STREAM_PROTOCOL },
    });
    const abort = (): void => void request.destroy(new Error('the opening took too long or was aborted'));
    const settled = (): void => signal.removeEventListener('abort', abort);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    request.once('error', (error) => {
      settled();
      reject(error);
    });
    request.once('upgrade', (_response, socket: Socket, head: Buffer) => {
      settled();
      // Small frames must not wait for each other; a machine that is gone is noticed some time.
      socket.setNoDelay(true);
      socket.setKeepAlive(true);
      if (head.byteLength > 0) socket.unshift(head);
      // Listened for by whoever reads it; in between it must not end the process.
      socket.on('error', () => {});
      resolve({ kind: 'open', socket });
    });
    request.once('response', (response) => {
      const { statusCode = 0, headers: answered } = response;
      text(response)
        .then((body) => {
          const refusal = { statusCode, retryAfter: answered['retry-after'], text: body };
          resolve({ kind: 'refused', refusal });
        }, reject)
        .finally(settled);
    });
    request.end();
  });
}
