import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { NODES, PODS } from '../../../src/kube/resources.ts';
import { silentLogger as log } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import type { Whereabouts } from '../../../src/zone/cluster-facts.ts';
import { watchForDrain } from '../../../src/zone/drain-watch.ts';
import { seededRandom } from '../../support/virtual-clock.ts';
import { type Cluster, pod, startCluster } from '../local-cluster/cluster.ts';

function watch(cluster: Cluster, at: Whereabouts) {
  const stop = new AbortController();
  const reasons: (string | undefined)[] = [];
  const candidates = {
    get draining() {
      return reasons.at(-1);
    },
    drain: (reason: string | undefined) => void reasons.push(reason),
  };
  const metrics = apiMetrics(new Registry());
  const running = watchForDrain({ ...cluster, at, candidates, random: seededRandom(1), metrics, log }, stop.signal);
  return {
    reasons,
    async stop() {
      stop.abort();
      await cluster.clock.advance(1_000);
      await running;
    },
  };
}

async function cordon(cluster: Cluster, name: string, unschedulable: boolean): Promise<void> {
  await cluster.client.patch(NODES, { name }, { type: 'merge', body: { spec: { unschedulable } } });
  await cluster.clock.advance(100);
}

async function cluster(): Promise<Cluster> {
  const started = startCluster();
  for (const name of ['machine-1', 'machine-2']) await started.client.create(NODES, { metadata: { name } });
  await started.client.create(PODS, pod('zonelet-0', { ...pod('zonelet-0').spec!, nodeName: 'machine-1' }));
  return started;
}

test('a replica whose node is cordoned is draining until the node is open again', async () => {
  const stage = await cluster();
  const drain = watch(stage, { nodeName: 'machine-1', pod: undefined });
  await stage.clock.advance(100);
  await cordon(stage, 'machine-2', true);
  expect(drain.reasons).toEqual([]);
  await cordon(stage, 'machine-1', true);
  expect(drain.reasons).toEqual(['node machine-1 is cordoned']);
  await cordon(stage, 'machine-1', false);
  expect(drain.reasons).toEqual(['node machine-1 is cordoned', undefined]);
  await drain.stop();
});

test('in a cluster the pod tells which node it is; a pod that is being deleted is draining', async () => {
  const stage = await cluster();
  const drain = watch(stage, { nodeName: undefined, pod: { namespace: 'default', name: 'zonelet-0' } });
  await stage.clock.advance(100);
  await cordon(stage, 'machine-1', true);
  expect(drain.reasons).toEqual(['node machine-1 is cordoned']);
  await cordon(stage, 'machine-1', false);
  await stage.client.delete(PODS, { namespace: 'default', name: 'zonelet-0' });
  await stage.clock.advance(100);
  expect(drain.reasons.at(-1)).toBe('pod zonelet-0 is being deleted');
  await drain.stop();
});

test('a replica that runs nowhere that the cluster knows watches nothing', async () => {
  const stage = await cluster();
  const drain = watch(stage, { nodeName: undefined, pod: undefined });
  await cordon(stage, 'machine-1', true);
  expect(drain.reasons).toEqual([]);
  await drain.stop();
});
