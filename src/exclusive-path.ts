/** One process at a time on a file or folder that a second one would spoil. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { resolve } from 'node:path';
import { ZoneletError } from './errors.ts';

/**
 * Held by a socket whose name is not in the file system: the kernel frees it with the process, however that ends.
 * Throws `Conflict` when another process holds `path` as the same `kind` (a word for the socket's name); `taken` says so
 * to people. Only Linux has such names; elsewhere nothing is held.
 */
export async function holdPath(kind: string, path: string, taken: string): Promise<AsyncDisposable> {
  if (platform() !== 'linux') return { async [Symbol.asyncDispose]() {} };
  const name = createHash('sha256').update(resolve(path)).digest('hex').slice(0, 40);
  const holder = createServer((socket) => socket.destroy());
  const held = Promise.withResolvers<void>();
  holder.once('error', (cause: NodeJS.ErrnoException) => {
    held.reject(cause.code === 'EADDRINUSE' ? new ZoneletError('Conflict', taken, { cause }) : cause);
  });
  holder.listen({ path: `\0zonelet-${kind}-${name}` }, () => held.resolve());
  await held.promise;
  holder.unref();
  return { [Symbol.asyncDispose]: () => new Promise<void>((done) => holder.close(() => done())) };
}
