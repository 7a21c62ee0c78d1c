/** `npm run kubernetes:build`: the programs of a real control plane, from Go's module proxy into the cache. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder, KUBERNETES_VERSION, PROGRAMS } from './binaries.ts';

const VERSION_PACKAGE = 'k8s.io/component-base/version';
/** The etcd module calls its program by its folder. */
const BUILT_AS: Readonly<Record<string, string>> = { server: 'etcd' };

async function build(): Promise<number> {
  const folder = cacheFolder();
  const absent = PROGRAMS.filter((program) => !existsSync(join(folder, program)));
  if (absent.length === 0) {
    console.log(`Kubernetes ${KUBERNETES_VERSION} is in ${folder}: nothing to do`);
    return 0;
  }
  const go = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (go.status !== 0) {
    console.error(
      'Go 1.26 or newer is needed to build Kubernetes, and "go version" does not run: see https://go.dev/dl',
    );
    return 1;
  }
  console.log(`building ${absent.join(', ')} (${KUBERNETES_VERSION}, ${go.stdout.trim()}): some 4 minutes on 2 cores`);
  await mkdir(dirname(folder), { recursive: true });
  // Only what is whole gets its name, so that a build that was ended leaves nothing that looks right.
  const unfinished = await mkdtemp(join(dirname(folder), 'build-'));
  try {
    const [, major, minor] = /^v(\d+)\.(\d+)/.exec(KUBERNETES_VERSION) ?? [];
    const flags = { gitVersion: KUBERNETES_VERSION, gitMajor: major, gitMinor: minor };
    const definitions = Object.entries(flags).map(([name, value]) => `-X ${VERSION_PACKAGE}.${name}=${value}`);
    const args = ['build', '-o', `${unfinished}/`, '-trimpath', '-ldflags', `-s -w ${definitions.join(' ')}`, 'tool'];
    const cwd = join(import.meta.dirname, 'build');
    const { status } = spawnSync('go', args, {
      cwd,
      stdio: 'inherit',
      env: { ...process.env, GOFLAGS: '-mod=readonly' },
    });
    if (status !== 0) {
      console.error(`go ${args.join(' ')} failed in ${cwd}`);
      return 1;
    }
    await mkdir(folder, { recursive: true });
    for (const name of [...PROGRAMS, ...Object.keys(BUILT_AS)]) {
      const built = join(unfinished, name);
      if (existsSync(built)) await rename(built, join(folder, BUILT_AS[name] ?? name));
    }
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  console.log(`built into ${folder}`);
  return 0;
}

process.exitCode = await build();
