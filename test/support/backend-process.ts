/** `zonelet backend` as a process of its own, to be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { env, execPath } from 'node:process';

const MAIN = `${import.meta.dirname}/../../src/main.ts`;

export interface BackendProcess extends AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
  /** What it wrote to stdout so far. */
  readonly stdout: string;
  /** Sends the signal and resolves with the exit status, null after a signal's death. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** Resolves once it listens; rejects with what it complained of when it ends instead. */
export async function startBackendProcess(args: readonly string[]): Promise<BackendProcess> {
  const child = spawn(execPath, [MAIN, 'backend', '--listen', '127.0.0.1:0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  let stdout = '';
  let stderr = '';
  const exited = once(child, 'close').then(([status]) => status as number | null);
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      const found = /listening on (\S+)\n/.exec(stdout)?.[1];
      if (found !== undefined) resolve(found);
    });
    void exited.then((status) => reject(new Error(`the backend ended with ${status}: ${stderr}`)));
  });
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return await exited;
  };
  return {
    url,
    child,
    get stdout() {
      return stdout;
    },
    kill,
    async [Symbol.asyncDispose]() {
      await kill('SIGKILL');
    },
  };
}
