/** The zone's own reports. */
import { describe, expect, it } from 'vitest';
import { readQuantity } from '../../quantity.ts';
import type { ZoneReport } from '../contract.ts';
import type { ConformanceHarness } from './harness.ts';
import { onStage, type Stage } from './stage.ts';

export function zoneReporting(harness: ConformanceHarness): void {
  describe('zone reports', () => {
    it(
      'come at once, with a size that Kubernetes can read',
      onStage(harness, async (stage) => {
        const reports = collect(stage);
        await stage.eventually('the zone is reported Up', () => reports.at(-1)?.state === 'Up');
        const last = reports.at(-1);
        expect(last?.evidence).not.toBe('');
        for (const resources of [last?.capacity, last?.allocatable, last?.largestPod]) {
          for (const quantity of Object.values(resources ?? {}))
            expect(readQuantity(quantity)?.nanos).toBeGreaterThanOrEqual(0n);
        }
      }),
    );

    it(
      'come at least every 10 s',
      onStage(harness, async (stage) => {
        if (stage.backend.advance === undefined) return stage.skip("the backend's clock is the real one");
        const reports = collect(stage);
        await stage.eventually('the first is there', () => reports.length > 0);
        for (let i = 0; i < 5; i++) {
          const before = reports.length;
          await stage.advance(10_000);
          expect(reports.length).toBeGreaterThan(before);
        }
      }),
    );

    it(
      'say Unknown of a backend that cannot be reached, and Up again afterwards',
      onStage(harness, async (stage) => {
        const cut = stage.backend.unreachable?.bind(stage.backend);
        if (cut === undefined) return stage.skip('the harness cannot cut the backend off');
        const reports = collect(stage);
        await stage.eventually('the zone is reported Up', () => reports.at(-1)?.state === 'Up');
        await cut(true);
        await stage.eventually('the zone is reported Unknown', () => reports.at(-1)?.state === 'Unknown');
        expect(reports.at(-1)?.evidence).not.toBe('');
        await cut(false);
        await stage.eventually('the zone is reported Up again', () => reports.at(-1)?.state === 'Up');
      }),
    );

    it(
      'say NoNew of a backend that takes no new pods',
      onStage(harness, async (stage) => {
        const full = stage.backend.noNewPods?.bind(stage.backend);
        if (full === undefined) return stage.skip('the harness cannot make the backend refuse new pods');
        const reports = collect(stage);
        await full(true);
        await stage.eventually('the zone is reported NoNew', () => reports.at(-1)?.state === 'NoNew');
      }),
    );
  });
}

function collect(stage: Stage): readonly ZoneReport[] {
  const reports: ZoneReport[] = [];
  void (async () => {
    for await (const report of stage.provider.zoneReports(stage.signal)) reports.push(report);
  })();
  return reports;
}
