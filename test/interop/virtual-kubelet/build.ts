/** `npm run interop:build`: Virtual Kubelet's suite (`e2e_test.go`), from Go's module proxy into the cache. */
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SUITE } from './program.ts';

if (spawnSync('go', ['version']).status === 0) {
  await mkdir(dirname(SUITE), { recursive: true });
  // Go's own cache makes this a second when nothing has changed.
  const args = ['test', '-c', '-o', SUITE, '.'];
  const { status } = spawnSync('go', args, {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    env: { ...process.env, GOFLAGS: '-mod=readonly' },
  });
  if (status !== 0) console.error(`go ${args.join(' ')} failed in ${import.meta.dirname}`);
  process.exitCode = status ?? 1;
} else {
  console.error('Go 1.26 or newer is needed to build it, and "go version" does not run: see https://go.dev/dl');
  process.exitCode = 1;
}
