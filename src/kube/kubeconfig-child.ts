/** Entry point of the child process that resolves a kubeconfig: file paths come in as a message, what they say goes out as one. */
import process from 'node:process';
import type { ResolveRequest } from './kubeconfig.ts';
import { resolveKubeconfig } from './kubeconfig-resolution.ts';

process.once('message', (request: ResolveRequest) => {
  resolveKubeconfig(request, process.env).then(
    (result) => process.send?.(result, () => process.disconnect()),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exitCode = 1;
      process.disconnect();
    },
  );
});
