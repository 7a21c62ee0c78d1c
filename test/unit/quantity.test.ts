import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantity,
  quantityMilliValue,
  quantityValue,
  readQuantity,
  subtractQuantities,
} from '../../src/quantity.ts';

describe('reading', () => {
  it.each([
    ['0', 0],
    ['64', 64],
    ['+1', 1],
    ['-1', -1],
    ['500m', 0.5],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['100n', 1e-7],
    ['2u', 2e-6],
    ['1k', 1000],
    ['3M', 3e6],
    ['1Ki', 1024],
    ['256Gi', 256 * 2 ** 30],
    ['0.5Gi', 2 ** 29],
    ['1E', 1e18],
    ['1e3', 1000],
    ['1E3', 1000],
    ['15e-1', 1.5],
    ['2Ei', 2 * 2 ** 60],
  ])('%s is %d', (text, expected) => {
    expect(parseQuantity(text)).toBe(expected);
  });

  it.each(['', ' 1', '1 ', '1 Gi', 'Gi', '1gi', '1K', '1KB', '1e', '1ee3', '0x10', '1,5', '1.2.3', '.', '--1', '1e3k'])(
    '%j is refused',
    (text) => {
      expect(readQuantity(text)).toBeUndefined();
      expect(() => parseQuantity(text)).toThrow('is not a Kubernetes quantity');
    },
  );

  it('rounds up what is finer than 10^-9 and cuts off beyond 2^63-1', () => {
    expect(quantity('0.1n').nanos).toBe(1n);
    expect(formatQuantity(quantity('100E'))).toBe('9223372036854775807');
  });
});

describe('rounding up, as the scheduler does', () => {
  it.each([
    ['1.5', 2, 1500],
    ['1m', 1, 1],
    ['1u', 1, 1],
    ['0.0001', 1, 1],
    ['-1.5', -1, -1500],
    ['2Ki', 2048, 2_048_000],
  ])('%s', (text, value, milli) => {
    expect(quantityValue(text)).toBe(value);
    expect(quantityMilliValue(text)).toBe(milli);
  });
});

describe('writing', () => {
  it.each([
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['0.5', '500m'],
    ['2000', '2k'],
    ['1024Mi', '1Gi'],
    ['1536Mi', '1536Mi'],
    ['0.5Gi', '512Mi'],
    ['1Ki', '1Ki'],
    ['0.5Ki', '512'],
    ['1.5Mi', '1536Ki'],
    ['1000Ki', '1000Ki'],
    ['2000e0', '2e3'],
    ['5e0', '5'],
    ['0Gi', '0'],
    ['-2000', '-2k'],
  ])('%s becomes %s', (text, canonical) => {
    expect(formatQuantity(quantity(text))).toBe(canonical);
  });

  it('says the same amount that it was given', () => {
    const suffix = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e2');
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), suffix, (amount, unit) => {
        const read = quantity(`${amount}${unit}`);
        expect(quantity(formatQuantity(read)).nanos).toBe(read.nanos);
      }),
    );
  });
});

describe('arithmetic', () => {
  it('adds a hundred thousand tenths without drift', () => {
    expect(addQuantities(...Array.from({ length: 100_000 }, () => '100m'))).toBe('10k');
  });

  it('keeps the format of the first amount', () => {
    expect(addQuantities('0', '1Gi', '1Gi')).toBe('2Gi');
    expect(addQuantities()).toBe('0');
    expect(subtractQuantities('1Gi', '512Mi')).toBe('512Mi');
  });

  it('compares across suffixes', () => {
    expect(compareQuantities('1000m', '1')).toBe(0);
    expect(compareQuantities('1G', '1Gi')).toBe(-1);
    expect(compareQuantities('1025', '1Ki')).toBe(1);
  });
});
