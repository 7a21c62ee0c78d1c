import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
/** Tells what a process begins with. */
const TELL = `data:text/javascript,${encodeURIComponent('process.stderr.write("begun with " + process.env.MALLOC_ARENA_MAX + "\\n")')}`;

function begun(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { MALLOC_ARENA_MAX: _, MALLOC_TRIM_THRESHOLD_: __, ...inherited } = process.env;
  const { status, stderr } = spawnSync(process.execPath, ['--import', TELL, MAIN, ...args], {
    encoding: 'utf8',
    env: { ...inherited, ...env },
  });
  return { status, stderr, with: [...stderr.matchAll(/begun with (\w+)/g)].map((match) => match[1]) };
}

describe.skipIf(process.platform !== 'linux')('the allocator of a replica', () => {
  const wrong = ['run', '--config', '/there/is/none.yaml'];

  it('is told to give back what is freed, in a process that begins again with the same arguments', () => {
    const { status, stderr, with: told } = begun(wrong);
    expect(told).toEqual(['undefined', '1']);
    expect(stderr).toContain('/there/is/none.yaml');
    expect(status).not.toBe(0);
  });

  it('is left as whoever started it has set it', () => {
    expect(begun(wrong, { MALLOC_ARENA_MAX: '4' }).with).toEqual(['4']);
  });

  it('is no matter of other commands, which are over soon', () => {
    expect(begun(['--version']).with).toEqual(['undefined']);
  });
});
