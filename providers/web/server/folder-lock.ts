/** One backend at a time on a folder: two would start everything twice. */

import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { ZoneletError } from '../../../src/errors.ts';

/**
 * Held by a socket whose name is not in the file system: the kernel frees it with the process, however that ends.
 * Throws `Conflict` when another process has the folder. Only Linux has such names; elsewhere nothing is held.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  if (platform() !== 'linux') return { async [Symbol.asyncDispose]() {} };
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 40);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(taken ? new ZoneletError('Conflict', `another backend works in ${folder}`, { cause: error }) : error);
    });
    server.listen({ path: `\0zonelet-backend-${name}` }, resolve);
  });
  server.unref();
  return {
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
