import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SetStatus } from '../../../src/commands/status-report.ts';
import { readStatus } from '../../../src/commands/status-report.ts';
import { statusTable } from '../../../src/commands/status-table.ts';
import { LEASES, NODES, PODS } from '../../../src/kube/resources.ts';
import { ELECTION_ANNOTATION } from '../../../src/node/names.ts';
import { configOf, startSet } from './set.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-status-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function opened(zones: readonly string[], more: object = {}) {
  const config = await configOf(join(folder, 'set.yaml'), zones, more);
  const set = await startSet(config);
  await set.clock.advance(20_000);
  const status = (): Promise<SetStatus> => readStatus({ ...set, namespace: 'default', config });
  return { ...set, status, page: async () => statusTable(await status(), set.clock.now()) };
}

test('who leads, how the backend is, and who would be next and why', async () => {
  const { client, clock, status, page, end } = await opened(['a', 'b', 'c']);
  const spec = { nodeName: 'shop-a', containers: [{ name: 'app', image: 'registry.example/app:1' }] };
  await client.create(PODS, { metadata: { name: 'p', namespace: 'default' }, spec });
  await clock.advance(5_000);
  const { zones, replicas } = await status();
  expect(zones[0]).toMatchObject({
    name: 'a',
    node: 'shop-a',
    ready: true,
    leader: 'replica-0',
    epoch: 1,
    pods: { Running: 1 },
    election: 'lease',
    health: { state: 'Up', reason: 'BackendUp' },
    brake: null,
    next: { why: 'fewest zones' },
  });
  expect(Date.parse(zones[0]?.since ?? '')).toBeLessThan(clock.now());
  expect(['replica-1', 'replica-2']).toContain(zones[0]?.next?.replica);
  expect(replicas[1]).toEqual({
    name: 'replica-1',
    homeZone: 'b',
    zones: ['b'],
    draining: null,
    sees: { a: 'Up', b: 'Up', c: 'Up' },
  });
  const text = await page();
  expect(text).toMatch(/^ZONE +NODE +READY +LEADER/);
  expect(text).toMatch(/^a +Up +replica-[12] +fewest zones$/m);
  expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80);
  await end();
});

test('once its home replica is back but does not lead yet, that one is next', async () => {
  const { client, status, stop, clock, end } = await opened(['a', 'b']);
  await stop(1);
  await clock.advance(5_000);
  const { zones } = await status();
  expect(zones.map(({ leader }) => leader)).toEqual(['replica-0', 'replica-0']);
  // Nobody else lives.
  expect(zones.map(({ next }) => next)).toEqual([null, null]);
  const now = new Date(clock.now()).toISOString().replace('Z', '000Z');
  await client.create(LEASES, {
    metadata: {
      name: 'zonelet-shop-replica-replica-9',
      namespace: 'default',
      labels: { 'zonelet.dev/set': 'shop' },
      annotations: { 'zonelet.dev/home-zone': 'b' },
    },
    spec: { holderIdentity: 'replica-9_-_x', leaseDurationSeconds: 6, renewTime: now },
  });
  const next = (await status()).zones.map((zone) => zone.next);
  expect(next).toEqual([
    { replica: 'replica-9', why: 'fewest zones' },
    { replica: 'replica-9', why: 'home' },
  ]);
  await end();
});

test('a backend that is down, and the brake that keeps the pods of a majority where they are', async () => {
  const { status, page, backendAway, clock, end } = await opened(['a', 'b', 'c'], {
    onZoneDown: { policy: 'evict', after: '600s' },
  });
  backendAway('a', true);
  await clock.advance(60_000);
  const [one] = (await status()).zones;
  expect(one).toMatchObject({ health: { state: 'Down', reason: 'BackendDown' }, brake: null });
  expect(await page()).toMatch(/^a: BackendDown: .*replica-0/m);
  backendAway('b', true);
  await clock.advance(60_000);
  const { zones, replicas } = await status();
  expect(zones.map(({ health }) => health?.state)).toEqual(['Down', 'Down', 'Up']);
  expect(zones[0]?.brake).toContain('would be a majority');
  expect(replicas[2]?.sees).toEqual({ a: 'Down', b: 'Down', c: 'Up' });
  expect(await page()).toMatch(/^b: its pods are not moved: /m);
  backendAway('c', true);
  await clock.advance(60_000);
  const all = (await status()).zones;
  expect(all.map(({ health }) => health?.reason)).toEqual(Array(3).fill('EveryBackendDown'));
  expect(all[2]?.brake).toContain('no replica reaches any backend');
  await end();
});

test('a zone that is led by another kind of lock: its holder says so itself', async () => {
  const { client, status, end } = await opened(['a']);
  await client.delete(LEASES, { namespace: 'default', name: 'zonelet-shop-a' });
  const annotations = { [ELECTION_ANNOTATION]: 'redis' };
  await client.patch(NODES, { name: 'shop-a' }, { type: 'merge', body: { metadata: { annotations } } });
  const [zone] = (await status()).zones;
  expect(zone).toMatchObject({ election: 'redis', leader: 'replica-0', epoch: 1, since: null });
  await end();
});

test('a set of which nothing is there yet', async () => {
  const config = await configOf(join(folder, 'set.yaml'), ['a']);
  const set = await startSet(config);
  await set.end();
  const empty = await readStatus({ ...set, namespace: 'elsewhere', config: { ...config, set: 'other' } });
  expect(empty.replicas).toEqual([]);
  expect(statusTable(empty, 0)).toContain('No replica is alive');
});
