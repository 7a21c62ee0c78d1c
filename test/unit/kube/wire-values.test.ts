import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLineSplitter } from '../../../src/kube/line-splitter.ts';
import { formatMicroTime, formatTime, parseTime } from '../../../src/kube/micro-time.ts';
import { createOrderedKeys } from '../../../src/kube/ordered-keys.ts';
import { compareResourceVersions, isOlder } from '../../../src/kube/resource-version.ts';

describe('times', () => {
  test('are written as the API server takes them', () => {
    const at = Date.UTC(2026, 10, 28, 7, 5, 9, 42);
    expect(formatMicroTime(at)).toBe('2026-11-28T07:05:09.042000Z');
    expect(formatMicroTime(at + 0.25)).toBe('2026-11-28T07:05:09.042250Z');
    expect(formatTime(at)).toBe('2026-11-28T07:05:09Z');
  });

  test('are read with any fraction and zone; what is no time is none', () => {
    const at = Date.UTC(2026, 10, 28, 7, 5, 9);
    expect(parseTime('2026-11-28T07:05:09Z')).toBe(at);
    expect(parseTime('2026-11-28T09:05:09.042250+02:00')).toBeCloseTo(at + 42.25, 3);
    for (const text of [undefined, '', 'soon', '2026-11-28', '2026-11-28 07:05:09Z', '2026-13-01T00:00:00Z']) {
      expect(parseTime(text)).toBeUndefined();
    }
  });
});

test('resource versions are numbers of any length; others have no order', () => {
  expect(compareResourceVersions('9', '10')).toBeLessThan(0);
  expect(compareResourceVersions('18446744073709551616', '18446744073709551615')).toBeGreaterThan(0);
  expect(compareResourceVersions('abc', 'abc')).toBe(0);
  expect(compareResourceVersions('abc', '1')).toBeUndefined();
  expect(compareResourceVersions('01', '1')).toBeUndefined();
  expect(isOlder('9', '10')).toBe(true);
  expect(isOlder('', '10')).toBe(false);
  fc.assert(
    fc.property(fc.bigInt({ min: 0n }), fc.bigInt({ min: 0n }), (a, b) => {
      expect(isOlder(String(a), String(b))).toBe(a < b);
    }),
  );
});

test('lines come out whole however the bytes are cut', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 }).map((s) => s.replaceAll('\n', ''));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), text, fc.array(fc.nat({ max: 9 })), (lines, rest, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join('') + rest);
      const splitter = createLineSplitter();
      const got: string[] = [];
      let at = 0;
      for (const size of [...cuts, bytes.length]) {
        got.push(...splitter.push(bytes.subarray(at, at + size)));
        at += size;
      }
      const clean = (line: string): string => Buffer.from(line).toString();
      expect(got).toEqual(lines.filter((line) => line !== '').map(clean));
      expect(splitter.rest()).toBe(clean(rest));
    }),
    { numRuns: 40 },
  );
});

test('a line of keys keeps its order, holds each key once, and lets any go', () => {
  const step = fc.record({ kind: fc.constantFrom('add', 'delete', 'shift'), key: fc.constantFrom('a', 'b', 'c', 'd') });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const line = createOrderedKeys();
      let model: string[] = [];
      for (const { kind, key } of steps) {
        if (kind === 'add') {
          line.add(key);
          if (!model.includes(key)) model.push(key);
        } else if (kind === 'delete') {
          expect(line.delete(key)).toBe(model.includes(key));
          model = model.filter((k) => k !== key);
        } else expect(line.shift()).toBe(model.shift());
        expect(line.size).toBe(model.length);
        expect(line.has(key)).toBe(model.includes(key));
      }
    }),
  );
});
