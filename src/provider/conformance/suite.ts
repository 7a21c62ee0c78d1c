/**
 * The conformance suite: what the provider contract says, as tests. A provider's own tests call it with a harness:
 *
 *     providerConformance('docker', { start: async () => ... });
 *
 * What a provider or a harness cannot do is skipped with the reason in the report, never passed over in silence.
 */
import { describe } from 'vitest';
import { creation } from './creation.ts';
import { deletion } from './deletion.ts';
import { faults } from './faults.ts';
import { fencing } from './fencing.ts';
import type { ConformanceHarness } from './harness.ts';
import { lifecycle } from './lifecycle.ts';
import { containerLogs } from './logs.ts';
import { reading } from './reading.ts';
import { streams } from './streams.ts';
import { usage } from './usage.ts';
import { validation } from './validation.ts';
import { watching } from './watching.ts';
import { zoneReporting } from './zone.ts';

export type {
  ConformanceBackend,
  ConformanceHarness,
  PodWish,
  SuiteCommands,
} from './harness.ts';

export function providerConformance(name: string, harness: ConformanceHarness): void {
  describe(`provider contract: ${name}`, () => {
    fencing(harness);
    creation(harness);
    deletion(harness);
    reading(harness);
    watching(harness);
    zoneReporting(harness);
    containerLogs(harness);
    lifecycle(harness);
    usage(harness);
    streams(harness);
    validation(harness);
    faults(harness);
  });
}
