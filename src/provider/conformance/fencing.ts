/** Claim and fence: a leader that was replaced can change nothing any more. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from './harness.ts';
import { failure, OTHER_OWNER, onStage, type Stage } from './stage.ts';

export function fencing(harness: ConformanceHarness): void {
  describe('fence', () => {
    it(
      'has claim exactly where it says that it fences',
      onStage(harness, async ({ provider }) => {
        expect(provider.claim !== undefined).toBe(provider.capabilities.fence === 'epoch');
      }),
    );

    it(
      'refuses every mutation of a lower epoch, and the claim',
      onStage(harness, async (stage) => {
        needFence(stage);
        await stage.claim({ epoch: 7 });
        const pod = stage.pod();
        await stage.create(pod, { epoch: 7 });
        const stale = { epoch: 6, holder: 'replica-1' };
        expect(await failure(stage.claim(stale))).toBe('Fenced');
        expect(await failure(stage.create(stage.pod(), stale))).toBe('Fenced');
        expect(await failure(stage.create(pod, stale))).toBe('Fenced');
        expect(await failure(stage.provider.update(pod, stage.operation(stale)))).toBe('Fenced');
        expect(await failure(stage.delete(pod.ref, 0, stale))).toBe('Fenced');
        expect(await stage.uids()).toEqual([pod.ref.uid]);
      }),
    );

    it(
      'refuses an equal epoch of another holder, and takes the same claim again',
      onStage(harness, async (stage) => {
        needFence(stage);
        await stage.claim({ epoch: 7, holder: 'replica-0' });
        expect(await failure(stage.claim({ epoch: 7, holder: 'replica-1' }))).toBe('Fenced');
        expect(await failure(stage.create(stage.pod(), { epoch: 7, holder: 'replica-1' }))).toBe('Fenced');
        await stage.claim({ epoch: 7, holder: 'replica-0' });
        await stage.create(stage.pod(), { epoch: 7, holder: 'replica-0' });
      }),
    );

    it(
      'is raised by a claim of a higher epoch through another provider',
      onStage(harness, async (stage) => {
        needFence(stage);
        await stage.claim({ epoch: 7 });
        await stage.claim({ epoch: 8, holder: 'replica-1' }, stage.connect());
        expect(await failure(stage.create(stage.pod(), { epoch: 7 }))).toBe('Fenced');
      }),
    );

    it(
      'never lets the epoch of accepted mutations fall, also without a claim',
      onStage(harness, async (stage) => {
        needFence(stage);
        await stage.claim({ epoch: 7 });
        const refused = await failure(stage.create(stage.pod(), { epoch: 8, holder: 'replica-1' }));
        if (refused === undefined) expect(await failure(stage.create(stage.pod(), { epoch: 7 }))).toBe('Fenced');
        else expect(refused).toBe('Fenced');
      }),
    );

    it(
      'is kept over a restart of the backend',
      onStage(harness, async (stage) => {
        needFence(stage);
        const restart = stage.backend.restart?.bind(stage.backend);
        if (restart === undefined) return stage.skip('the harness cannot restart the backend');
        await stage.claim({ epoch: 7 });
        await restart();
        await stage.answering();
        expect(await failure(stage.claim({ epoch: 6, holder: 'replica-1' }, stage.connect()))).toBe('Fenced');
        expect(await failure(stage.claim({ epoch: 7, holder: 'replica-1' }, stage.connect()))).toBe('Fenced');
        await stage.create(stage.pod(), { epoch: 7 });
      }),
    );

    it(
      'is not raised by reads',
      onStage(harness, async (stage) => {
        needFence(stage);
        await stage.claim({ epoch: 7 });
        const pod = stage.pod();
        const standby = stage.connect();
        await standby.get(stage.operation().owner, pod.ref, stage.reading);
        await standby.list(stage.operation().owner, stage.reading);
        const record = stage.watch(standby);
        await stage.eventually('the watch has given a snapshot', () => record.snapshots() > 0);
        await stage.create(pod, { epoch: 7 });
      }),
    );

    it(
      'is one per owner',
      onStage(harness, async (stage) => {
        needFence(stage);
        await stage.claim({ epoch: 7 });
        await stage.claim({ epoch: 1, owner: OTHER_OWNER });
        await stage.create(stage.pod(), { epoch: 1, owner: OTHER_OWNER });
        await stage.create(stage.pod(), { epoch: 7 });
      }),
    );
  });
}

function needFence(stage: Stage): void {
  if (stage.provider.capabilities.fence !== 'epoch') stage.skip('the backend cannot fence');
}
