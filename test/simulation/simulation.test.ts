import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

interface Result {
  readonly seeds: number;
  readonly hours: number;
  readonly violations: number;
  readonly traceHash: string;
}

async function simulate(...args: readonly string[]): Promise<Result> {
  const program = `${import.meta.dirname}/simulate.ts`;
  const { stdout } = await promisify(execFile)(process.execPath, [program, '--json', ...args]);
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
  expect(await simulate('--seeds', '40')).toMatchObject({ seeds: 40, violations: 0 });
});
