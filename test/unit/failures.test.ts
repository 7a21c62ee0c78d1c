import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FOLDER = join(import.meta.dirname, '../scenarios');
/** Rows of the table of failures that the set is designed for. */
const FAILURES = 19;

interface Named {
  readonly failure: string;
  readonly file: string;
  readonly test: string;
}

function named(): Named[] {
  const rows = readFileSync(join(FOLDER, 'README.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (failure|-+) /.test(line));
  return rows.flatMap((row) => {
    const [, failure = '', , tests = ''] = row.split('|').map((cell) => cell.trim());
    return tests.split('<br>').map((each) => {
      const [, file = '', name = ''] = /^`([^`]+)`: (.+)$/.exec(each) ?? [];
      return { failure, file, test: name };
    });
  });
}

test('every failure names tests that are there', () => {
  const all = named();
  expect(new Set(all.map(({ failure }) => failure)).size).toBe(FAILURES);
  const missing = all.filter(({ file, test: name }) => {
    const path = join(FOLDER, `${file}.test.ts`);
    if (name === '' || !existsSync(path)) return true;
    const text = readFileSync(path, 'utf8');
    return ![`'${name}'`, `"${name}"`].some((quoted) => text.includes(quoted));
  });
  expect(missing).toEqual([]);
});
