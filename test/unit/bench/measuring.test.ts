import { describe, expect, it } from 'vitest';
import { meetsTarget } from '../../bench/support/benchmark.ts';
import { asObject, asTable } from '../../bench/support/report.ts';
import { median, percentile, rate } from '../../bench/support/statistics.ts';
import { samplesOf, sumOf } from '../../support/prometheus-text.ts';

const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);

describe('figures of a series', () => {
  it('are percentiles by nearest rank', () => {
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile([3, 1, 2, 5, 4], 99)).toBe(5);
    expect(percentile([7], 50)).toBe(7);
    expect(percentile([], 50)).toBeNaN();
  });

  it('are medians', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([1, 2, 3, 10])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('are rates a second', () => {
    expect(rate(1_000, 4_000)).toBe(250);
  });
});

describe("an API server's metrics", () => {
  const text = [
    '# HELP apiserver_request_total Counter of requests.',
    '# TYPE apiserver_request_total counter',
    'apiserver_request_total{code="200",resource="pods",subresource="status",verb="PATCH"} 12',
    'apiserver_request_total{code="409",resource="pods",subresource="status",verb="PATCH"} 1',
    'apiserver_request_total{code="200",resource="events",subresource="",verb="POST"} 1.5e+03',
    'apiserver_request_total_other{verb="PATCH"} 99',
    'process_cpu_seconds_total 3.5 1700000000000',
    'odd{path="C:\\\\a\\"b,c}"} 1',
  ].join('\n');

  it('are read by name and summed by label', () => {
    const samples = samplesOf(text, 'apiserver_request_total');
    expect(samples).toHaveLength(3);
    expect(sumOf(samples, { verb: 'PATCH', resource: 'pods' })).toBe(13);
    expect(sumOf(samples, { resource: 'events' })).toBe(1_500);
    expect(sumOf(samples, { resource: 'secrets' })).toBe(0);
    expect(sumOf(samples)).toBe(1_513);
  });

  it('may have no labels, a timestamp, and quotes and commas in labels', () => {
    expect(samplesOf(text, 'process_cpu_seconds_total').map(({ value }) => value)).toEqual([3.5]);
    expect(samplesOf(text, 'odd')[0]?.value).toBe(1);
  });
});

describe('a report', () => {
  const run = {
    benchmark: 'pods',
    pods: 1_000,
    rounds: 3,
    report: {
      rounds: [{ live: 281.449 }],
      figures: [
        {
          name: 'live',
          value: 281.449,
          unit: 'per second' as const,
          floor: { what: 'PATCH loop', value: 562.898 },
          target: { atLeast: 250 },
        },
        { name: 'idle', value: 1.2345, unit: 'percent' as const, target: { atMost: 1 } },
      ],
    },
  };

  it('says which targets are met', () => {
    expect(run.report.figures.map((figure) => meetsTarget(figure))).toEqual([true, false]);
    expect(meetsTarget({ name: 'p50', value: Number.NaN, unit: 'ms', target: { atMost: 8 } })).toBe(false);
    expect(meetsTarget({ name: 'creates', value: 1, unit: 'count' })).toBeUndefined();
  });

  it('shows each figure with its floor and ratio', () => {
    const [, , live, idle] = asTable(run).split('\n');
    expect(live).toMatch(/^live +281 per second +563 \(PATCH loop\) +0\.5 +>= 250 +met$/);
    expect(idle).toMatch(/^idle +1\.23 percent +<= 1 +MISSED$/);
  });

  it('is the same for programs', () => {
    expect(asObject(run)).toMatchObject({
      benchmark: 'pods',
      pods: 1_000,
      figures: {
        live: { value: 281, floor: 563, ratio: 0.5, target: { atLeast: 250 }, met: true },
        idle: { value: 1.23, met: false },
      },
      eachRound: [{ live: 281 }],
    });
  });
});
