/**
 * Work that is done once and needs a large library: a child process does it and takes the memory with it when it ends.
 * One message goes in, one comes out.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { messageOf, ZoneletError } from './errors.ts';

export interface ChildTaskOptions {
  /** Module of the child, without its extension, which is that of the caller: `.ts` in a checkout, `.js` in the package. */
  readonly entry: string;
  /** `import.meta.url` of the caller, which `entry` is relative to. */
  readonly from: string;
  /** For error messages, completing "... failed". */
  readonly what: string;
  /** @defaultValue the own environment */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Kills the child. */
  readonly signal?: AbortSignal;
}

/** Throws `Unavailable` when no process could be started or it was ended by the signal, `Internal` when it failed. */
export async function runInChild<Request extends object, Result>(
  request: Request,
  options: ChildTaskOptions,
): Promise<Result> {
  const { entry, from, what, env, signal } = options;
  const extension = from.slice(from.lastIndexOf('.'));
  return await new Promise<Result>((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(`${entry}${extension}`, from)), [], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      killSignal: 'SIGKILL',
      ...(env === undefined ? {} : { env }),
      ...(signal === undefined ? {} : { signal }),
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.once('error', (cause) => {
      reject(new ZoneletError('Unavailable', `${what} failed: ${messageOf(cause)}`, { cause }));
    });
    child.once('message', (message) => resolve(message as Result));
    child.once('exit', (code) => {
      reject(new ZoneletError('Internal', `${what} failed (exit ${code}): ${stderr.trim()}`));
    });
    child.send(request);
  });
}
