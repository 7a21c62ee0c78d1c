import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ZoneState } from '../../../../src/provider/contract.ts';
import { JUDGEMENT, judge, type Memory, NO_JUDGEMENT } from '../../../../src/zone/health/judgement.ts';

/** A backend that is looked at every `everyMs`. */
class Watched {
  memory: Memory = NO_JUDGEMENT;
  at = 0;

  sees(state: ZoneState, forMs: number, everyMs = 2_000): this {
    for (const end = this.at + forMs; this.at < end; this.at += everyMs) {
      this.memory = judge(this.memory, { state, evidence: `saw ${state}` }, this.at);
    }
    return this;
  }

  /** Until the judgement is another one; how long that took. */
  until(state: ZoneState, sees: ZoneState): number {
    const begun = this.at;
    while (this.memory.state !== state && this.at - begun < 900_000) this.sees(sees, 1_000, 1_000);
    expect(this.memory.state).toBe(state);
    return this.at - begun;
  }
}

test('the first answer is believed at once; a backend that never answered is down after a while, not before', () => {
  expect(new Watched().sees('Up', 1).memory.state).toBe('Up');
  expect(new Watched().sees('NoNew', 1).memory.state).toBe('NoNew');
  const silent = new Watched().sees('Unknown', 9_000);
  expect(silent.memory.state).toBe('Unknown');
  expect(silent.sees('Unknown', 4_000).memory).toMatchObject({ state: 'Down', evidence: 'saw Unknown' });
});

test('a backend is down after ten seconds without an answer, and after as many of its own word', () => {
  for (const bad of ['Unknown', 'Down'] as const) {
    const watched = new Watched().sees('Up', 60_000);
    expect(watched.until('Down', bad)).toBe(11_000);
    expect(watched.memory.evidence).toBe(`saw ${bad}`);
  }
});

test('two failures that are far apart condemn nobody, and one answer in between begins the count anew', () => {
  const watched = new Watched().sees('Up', 2_000);
  watched.sees('Unknown', 1).sees('Up', 4_000).sees('Unknown', 8_000).sees('Up', 1).sees('Unknown', 8_000);
  expect(watched.memory.state).toBe('Up');
  const rare = new Watched().sees('Up', 2_000);
  expect(rare.sees('Unknown', 20_000, 12_000).memory.state).toBe('Up');
});

test('no new pods is believed at once; that there is room again soon, however often a backend is full', () => {
  const watched = new Watched().sees('Up', 10_000);
  for (let round = 0; round < 5; round++) {
    watched.sees('NoNew', 1);
    expect(watched.memory.state).toBe('NoNew');
    expect(watched.until('Up', 'Up')).toBe(6_000);
  }
});

test('recovery takes longer than failure, and a failure in between begins it anew', () => {
  const watched = new Watched().sees('Up', 10_000);
  watched.until('Down', 'Unknown');
  watched.sees('Up', 14_000).sees('Unknown', 1);
  expect(watched.memory.state).toBe('Down');
  expect(watched.until('Up', 'Up')).toBe(16_000);
});

test('every relapse doubles the time until trust, up to five minutes; a long calm forgets them', () => {
  const watched = new Watched().sees('Up', 10_000);
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    watched.until('Down', 'Unknown');
    times.push(watched.until('Up', 'Up'));
    watched.sees('Up', 20_000);
  }
  expect(times).toEqual([16_000, 31_000, 61_000, 121_000, 241_000, 301_000, 301_000]);
  watched.sees('Up', JUDGEMENT.forgetMs);
  watched.until('Down', 'Unknown');
  expect(watched.until('Up', 'Up')).toBe(16_000);
});

test('whatever is observed, a backend that was down is trusted again at most six times in ten minutes', () => {
  const states = fc.constantFrom<ZoneState>('Up', 'NoNew', 'Down', 'Unknown');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(states, fc.integer({ min: 1, max: 20 })), { minLength: 50, maxLength: 200 }),
      (runs) => {
        const watched = new Watched();
        const improvements: number[] = [];
        for (const [state, count] of runs) {
          for (let i = 0; i < count; i++) {
            const before = watched.memory.state;
            watched.sees(state, 2_000);
            const isBetter = watched.memory.state !== 'Down' && before === 'Down';
            if (isBetter) improvements.push(watched.at);
          }
        }
        for (const at of improvements) {
          const within = improvements.filter((other) => other <= at && at - other < 600_000);
          expect(within.length).toBeLessThanOrEqual(6);
        }
      },
    ),
    { numRuns: 200, seed: 1 },
  );
});
