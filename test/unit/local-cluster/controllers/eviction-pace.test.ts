import { expect, test } from 'vitest';
import {
  createEvictionPace,
  type EvictionPace,
} from '../../../../src/local-cluster/controllers/nodes/eviction-pace.ts';
import { DEFAULT_SETTINGS } from '../../../../src/local-cluster/controllers/settings.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

interface Pacing {
  readonly clock: VirtualClock;
  readonly pace: EvictionPace;
  /** Whose turn it was, so far. */
  readonly turns: string[];
  /** Says of each zone how many nodes are ready and how many are not. */
  judge(zones: Readonly<Record<string, readonly [ready: number, notReady: number]>>): string;
}

function startPacing(): Pacing {
  const clock = new VirtualClock();
  const turns: string[] = [];
  const pace = createEvictionPace({ clock, settings: DEFAULT_SETTINGS, onTurn: (node) => turns.push(node) });
  return {
    clock,
    pace,
    turns,
    judge(zones) {
      const states = Object.entries(zones).map(([zone, [ready, notReady]]) => {
        const all = [...Array.from({ length: ready }, () => true), ...Array.from({ length: notReady }, () => false)];
        return [zone, all] as const;
      });
      return pace.judge(new Map(states));
    },
  };
}

test('the nodes of a zone go one after another, ten seconds apart; zones do not wait for each other', async () => {
  const { clock, pace, turns, judge } = startPacing();
  judge({ a: [3, 0], b: [3, 0] });
  for (const node of ['a1', 'a2', 'a1']) pace.add('a', node);
  pace.add('b', 'b1');
  expect(turns).toEqual([]);
  judge({ a: [1, 2], b: [2, 1] });
  expect([...turns].sort()).toEqual(['a1', 'b1']);
  await clock.advance(9_900);
  expect(turns).toHaveLength(2);
  await clock.advance(200);
  expect(turns.slice(2)).toEqual(['a2']);
  pace.close();
  expect(clock.pending).toBe(0);
});

test('a node that is back before its turn has none', async () => {
  const { clock, pace, turns, judge } = startPacing();
  for (const node of ['a1', 'a2']) pace.add('a', node);
  judge({ a: [1, 2] });
  pace.remove('a2');
  await clock.advance(60_000);
  expect(turns).toEqual(['a1']);
});

test('a small zone most of which is down is left alone, a large one is slowed', async () => {
  const { clock, pace, turns, judge } = startPacing();
  judge({ small: [5, 0], large: [100, 0] });
  for (const node of ['s1', 's2']) pace.add('small', node);
  for (const node of ['l1', 'l2']) pace.add('large', node);
  judge({ small: [2, 3], large: [40, 60] });
  await clock.advance(60_000);
  expect(turns).toEqual(['l1']);
  await clock.advance(60_000);
  expect(turns).toEqual(['l1', 'l2']);
  // It recovers, but for one: at the ordinary pace again.
  judge({ small: [4, 1], large: [99, 1] });
  await clock.advance(10_100);
  expect(turns).toEqual(['l1', 'l2', 's1']);
});

test('a zone that is down as a whole goes at the ordinary pace as long as another is up', async () => {
  const { clock, pace, turns, judge } = startPacing();
  judge({ a: [1, 0], b: [1, 0] });
  pace.add('a', 'a1');
  expect(judge({ a: [0, 1], b: [1, 0] })).toBe('none');
  await clock.advance(0);
  expect(turns).toEqual(['a1']);
});

test('with every zone down nothing goes, until one is back', async () => {
  const { clock, pace, turns, judge } = startPacing();
  judge({ a: [1, 0], b: [1, 0] });
  for (const [zone, node] of [
    ['a', 'a1'],
    ['b', 'b1'],
  ] as const) {
    pace.add(zone, node);
  }
  expect(judge({ a: [0, 1], b: [0, 1] })).toBe('all are down');
  expect(judge({ a: [0, 1], b: [0, 1] })).toBe('none');
  await clock.advance(600_000);
  expect(turns).toEqual([]);
  expect(judge({ a: [0, 1], b: [1, 0] })).toBe('some are back');
  pace.remove('b1');
  await clock.advance(9_900);
  expect(turns).toEqual([]);
  await clock.advance(200);
  expect(turns).toEqual(['a1']);
});
