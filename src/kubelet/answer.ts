/** A short answer in words. */
import type { ServerResponse } from 'node:http';

export function answer(response: ServerResponse, status: number, message: string): void {
  // A body that was sent along is not read: the connection cannot be used again.
  if (status !== 200) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  response.end(message);
}
