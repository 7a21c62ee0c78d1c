import { expect, test } from 'vitest';
import { electionReadiness } from '../../../src/commands/run/election.ts';
import type { Config } from '../../../src/config/config.ts';

type Elections = NonNullable<ReturnType<Parameters<typeof electionReadiness>[1]>>;

const config = (by: 'lease' | 'redis'): Config =>
  ({ election: { by }, zones: [{ name: 'a' }, { name: 'b' }] }) as unknown as Config;

function elections(obstacles: Record<string, string>, usable: number, problems: readonly string[]): Elections {
  return {
    election: { campaign: (zone: string) => ({ obstacle: obstacles[zone] }) },
    onRedis: { state: () => ({ servers: 3, majority: 2, usable, problems }) },
  } as unknown as Elections;
}

const told = (by: 'lease' | 'redis', now: Elections | undefined) =>
  electionReadiness(config(by), () => now).map(({ name, check }) => ({ name, ...check() }));

test('a replica without a majority of its Redis servers is not ready, and says which ones fail and why', () => {
  const now = elections({ a: 'the lock cannot be read' }, 1, [
    'redis://r1 is loading',
    'redis://r2 refuses connections',
  ]);
  expect(told('redis', now)).toEqual([
    { name: 'election', ok: true, detail: 'zone a: the lock cannot be read' },
    {
      name: 'redis',
      ok: false,
      detail: '1 of 3 servers are usable, 2 needed; redis://r1 is loading; redis://r2 refuses connections',
    },
  ]);
});

test('a minority that is away is told and makes nobody unready', () => {
  expect(told('redis', elections({}, 2, ['redis://r1 is loading']))).toEqual([
    { name: 'election', ok: true },
    { name: 'redis', ok: true, detail: '2 of 3 servers are usable, 2 needed; redis://r1 is loading' },
  ]);
});

test('a replica that waits for the other kind of election is ready, or a rolling update would wait for it', () => {
  expect(told('lease', elections({ b: 'the set elects by redis still' }, 0, []))).toEqual([
    { name: 'election', ok: true, detail: 'zone b: the set elects by redis still' },
  ]);
});

test('before the cluster has answered nothing is known of Redis', () => {
  expect(told('redis', undefined)).toEqual([
    { name: 'election', ok: true },
    { name: 'redis', ok: false },
  ]);
});
