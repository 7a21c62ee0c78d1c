import { expect, test } from 'vitest';
import { handOver } from '../../../src/commands/operator/hand-over.ts';
import { annotate, common, HOLD, leaderOf, settled, zoneOf } from './operator.ts';
import { type RunningSet, startSet } from './set.ts';

function give(set: RunningSet, zone: string, to?: string) {
  return settled(set, handOver({ ...common(set), zone: zoneOf(zone), to }));
}

test('a zone that was handed over by hand stays there, until somebody hands it home', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  expect(await give(set, 'a', 'rb')).toMatchObject({ from: 'ra', to: 'rb' });
  await set.stage.run(300_000);
  expect(leaderOf(set, 'a')).toBe('rb');
  expect(await set.events('a')).toContain('HandOver: ra hands zone a over to rb, as ann@desk asked.');
  expect((await give(set, 'a')).to).toBe('ra');
  expect(leaderOf(set, 'a')).toBe('ra');
});

test('what cannot be done is refused, with the reason for whoever asked and as an Event', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  await expect(give(set, 'a', 'rx')).rejects.toThrow('has no replica "rx"; alive are: ra, rb, rc');
  set.members[1]?.election.candidates.drain('node m is cordoned');
  await set.stage.run(5_000);
  await expect(give(set, 'a', 'rb')).rejects.toThrow('rb takes no zones: node m is cordoned');
  // By hand, past the command, or long ago.
  await annotate(set, 'a', { 'zonelet.dev/handover-to': 'rb' });
  await set.stage.run(5_000);
  const at = new Date(set.stage.clock.now() - 120_000).toISOString();
  await annotate(set, 'a', { 'zonelet.dev/handover-to': JSON.stringify({ id: '1', by: 'bob', at, to: 'rc' }) });
  await set.stage.run(5_000);
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/handover-to']).toBeUndefined();
  const refused = (await set.events('a')).filter((text) => text.startsWith('HandOverRefused'));
  expect(refused).toEqual([
    expect.stringContaining('bob asked to hand zone a over: the request of'),
    expect.stringContaining('it is not what "zonelet handover" writes'),
  ]);
  expect(leaderOf(set, 'a')).toBe('ra');
});

test('asked from a machine whose clock is half a minute off', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  const { clock } = set.stage;
  for (const offMs of [-30_000, 30_000]) {
    const wrong = Object.assign(Object.create(clock) as typeof clock, {
      now: () => clock.now() + offMs,
      monotonic: () => clock.monotonic(),
      setTimer: (delayMs: number, run: () => void) => clock.setTimer(delayMs, run),
    });
    const from = leaderOf(set, 'a');
    const done = await settled(set, handOver({ ...common(set), clock: wrong, zone: zoneOf('a'), to: undefined }));
    expect(done.from).toBe(from);
    expect(leaderOf(set, 'a')).toBe(done.to);
    await set.stage.run(5_000);
  }
});

test('nobody leads: nobody can hand over, and nothing is left on the Node', async () => {
  await using set = await startSet({ onZoneDown: HOLD });
  await set.stage.run(10_000);
  for (const { clock } of set.members) clock.freeze();
  await set.stage.run(20_000);
  await expect(give(set, 'a')).rejects.toThrow('no replica of set shop is alive');
  expect((await set.node('a')).metadata?.annotations?.['zonelet.dev/handover-to']).toBeUndefined();
});
