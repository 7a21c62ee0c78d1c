import { expect, test } from 'vitest';
import { assertNoSuchSet } from '../../../src/commands/demo/cluster-check.ts';
import { UsageError } from '../../../src/commands/usage-error.ts';
import type { KubeClient } from '../../../src/kube/client.ts';

function clusterWith(ready: 'True' | 'Unknown'): KubeClient {
  const node = { metadata: { name: 'demo-zone-a' }, status: { conditions: [{ type: 'Ready', status: ready }] } };
  const list = async (_: unknown, { labelSelector }: { labelSelector?: string }) => ({
    items: labelSelector === 'zonelet.dev/set=demo' ? [node] : [],
  });
  return { list } as unknown as KubeClient;
}

test('the demo does not play on a cluster where a set of its name runs', async () => {
  const error = await assertNoSuchSet(clusterWith('True'), 'demo').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UsageError);
  expect(String(error)).toContain('demo-zone-a');
});

test('what is left of a set that has stopped, and other sets, are no obstacle to the demo', async () => {
  await assertNoSuchSet(clusterWith('Unknown'), 'demo');
  await assertNoSuchSet(clusterWith('True'), 'shop');
});
