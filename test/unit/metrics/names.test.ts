import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/metrics/metrics.ts';

/** Names that others have coined, which dashboards for Kubernetes know. */
const BORROWED = /^(kubelet|workqueue|rest_client|leader_election)_/;

test('names, help and labels follow the conventions of Prometheus', async () => {
  const all = await createMetrics({ set: 'shop', version: '1', runtime: false }).registry.getMetricsAsJSON();
  expect(all.length).toBeGreaterThan(25);
  for (const { name, help, type } of all) {
    expect(name, name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(BORROWED.test(name) || name.startsWith('zonelet_'), name).toBe(true);
    expect(help.length, name).toBeGreaterThan(10);
    if (String(type) === 'counter') expect(name).toMatch(/_total$/);
    else expect(name).not.toMatch(/_total$/);
    if (String(type) === 'histogram') expect(name).toMatch(/_seconds$/);
  }
});
