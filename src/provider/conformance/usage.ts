/** What `kubectl top` and the kubelet's `/stats` are fed with. */
import { describe, expect, it } from 'vitest';
import { codeOf, hasCode } from '../../errors.ts';
import type { PodStats } from '../contract.ts';
import { receivedStats } from '../received-stats.ts';
import type { ConformanceHarness } from './harness.ts';
import { OTHER_OWNER, OWNER, onStage, type Stage } from './stage.ts';

export function usage(harness: ConformanceHarness): void {
  describe('usage', () => {
    it(
      'is told of every container that runs, with a time and figures that can be believed',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        const pod = await measured(stage, ref.uid);
        expect(pod.ref).toEqual(ref);
        const odd: string[] = [];
        expect(
          receivedStats([pod], (what) => odd.push(what)),
          'nothing is left out of it',
        ).toEqual([pod]);
        expect(odd).toEqual([]);
        const [main] = pod.containers;
        expect(pod.containers.map(({ name }) => name)).toEqual(['main']);
        expect(main?.memory?.workingSetBytes).toBeGreaterThan(0);
        expect(main?.memory?.workingSetBytes).toBeLessThanOrEqual(main?.memory?.usageBytes ?? Number.POSITIVE_INFINITY);
        expect(main?.cpu?.usageCoreNanoSeconds).toBeGreaterThanOrEqual(0);
      }),
    );

    it(
      'of CPU time never falls while a container runs',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        let before = 0;
        for (let i = 0; i < 3; i++) {
          const used = (await measured(stage, ref.uid)).containers[0]?.cpu?.usageCoreNanoSeconds ?? -1;
          expect(used).toBeGreaterThanOrEqual(before);
          before = used;
          await stage.advance(50);
        }
      }),
    );

    it(
      "is told of the own owner's pods only, and of none that is gone",
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        await measured(stage, ref.uid);
        expect(await told(stage, OTHER_OWNER)).toEqual([]);
        await stage.eventually('the pod is gone', async () => (await stage.delete(ref, 0)).state === 'gone');
        expect((await told(stage)).map(({ ref: { uid } }) => uid)).not.toContain(ref.uid);
      }),
    );

    it(
      'is not made up for a backend that cannot be reached',
      onStage(harness, async (stage) => {
        if (stage.backend.unreachable === undefined) return stage.skip('the harness cannot make it unreachable');
        const { ref } = await stage.running();
        await measured(stage, ref.uid);
        await stage.backend.unreachable(true);
        // Of several engines the others may still be told of: an error, or an answer without this pod.
        const pods = await told(stage).catch((error: unknown) => {
          expect(codeOf(error)).toBe('Unavailable');
          return [];
        });
        expect(pods.map((pod) => pod.ref.uid)).not.toContain(ref.uid);
      }),
    );
  });
}

async function told(stage: Stage, owner = OWNER): Promise<readonly PodStats[]> {
  const stats = stage.provider.stats?.bind(stage.provider);
  if (stats === undefined || !stage.provider.capabilities.stats) return stage.skip('the provider offers no stats');
  try {
    return await stats(owner, stage.reading);
  } catch (error) {
    // What a backend behind the provider offers may only show when it is asked.
    if (hasCode(error, 'Unsupported')) return stage.skip('the backend offers no stats');
    throw error;
  }
}

/** A backend may measure at intervals: the first figures of a pod take a while. */
async function measured(stage: Stage, uid: string): Promise<PodStats> {
  let found: PodStats | undefined;
  await stage.eventually('the usage is told', async () => {
    found = (await told(stage)).find(({ ref }) => ref.uid === uid);
    return found !== undefined && found.containers.length > 0;
  });
  if (found === undefined) throw new Error('there is no usage');
  return found;
}
