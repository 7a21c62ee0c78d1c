import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { beginZoneSeries } from '../../../src/metrics/zone-series.ts';

test('what can be counted of a zone stands at 0 before it happens, so that rate() sees the first one', async () => {
  const metrics = createMetrics({ set: 'shop', version: '1', runtime: false });
  beginZoneSeries('zone-a', metrics);
  const text = await metrics.registry.metrics();
  for (const line of [
    'zonelet_takeover_seconds_count{zone="zone-a",set="shop"} 0',
    'zonelet_fenced_writes_total{zone="zone-a",by="backend",set="shop"} 0',
    'zonelet_node_heartbeats_total{zone="zone-a",outcome="error",set="shop"} 0',
    'zonelet_pods_created_total{zone="zone-a",outcome="adopted",set="shop"} 0',
    'zonelet_pods_refused_total{zone="zone-a",set="shop"} 0',
    'zonelet_orphans_deleted_total{zone="zone-a",set="shop"} 0',
    'zonelet_pod_resource_seconds_total{zone="zone-a",resource="cpu",set="shop"} 0',
    'kubelet_runtime_operations_total{zone="zone-a",operation_type="create",set="shop"} 0',
    'kubelet_runtime_operations_errors_total{zone="zone-a",operation_type="create",code="Unavailable",set="shop"} 0',
  ]) {
    expect(labelsSorted(text)).toContain(labelsSorted(line));
  }
});

test('a series that has moved is left as it is', async () => {
  const metrics = createMetrics({ set: 'shop', version: '1', runtime: false });
  metrics.pods.refused.inc({ zone: 'zone-a' });
  metrics.provider.operations.inc({ zone: 'zone-a', operation_type: 'create' });
  beginZoneSeries('zone-a', metrics);
  expect((await metrics.pods.refused.get()).values.map(({ value }) => value)).toEqual([1]);
  const operations = (await metrics.provider.operations.get()).values;
  expect(operations.find(({ labels }) => labels.operation_type === 'create')?.value).toBe(1);
});

/** The order of labels means nothing. */
function labelsSorted(text: string): string {
  return text.replace(/\{(.*?)\}/g, (_, labels: string) => `{${labels.split(',').toSorted().join(',')}}`);
}
