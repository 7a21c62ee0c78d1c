/** One server at a time on a data file: a second one would write the file anew under the first. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { resolve } from 'node:path';
import { ZoneletError } from '../../../errors.ts';

/**
 * Held by a socket whose name is not in the file system: the kernel frees it with the process, also after SIGKILL.
 * Throws `Conflict` when another process has the file. Only Linux has such names; elsewhere nothing is held.
 */
export async function lockFile(file: string): Promise<AsyncDisposable> {
  if (platform() !== 'linux') return { async [Symbol.asyncDispose]() {} };
  const name = createHash('sha256').update(resolve(file)).digest('hex').slice(0, 40);
  const holder = createServer((socket) => socket.destroy());
  const held = Promise.withResolvers<void>();
  holder.once('error', (cause: NodeJS.ErrnoException) => {
    const isTaken = cause.code === 'EADDRINUSE';
    held.reject(isTaken ? new ZoneletError('Conflict', `another local cluster works on ${file}`, { cause }) : cause);
  });
  holder.listen({ path: `\0zonelet-local-cluster-${name}` }, () => held.resolve());
  await held.promise;
  holder.unref();
  return { [Symbol.asyncDispose]: () => new Promise<void>((done) => holder.close(() => done())) };
}
