import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LEASES, NODES, PODS } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { configOf, startSet } from './set.ts';

const ZONES = ['a', 'b', 'c'];
/** 2,000 were tried too, and take ten times as long; what is checked does not hang on the number. */
const PODS_EACH = Number(process.env.ZONELET_OUTAGE_PODS ?? 150);
const OUTAGE_MS = 600_000;
const CAUGHT_UP_MS = 30_000;
const PAGE = 500;

test('ten minutes without an API server: nothing is created or deleted, and each pod that changed costs one write', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-outage-'));
  const set = await startSet(await configOf(join(folder, 'set.yaml'), ZONES));
  const { clock, client, asked, mutations } = set;
  await clock.advance(15_000);
  const made: { readonly zone: string; readonly kind: number; readonly uid: string }[] = [];
  for (const zone of ZONES) {
    for (let i = 0; i < PODS_EACH; i++) {
      const spec = {
        nodeName: `shop-${zone}`,
        restartPolicy: i % 3 === 0 ? 'Never' : 'Always',
        containers: [{ name: 'app', image: 'registry.example/app:1' }],
      };
      const pod = { metadata: { name: `${zone}-${i}`, namespace: 'default' }, spec };
      const { metadata } = await client.create(PODS, pod);
      made.push({ zone, kind: i % 3, uid: metadata?.uid ?? '' });
    }
  }
  await clock.advance(20_000);
  const all = async (): Promise<Map<string, Pod>> =>
    new Map((await client.list(PODS)).items.map((pod) => [pod.metadata?.uid ?? '', pod]));
  expect([...(await all()).values()].every(({ status }) => status?.phase === 'Running')).toBe(true);
  expect(mutations).toHaveLength(ZONES.length * PODS_EACH);

  set.goAway();
  const from = clock.monotonic();
  await clock.advance(5_000);
  // A third ends, a third restarts several times, a third just runs on.
  const uidsOf = (kind: number) => made.filter((each) => each.kind === kind);
  for (const { zone, uid } of uidsOf(0)) set.exit(zone, uid, 3);
  for (let restarts = 0; restarts < 3; restarts++) {
    for (const { zone, uid } of uidsOf(1)) set.exit(zone, uid, 1);
    await clock.advance(60_000);
  }
  await clock.advance(from + OUTAGE_MS - clock.monotonic());
  expect(mutations).toHaveLength(ZONES.length * PODS_EACH);
  // Asking is bounded too: leases, candidates, caches, none of which asks more than twice a second.
  expect(asked.filter(({ at }) => at >= from).length / ZONES.length / (OUTAGE_MS / 1000)).toBeLessThan(10);

  set.comeBack();
  const back = clock.monotonic();
  await clock.advance(CAUGHT_UP_MS);
  const after = await all();
  const statusOf = (uid: string) => after.get(uid)?.status;
  for (const { uid } of uidsOf(0)) {
    expect(statusOf(uid)?.phase, uid).toBe('Failed');
    expect(statusOf(uid)?.containerStatuses?.[0]?.state?.terminated?.exitCode, uid).toBe(3);
  }
  for (const { uid } of uidsOf(1)) {
    expect(statusOf(uid)?.phase, uid).toBe('Running');
    expect(statusOf(uid)?.containerStatuses?.[0]?.restartCount, uid).toBe(3);
  }
  for (const { uid } of uidsOf(2)) expect(statusOf(uid)?.phase, uid).toBe('Running');
  expect(mutations).toHaveLength(ZONES.length * PODS_EACH);
  for (const zone of ZONES) {
    const node = await client.get(NODES, { name: `shop-${zone}` });
    expect(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
    const lease = await client.get(LEASES, { namespace: 'default', name: `zonelet-shop-${zone}` });
    expect(lease.spec?.leaseTransitions).toBe(2);
  }

  const since = asked.filter(({ at }) => at >= back);
  const patches = since.filter(
    ({ verb, path }) => verb === 'PATCH' && path.endsWith('/status') && path.includes('/pods/'),
  );
  // The latest of each, once; no pod that did not change.
  expect(patches).toHaveLength(uidsOf(0).length + uidsOf(1).length);
  expect(new Set(patches.map(({ path }) => path)).size).toBe(patches.length);
  expect(Math.max(...since.map(({ inFlight }) => inFlight))).toBeLessThanOrEqual(40);
  // Each cache looks where the server stands, and lists anew at most once for itself and once for a take-over.
  const lists = since.filter(({ verb }) => verb === 'LIST');
  const caches = ZONES.length * (2 + ZONES.length);
  expect(lists.length).toBeLessThanOrEqual(caches * (1 + 2 * Math.ceil(PODS_EACH / PAGE)));
  expect((await set.end()).every(({ failure }) => failure === undefined)).toBe(true);
  await rm(folder, { recursive: true });
}, 120_000);
