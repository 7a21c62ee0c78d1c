/** Builds the candidate of `main.go` into the cache: Go's own cache makes that a second when nothing has changed. */
import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../kubernetes/binaries.ts';

/** Path of the program; undefined where there is no Go. Throws when it does not build. */
export async function buildCandidate(): Promise<string | undefined> {
  if (spawnSync('go', ['version']).status !== 0) return undefined;
  const program = join(dirname(cacheFolder()), 'client-go-election');
  await mkdir(dirname(program), { recursive: true });
  const args = ['build', '-o', program, '-trimpath', '-ldflags', '-s -w', '.'];
  const { status } = spawnSync('go', args, {
    cwd: import.meta.dirname,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, GOFLAGS: '-mod=readonly' },
  });
  if (status !== 0) throw new Error(`go ${args.join(' ')} failed in ${import.meta.dirname}`);
  return program;
}
