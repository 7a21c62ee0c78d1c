import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import { seededRandom, settle } from '../../support/virtual-clock.ts';
import { OWNER, stage, testPod } from './stage.ts';

/** Ten minutes of everything at once, from a seed; then calm, in which all must come right. */
async function storm(seed: number) {
  const random = seededRandom(seed);
  const below = (n: number): number => Math.floor(random.next() * n);
  const created = new Map<string, number>();
  const { api, backend, clock, lead } = stage({
    // Asked whenever the backend really begins a pod.
    behave: ({ metadata }) => {
      created.set(metadata?.uid ?? '', (created.get(metadata?.uid ?? '') ?? 0) + 1);
      return { startDelayMs: below(2) * below(3_000), stopDelayMs: below(2) * below(20_000) };
    },
  });
  let leader = await lead();
  let next = 0;
  const names = (): string[] => [...api.objects.values()].map(({ metadata }) => metadata?.name ?? '');
  for (let step = 0; step < 250; step++) {
    const name = names()[below(Math.max(1, names().length))];
    const dice = below(20);
    if (dice < 6) {
      const policy = ['Always', 'OnFailure', 'Never'][below(3)] ?? 'Always';
      const fresh = `p${below(25)}`;
      if (api.pod(fresh) === undefined) api.put(testPod(fresh, { restartPolicy: policy }, `uid-${next++}`));
    } else if (dice < 9 && name !== undefined && api.pod(name)?.metadata?.deletionTimestamp === undefined) {
      if (api.pod(name) !== undefined) api.deletePod(name, below(30));
    } else if (dice < 10 && name !== undefined) api.remove('Pod', name);
    else if (dice < 11 && name !== undefined && api.pod(name) !== undefined) {
      api.put(testPod(name, {}, `uid-${next++}`));
    } else if (dice < 13 && name !== undefined) {
      const uid = api.pod(name)?.metadata?.uid ?? '';
      try {
        backend.exit(OWNER, uid, 'app', below(2));
      } catch {
        // It was not running.
      }
    } else if (dice < 14) backend.setFaults({ loseReplies: below(4) });
    else if (dice < 15) backend.setFaults({ unreachable: below(2) === 0 });
    else if (dice < 16) backend.setFaults({ incompleteLists: below(2) === 0 });
    else if (dice < 17) api.failWith = below(2) === 0 ? new ZoneletError('Unavailable', 'away') : undefined;
    else if (dice < 18) {
      if (api.holdWatch) api.releaseWatch();
      else api.holdWatch = true;
    } else if (dice < 19) {
      backend.setFaults({ unreachable: false, loseReplies: 0 });
      await leader.kill();
      leader = await lead();
    }
    await clock.advance(below(4) === 0 ? below(10_000) : below(500));
  }
  api.failWith = undefined;
  api.releaseWatch();
  backend.setFaults({ unreachable: false, incompleteLists: false, loseReplies: 0 });
  await clock.advance(900_000);
  await settle();
  return { api, backend, clock, leader, created };
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('a storm of faults, seed %i', (seed) => {
  test('ends in agreement, with no pod created twice and no status gone back', async () => {
    const { api, backend, clock, leader, created } = await storm(seed);
    expect([...created].filter(([, times]) => times > 1)).toEqual([]);

    const byUid = new Map<string, typeof api.history>();
    for (const pod of api.history) {
      const uid = pod.metadata?.uid ?? '';
      byUid.set(uid, [...(byUid.get(uid) ?? []), pod]);
    }
    expect(byUid.size).toBeGreaterThan(20);
    for (const [uid, versions] of byUid) {
      for (const [i, version] of versions.entries()) {
        const before = versions[i - 1];
        if (before?.status?.phase === 'Succeeded' || before?.status?.phase === 'Failed') {
          expect(version.status?.phase, uid).toBe(before.status.phase);
        }
        const count = (pod: typeof version | undefined): number =>
          pod?.status?.containerStatuses?.[0]?.restartCount ?? 0;
        expect(count(version), uid).toBeGreaterThanOrEqual(count(before));
      }
    }

    const wanted = [...api.objects.values()].map(({ metadata }) => metadata?.uid ?? '').sort();
    const there = [...backend.list(OWNER)].map(({ ref }) => ref.uid).sort();
    expect(there).toEqual(wanted);
    for (const uid of wanted) {
      const pod = byUid.get(uid)?.at(-1);
      const observed = backend.get(OWNER, uid)?.observation.containers[0];
      expect(pod?.metadata?.deletionTimestamp, uid).toBeUndefined();
      expect(Object.keys(pod?.status?.containerStatuses?.[0]?.state ?? {}), uid).toEqual(
        Object.keys(observed?.state ?? {}),
      );
    }
    const writes = api.writes().length;
    await clock.advance(600_000);
    expect(api.writes().length).toBe(writes);
    await leader.kill();
  });
});
