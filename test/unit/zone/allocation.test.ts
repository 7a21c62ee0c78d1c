import { expect, test } from 'vitest';
import type { Informer } from '../../../src/kube/informer.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import { countAllocation } from '../../../src/zone/allocation.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

test('what the pods of a zone request is told from the beginning, follows them, and ends with the term', async () => {
  const clock = new VirtualClock();
  const metrics = createMetrics({ set: 'shop', version: '1', runtime: false }).node;
  let list: Pod[] = [];
  let added = (): void => {};
  const pods = {
    list: () => list,
    subscribe(handler: { added(): void }) {
      added = handler.added;
      return () => {};
    },
  } as unknown as Informer<Pod>;
  const shown = async (): Promise<Record<string, number>> =>
    Object.fromEntries((await metrics.allocated.get()).values.map(({ labels, value }) => [labels.resource, value]));

  const counting = countAllocation('zone-a', pods, clock, metrics);
  expect(await shown()).toEqual({ cpu: 0, memory: 0, pods: 0 });

  list = [{ spec: { containers: [{ name: 'c', resources: { requests: { cpu: '250m', 'example.com/gpu': '2' } } }] } }];
  added();
  await clock.advance(1_000);
  expect(await shown()).toEqual({ cpu: 0.25, memory: 0, pods: 1, 'example.com/gpu': 2 });

  list = [];
  added();
  await clock.advance(1_000);
  expect(await shown()).toEqual({ cpu: 0, memory: 0, pods: 0, 'example.com/gpu': 0 });

  counting[Symbol.dispose]();
  expect(await shown()).toEqual({});
});
