/** How the backend answers: JSON, errors with their code, streams no faster than they are read. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { codeOf, messageOf, ZoneletError } from '../../../src/errors.ts';
import { Fenced } from '../../../src/provider/fenced.ts';
import { type ErrorAnswer, JSON_TYPE, STATUS_OF } from '../protocol.ts';
import { Refused, UnsupportedPod } from './refusals.ts';

export function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

export function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    // A stream that breaks off must not look like its end.
    response.destroy();
    return;
  }
  const code = codeOf(error);
  const body: ErrorAnswer = {
    error: {
      code,
      // What is not one of our own errors may say anything, also what is nobody's business.
      message: error instanceof ZoneletError ? messageOf(error) : 'the backend failed; its log says how',
      ...(error instanceof Fenced ? { current: error.current } : {}),
      ...(error instanceof UnsupportedPod ? { unsupported: error.unsupported } : {}),
    },
  };
  const status = error instanceof Refused ? error.status : STATUS_OF[code];
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  answer(response, status, body);
}

/** Writes and waits until the reader has room again. False once nobody reads any more. */
export async function write(response: ServerResponse, chunk: string | Uint8Array): Promise<boolean> {
  if (response.destroyed) return false;
  if (!response.write(chunk)) {
    const closed = new AbortController();
    const onClose = (): void => closed.abort();
    response.once('close', onClose);
    try {
      await once(response, 'drain', { signal: closed.signal });
    } catch {
      return false;
    } finally {
      response.off('close', onClose);
    }
  }
  return !response.destroyed;
}
