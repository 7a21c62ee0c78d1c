import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { MUTATIONS } from './mutations.ts';

interface Result {
  readonly seeds: number;
  readonly hours: number;
  readonly violations: number;
  readonly traceHash: string;
}

async function simulate(...args: readonly string[]): Promise<Result> {
  const program = `${import.meta.dirname}/simulate.ts`;
  const run = promisify(execFile);
  // Exit status 1 says that invariants were broken: the story is on stderr, and belongs into the failure of the test.
  const { stdout } = await run(process.execPath, [program, '--json', ...args]).catch((error: { stderr: string }) => {
    throw new Error(error.stderr);
  });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result;
}

test('the same seeds tell the same story, byte for byte, whatever process runs them', async () => {
  const [once, again] = [
    await simulate('--seed', '7', '--seeds', '4', '--workers', '2'),
    await simulate('--seed', '7', '--seeds', '4', '--workers', '1'),
  ];
  expect(again).toEqual(once);
  expect(once).toMatchObject({ seeds: 4, hours: 0.2 });
  expect((await simulate('--seed', '8', '--seeds', '4')).traceHash).not.toBe(once.traceHash);
});

test('no invariant is broken', async () => {
  expect(await simulate('--seeds', '50')).toMatchObject({ seeds: 50, violations: 0 });
});

test('a deliberate fault in the product is found', async () => {
  const found = await simulate('--mutation', '2', '--seeds', '20');
  expect(found).toEqual({ undetected: [] });
});

test('every mutation has the text that it replaces before it', () => {
  const root = `${import.meta.dirname}/../..`;
  const astray = MUTATIONS.flatMap(({ name, patches }) =>
    patches
      .filter(({ file, from }) => readFileSync(`${root}/${file}`, 'utf8').split(from).length !== 2)
      .map(({ file, from }) => `${name}: ${file}: ${from}`),
  );
  expect(astray).toEqual([]);
});
