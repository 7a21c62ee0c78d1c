import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** A Node that is too old, where this machine has one beside the one that the checkout brings. */
function olderNode(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return folders
    .map((folder) => join(folder, 'node'))
    .find((path) => {
      if (!existsSync(path)) return false;
      const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
      return Number(/^v(\d+)/.exec(stdout)?.[1] ?? 99) < 24;
    });
}

describe('the package', () => {
  let folder: string;
  let main: string;
  let files: string[];

  beforeAll(() => {
    // Inside node_modules, so that what it depends on is found as in an installation.
    const cache = join(ROOT, 'node_modules/.cache');
    mkdirSync(cache, { recursive: true });
    folder = mkdtempSync(join(cache, 'package-'));
    const told = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT, encoding: 'utf8' });
    const packed: unknown = JSON.parse(told.slice(told.indexOf('[') < 0 ? told.indexOf('{') : told.indexOf('[')));
    files = listed(packed);
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
    execFileSync('tar', ['-xzf', join(folder, tarball), '-C', folder]);
    main = join(folder, 'package/dist/src/main.js');
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('runs as published JavaScript', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--help'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Usage: zonelet COMMAND');
    for (const command of ['run', 'backend', 'demo', 'local-cluster']) {
      expect(spawnSync(process.execPath, [main, command, '--help'], { encoding: 'utf8' }).status, command).toBe(0);
    }
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(spawnSync(process.execPath, [main, '--version'], { encoding: 'utf8' }).stdout).toBe(`${version}\n`);
  });

  test('carries what it needs and nothing else', () => {
    expect(files).toEqual(expect.arrayContaining(['dist/src/main.js', 'README.md', 'LICENSE', 'CHANGELOG.md']));
    expect(files).toEqual(expect.arrayContaining(['src/config/zonelet.schema.json', 'dist/src/provider/public.d.ts']));
    expect(files.filter((file) => /\.test\.|^test\/|node_modules/.test(file))).toEqual([]);
  });

  test.skipIf(olderNode() === undefined)('says plainly on an older Node what it needs', () => {
    const { status, stderr } = spawnSync(olderNode() ?? '', [main, '--help'], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('zonelet needs Node 24 or newer');
    expect(stderr).not.toContain('    at ');
  });
});

/** npm answers with a list of packages, or with a map of them, by its version. */
function listed(packed: unknown): string[] {
  const [first] = Object.values(packed as Record<string, { files: { path: string }[] }>);
  return (first?.files ?? []).map(({ path }) => path);
}
