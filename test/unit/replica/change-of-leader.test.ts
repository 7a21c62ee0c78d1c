import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EVENTS, LEASES, PODS } from '../../../src/kube/resources.ts';
import { configOf, startSet } from './set.ts';

test('every change of leader says why, how long each phase took, and how the term before ended', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-leaders-'));
  const set = await startSet(await configOf(join(folder, 'set.yaml'), ['a', 'b']));
  const { clock, client } = set;
  await clock.advance(15_000);
  const pod = { nodeName: 'shop-a', containers: [{ name: 'app', image: 'registry.example/app:1' }] };
  await client.create(PODS, { metadata: { name: 'p', namespace: 'default' }, spec: pod });
  await clock.advance(5_000);
  /** Of the zone's Node, oldest first. */
  const told = async (reason: string): Promise<string[]> =>
    (await client.list(EVENTS)).items
      .filter((event) => event.involvedObject?.name === 'shop-a' && event.reason === reason)
      .sort((a, b) => Number(a.metadata?.resourceVersion) - Number(b.metadata?.resourceVersion))
      .map(({ message }) => message ?? '');

  expect(await told('LeaderElected')).toEqual(['replica-0 leads zone a with epoch 1: nobody led it before.']);
  expect(await told('TakenOver')).toEqual([
    expect.stringMatching(
      /^The take-over of zone a took \d+ ms: fence \d+ ms, freshness \d+ ms, list \d+ ms, resolve \d+ ms, publish \d+ ms\.$/,
    ),
  ]);
  expect(await set.metric(0, 'zonelet_terms_total', { zone: 'a', cause: 'first' })).toBe(1);

  await set.stop(0);
  await clock.advance(5_000);
  expect((await told('LeaderLeaves'))[0]).toContain('the term of zone a with epoch 1 is to end: released');
  expect((await told('LeaderElected'))[1]).toBe('replica-1 leads zone a with epoch 2: its predecessor gave it up.');
  expect(await set.metric(1, 'zonelet_terms_total', { zone: 'a', cause: 'released' })).toBe(1);
  for (const phase of ['fence', 'freshness', 'list', 'resolve', 'publish']) {
    expect(await set.metric(1, 'zonelet_takeover_phase_seconds_count', { zone: 'a', phase }), phase).toBe(1);
  }

  const lease = { namespace: 'default', name: 'zonelet-shop-a' };
  await client.patch(LEASES, lease, { type: 'merge', body: { spec: { holderIdentity: 'somebody-else' } } });
  await clock.advance(20_000);
  expect((await told('LeaderLost'))[0]).toContain('zonelet-shop-a says "somebody-else" with epoch 2');
  expect((await told('LeaderElected'))[2]).toContain('with epoch 3: nothing was heard of its predecessor for a lease');
  await set.end();
  await rm(folder, { recursive: true });
});
