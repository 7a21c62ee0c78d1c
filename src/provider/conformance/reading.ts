/** Get and list: found, absent or unknown, and never the one for the other. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from './harness.ts';
import { failure, OTHER_OWNER, OWNER, onStage } from './stage.ts';

export function reading(harness: ConformanceHarness): void {
  describe('get and list', () => {
    it(
      'finds what is there and says undefined for what is not',
      onStage(harness, async (stage) => {
        const pod = await stage.running();
        expect((await stage.get(pod.ref))?.ref).toEqual(pod.ref);
        expect(await stage.get(stage.pod().ref)).toBeUndefined();
      }),
    );

    it(
      'throws Unavailable, not absent, while the backend cannot be reached',
      onStage(harness, async (stage) => {
        const cut = stage.backend.unreachable?.bind(stage.backend);
        if (cut === undefined) return stage.skip('the harness cannot cut the backend off');
        const pod = await stage.running();
        await cut(true);
        expect(await failure(stage.get(pod.ref))).toBe('Unavailable');
        expect(await failure(stage.provider.list(OWNER, stage.reading))).toBe('Unavailable');
        expect(await failure(stage.create(stage.pod()))).toMatch(/^(Unavailable|Ambiguous)$/);
        await cut(false);
        await stage.eventually('it is found again', async () => (await failure(stage.get(pod.ref))) === undefined);
        expect((await stage.get(pod.ref))?.ref).toEqual(pod.ref);
      }),
    );

    it(
      'lists everything of the owner and nothing of another',
      onStage(harness, async (stage) => {
        await stage.claim();
        await stage.claim({ owner: OTHER_OWNER });
        const ours = [stage.pod(), stage.pod(), stage.pod()];
        const theirs = stage.pod();
        for (const pod of ours) await stage.create(pod);
        await stage.create(theirs, { owner: OTHER_OWNER });
        expect(await stage.uids()).toEqual(ours.map(({ ref }) => ref.uid).sort());
        expect(await stage.uids(OTHER_OWNER)).toEqual([theirs.ref.uid]);
        const { pods } = await stage.provider.list(OWNER, stage.reading);
        for (const pod of pods) expect(pod).toMatchObject({ owner: OWNER, zone: stage.backend.zone });
      }),
    );

    it(
      'lists many',
      onStage(harness, async (stage) => {
        const uids: string[] = [];
        for (let i = 0; i < 60; i++) {
          const pod = stage.pod();
          uids.push(pod.ref.uid);
          await stage.create(pod);
        }
        expect(await stage.uids()).toEqual(uids.sort());
      }),
    );

    it(
      'finds everything through a new provider that knows nothing',
      onStage(harness, async (stage) => {
        const pod = await stage.running();
        const fresh = stage.connect();
        expect(await stage.uids(OWNER, fresh)).toEqual([pod.ref.uid]);
        expect(await stage.get(pod.ref, fresh)).toEqual(await stage.get(pod.ref));
      }),
    );

    it(
      'finds everything again after a restart of the backend',
      onStage(harness, async (stage) => {
        const restart = stage.backend.restart?.bind(stage.backend);
        if (restart === undefined) return stage.skip('the harness cannot restart the backend');
        const pod = await stage.running();
        await restart();
        await stage.answering();
        const after = await stage.get(pod.ref);
        expect(after?.ref).toEqual(pod.ref);
        expect(after?.hash).toBe('hash-1');
        expect(after?.observation.containers[0]?.restartCount).toBe(0);
      }),
    );

    it(
      'says so when a list is not complete',
      onStage(harness, async (stage) => {
        const incomplete = stage.backend.incomplete?.bind(stage.backend);
        if (incomplete === undefined) return stage.skip('the harness cannot make lists incomplete');
        await stage.running();
        await stage.running();
        await incomplete(true);
        expect((await stage.provider.list(OWNER, stage.reading)).complete).toBe(false);
        await incomplete(false);
        expect(await stage.uids()).toHaveLength(2);
      }),
    );
  });
}
