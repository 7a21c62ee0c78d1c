/** Builds what is published: type stripping at run time costs memory that users do not pay. */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

/** Program and first arguments of the built `zonelet`. */
export async function buildZonelet(): Promise<readonly string[]> {
  // A file that is no longer built must not be measured.
  await rm(join(ROOT, 'dist'), { recursive: true, force: true });
  const compiler = join(ROOT, 'node_modules/.bin/tsc');
  const child = spawn(compiler, ['-p', '.tsconfig.build.json'], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
  if (status !== 0) throw new Error(`the build failed with status ${status}`);
  return [process.execPath, join(ROOT, 'dist/src/main.js')];
}
