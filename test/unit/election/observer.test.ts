import { expect, test } from 'vitest';
import type { LockRecord } from '../../../src/election/lock.ts';
import { createObserver } from '../../../src/election/observer.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function record(version: number, epoch = 1): LockRecord {
  return {
    holder: 'x',
    epoch,
    durationMs: 6_000,
    released: false,
    handOverTo: undefined,
    ageMs: 0,
    version: String(version),
  };
}

const byVersion = { compare: (a: LockRecord, b: LockRecord) => Number(a.version) - Number(b.version) };

test('the time counts from the last change that was seen, not from the last look', async () => {
  const clock = new VirtualClock();
  const observer = createObserver(byVersion, clock, () => {});
  observer.saw(record(5));
  await clock.advance(1_000);
  await observer.read(async () => record(5));
  observer.saw(record(5));
  expect(observer.sighting?.since).toBe(0);
  expect(observer.newsAt).toBe(1_000);
  observer.saw(record(6));
  expect(observer.sighting?.since).toBe(1_000);
});

test('a watch that lags behind takes nothing back', () => {
  const observer = createObserver(byVersion, new VirtualClock(), () => {});
  observer.saw(record(7, 4));
  observer.saw(record(6, 3));
  expect(observer.sighting?.record?.version).toBe('7');
});

test('a read begun after the last news is the truth, also when a restored cluster counts anew', async () => {
  const observer = createObserver(byVersion, new VirtualClock(), () => {});
  observer.saw(record(700, 4));
  await observer.read(async () => record(20, 2));
  expect(observer.sighting?.record?.version).toBe('20');
  expect(observer.highestEpoch).toBe(4);
  await observer.read(async () => undefined);
  expect(observer.sighting?.record).toBeUndefined();
  expect(observer.sighting?.before?.record.version).toBe('20');
});

test('a read that was overtaken by the watch takes nothing back', async () => {
  const observer = createObserver(byVersion, new VirtualClock(), () => {});
  observer.saw(record(7));
  await observer.read(async () => {
    observer.saw(record(9));
    return record(8);
  });
  expect(observer.sighting?.record?.version).toBe('9');
  await observer.read(async () => {
    observer.saw(record(10));
    return undefined;
  });
  expect(observer.sighting?.record?.version).toBe('10');
});

test('doubt is told, and lasts until the next news', async () => {
  let told = 0;
  const observer = createObserver(byVersion, new VirtualClock(), () => told++);
  observer.saw(record(7));
  observer.doubt();
  expect([told, observer.doubtful]).toEqual([2, true]);
  await observer.read(async () => record(7));
  expect([told, observer.doubtful]).toEqual([2, false]);
});
